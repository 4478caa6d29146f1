package world

import (
	"bytes"
	"net"
	"testing"
)

// loop is a socket that gives what is to be read and keeps what is written.
type loop struct {
	net.PacketConn
	in, out [][]byte
}

func (l *loop) ReadFrom(b []byte) (int, net.Addr, error) {
	n := copy(b, l.in[0])
	l.in = l.in[1:]
	return n, nil, nil
}

func (l *loop) WriteTo(b []byte, _ net.Addr) (int, error) {
	l.out = append(l.out, bytes.Clone(b))
	return len(b), nil
}

func rtp(kind, fill byte, n int) []byte {
	return append([]byte{0x80, kind, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3}, bytes.Repeat([]byte{fill}, n)...)
}

// What is sent says what was heard; what is of another kind, or RTCP, is left alone.
func TestEcho(t *testing.T) {
	l := &loop{in: [][]byte{rtp(0, 7, 160), rtp(0, 8, 160), rtp(8, 9, 160), rtp(200, 1, 16), {1}}}
	c := &echoConn{PacketConn: l}
	for range len(l.in) {
		c.ReadFrom(make([]byte, 2000))
	}
	for _, b := range [][]byte{rtp(200, 5, 16), rtp(0, 0xff, 160), rtp(0x80, 0xff, 160), rtp(0, 0xff, 160)} {
		c.WriteTo(b, nil)
	}
	want := [][]byte{rtp(200, 5, 16), rtp(0, 7, 160), rtp(0x80, 8, 160), rtp(0, 0xff, 160)}
	for i, b := range want {
		if !bytes.Equal(l.out[i], b) {
			t.Errorf("%d: % x", i, l.out[i])
		}
	}
	for range 2 * echoMost {
		l.in = append(l.in, rtp(0, 1, 160))
		c.ReadFrom(make([]byte, 2000))
	}
	if len(c.heard) != echoMost {
		t.Errorf("%d packets are kept", len(c.heard))
	}
}
