package emulator_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/vnet"
)

// There is no way to the host's network but one that was asked for.
func TestForward(t *testing.T) {
	p := newPair(t, "full-cone", vnet.LinkConfig{}, emulator.Auto)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.Copy(c, c)
			c.Close()
		}
	}()
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	go func() {
		b := make([]byte, 100)
		for {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			u.WriteTo(b[:n], from)
		}
	}()
	for network, host := range map[string]string{"tcp": l.Addr().String(), "udp": u.LocalAddr().String()} {
		if c, err := p.in.Dial(t.Context(), "tcp", host); err == nil {
			c.Close()
			t.Errorf("%s: there is a way", network)
		}
		if err := p.in.Forward(network, ap("127.0.0.1:700"), host); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			c, err := p.in.Dial(t.Context(), network, "127.0.0.1:700")
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(patience))
			c.Write([]byte("hello"))
			b := make([]byte, 5)
			if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
				t.Errorf("%s: %q, %v", network, b, err)
			}
			c.Close()
		}
	}
	if err := p.in.Forward("tcp", ap("127.0.0.1:701"), "127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	if c, err := p.in.Dial(t.Context(), "tcp", "127.0.0.1:701"); err == nil {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("nobody is there, and answers")
		}
		c.Close()
	}
	if err := p.in.Forward("sctp", ap("127.0.0.1:702"), "127.0.0.1:1"); err == nil {
		t.Error("forwards sctp")
	}
	if err := p.in.Forward("tcp", ap("127.0.0.1:700"), "127.0.0.1:1"); err == nil {
		t.Error("two on one port")
	}
}
