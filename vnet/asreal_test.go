package vnet_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/pion/transport/v3"

	"github.com/natproof/natproof/vnet"
)

// known are the errors by which callers tell what happened on a socket.
var known = []error{
	net.ErrClosed, os.ErrDeadlineExceeded, net.ErrWriteToConnected, syscall.EMSGSIZE, syscall.EDESTADDRREQ,
	syscall.ECONNREFUSED, syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, syscall.EINVAL,
}

// kinds are those of them that an error is.
func kinds(err error) (all []error) {
	for _, k := range known {
		if errors.Is(err, k) {
			all = append(all, k)
		}
	}
	return all
}

// sockets is what a program opens UDP sockets by; own is its address.
type sockets struct {
	own    netip.Addr
	listen func(*net.UDPAddr) (transport.UDPConn, error)
	dial   func(*net.UDPAddr) (transport.UDPConn, error)
}

// misuse is what goes wrong on a socket, and the error that comes of it.
var misuse = []struct {
	what string
	do   func(s sockets) error
}{
	{"write without a peer", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		defer c.Close()
		_, err := c.Write([]byte("x"))
		return err
	}},
	{"write to somebody, connected", func(s sockets) error {
		c := must(s.dial(&net.UDPAddr{IP: s.own.AsSlice(), Port: 9}))
		defer c.Close()
		_, err := c.WriteTo([]byte("x"), &net.UDPAddr{IP: s.own.AsSlice(), Port: 9})
		return err
	}},
	{"message to somebody, connected", func(s sockets) error {
		c := must(s.dial(&net.UDPAddr{IP: s.own.AsSlice(), Port: 9}))
		defer c.Close()
		_, _, err := c.WriteMsgUDP([]byte("x"), nil, &net.UDPAddr{IP: s.own.AsSlice(), Port: 9})
		return err
	}},
	{"a datagram that is too long", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		defer c.Close()
		_, err := c.WriteTo(make([]byte, 65508), c.LocalAddr())
		return err
	}},
	{"the longest datagram", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		defer c.Close()
		_, err := c.WriteTo(make([]byte, 65507), c.LocalAddr())
		return err
	}},
	{"a port that is taken", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		defer c.Close()
		_, err := s.listen(c.LocalAddr().(*net.UDPAddr))
		return err
	}},
	{"an address of somebody else", func(s sockets) error {
		_, err := s.listen(&net.UDPAddr{IP: net.IPv4(198, 51, 100, 77)})
		return err
	}},
	{"a deadline that has passed, with a datagram there", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		defer c.Close()
		c.WriteTo([]byte("x"), c.LocalAddr())
		c.SetReadDeadline(time.Now().Add(-time.Second))
		_, _, err := c.ReadFrom(make([]byte, 10))
		return err
	}},
	{"a datagram longer than the buffer", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		defer c.Close()
		c.WriteTo([]byte("xyz"), c.LocalAddr())
		_, _, err := c.ReadFrom(make([]byte, 1))
		return err
	}},
	{"an empty datagram", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		defer c.Close()
		c.WriteTo(nil, c.LocalAddr())
		n, _, err := c.ReadFrom(make([]byte, 1))
		if err == nil && n != 0 {
			return errors.New("not empty")
		}
		return err
	}},
	{"a closed port", func(s sockets) error {
		gone := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		gone.Close()
		c := must(s.dial(gone.LocalAddr().(*net.UDPAddr)))
		defer c.Close()
		c.Write([]byte("x"))
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err := c.Read(make([]byte, 1))
		return err
	}},
	{"read, closed", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		c.Close()
		_, _, err := c.ReadFromUDP(make([]byte, 1))
		return err
	}},
	{"write, closed", func(s sockets) error {
		c := must(s.dial(&net.UDPAddr{IP: s.own.AsSlice(), Port: 9}))
		c.Close()
		_, err := c.Write([]byte("x"))
		return err
	}},
	{"read buffer, closed", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		c.Close()
		return c.SetReadBuffer(1 << 16)
	}},
	{"write buffer, closed", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		c.Close()
		return c.SetWriteBuffer(1 << 16)
	}},
	{"write deadline, closed", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		c.Close()
		return c.SetWriteDeadline(time.Now())
	}},
	{"deadline, closed", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		c.Close()
		return c.SetDeadline(time.Now())
	}},
	{"write to port 0", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		defer c.Close()
		_, err := c.WriteTo([]byte("x"), &net.UDPAddr{IP: s.own.AsSlice()})
		return err
	}},
	{"write after a write deadline", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		defer c.Close()
		c.SetWriteDeadline(time.Now().Add(-time.Second))
		_, err := c.WriteTo([]byte("x"), c.LocalAddr())
		return err
	}},
	{"write after a deadline", func(s sockets) error {
		c := must(s.listen(&net.UDPAddr{IP: s.own.AsSlice()}))
		defer c.Close()
		c.SetDeadline(time.Now().Add(-time.Second))
		_, err := c.WriteTo([]byte("x"), c.LocalAddr())
		return err
	}},
}

// Sockets of the lab and of this machine's loopback fail alike.
func TestErrorsAreThoseOfTheOperatingSystem(t *testing.T) {
	lab, err := vnet.New(vnet.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	site := must(lab.Internet().AddSite("s", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("192.0.2.0/24")}))
	h := must(site.AddHost("h"))
	virtual := sockets{
		own:    h.Addr(),
		listen: func(a *net.UDPAddr) (transport.UDPConn, error) { return h.ListenUDP("udp4", a) },
		dial:   func(a *net.UDPAddr) (transport.UDPConn, error) { return h.DialUDP("udp4", nil, a) },
	}
	system := sockets{
		own:    netip.MustParseAddr("127.0.0.1"),
		listen: func(a *net.UDPAddr) (transport.UDPConn, error) { return net.ListenUDP("udp4", a) },
		dial:   func(a *net.UDPAddr) (transport.UDPConn, error) { return net.DialUDP("udp4", nil, a) },
	}
	for _, m := range misuse {
		ours, theirs := m.do(virtual), m.do(system)
		if (ours == nil) != (theirs == nil) || !slices.Equal(kinds(ours), kinds(theirs)) {
			t.Errorf("%s: %v here, %v there", m.what, ours, theirs)
		}
	}
}
