package vnet_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/natproof/natproof/vnet"
)

// A batch is what is there, at least one, in the order in which it came; errors are those of a
// single read.
func TestBatches(t *testing.T) {
	pair(t, func(lab *vnet.Lab, a, b *vnet.Conn) error {
		out := []ipv4.Message{
			{Buffers: [][]byte{[]byte("on"), []byte("e")}, Addr: b.LocalAddr()},
			{Buffers: [][]byte{[]byte("two")}, Addr: b.LocalAddr()},
			{Buffers: [][]byte{[]byte("three is cut")}, Addr: b.LocalAddr()},
		}
		if n, err := a.WriteBatch(out, 0); n != 3 || err != nil || out[0].N != 3 {
			return fmt.Errorf("%d written, %v", n, err)
		}
		time.Sleep(time.Second)
		in := make([]ipv4.Message, 5)
		for i := range in {
			in[i].Buffers = [][]byte{make([]byte, 2), make([]byte, 3)}
		}
		n, err := b.ReadBatch(in, 0)
		if n != 3 || err != nil {
			return fmt.Errorf("%d read, %v", n, err)
		}
		for i, want := range []string{"one", "two", "three"} {
			m := in[i]
			got := string(append(m.Buffers[0], m.Buffers[1]...)[:m.N])
			if got != want || m.Addr.String() != a.LocalAddr().String() {
				return fmt.Errorf("%d: %q from %v, want %q", i, got, m.Addr, want)
			}
		}
		b.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := b.ReadBatch(in, 0); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%d, %v, want the deadline", n, err)
		}
		if _, err := b.ReadBatch(in, 1); err == nil {
			return errors.New("flags were taken")
		}
		if _, err := a.WriteBatch([]ipv4.Message{{OOB: []byte("x"), Addr: b.LocalAddr()}}, 0); err == nil {
			return errors.New("control messages were taken")
		}
		b.Close()
		if n, err := b.ReadBatch(in, 0); n != 0 || !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("%d, %v, want closed", n, err)
		}
		return nil
	})
}
