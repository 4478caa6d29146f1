package vnet_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/natproof/natproof/vnet"
)

// nativePair is two hosts that reach each other.
func nativePair(t *testing.T, f func(lab *vnet.Lab, a, b *vnet.Host) error) {
	t.Helper()
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		site, err := lab.Internet().AddSite("s", vnet.SiteConfig{Hosts: vnet.Native, Prefix: prefix("192.0.2.0/24")})
		if err != nil {
			return err
		}
		a, _ := site.AddHost("a")
		b, err := site.AddHost("b")
		if err != nil {
			return err
		}
		return f(lab, a, b)
	})
}

// A socket that pushes answers at the same nanoseconds as one that is read.
func TestPushingLeavesTheSameTrace(t *testing.T) {
	play := func(push bool) (trace []string) {
		nativePair(t, func(lab *vnet.Lab, ha, hb *vnet.Host) error {
			a, _ := ha.Listen(netip.AddrPort{})
			b, err := hb.Listen(netip.AddrPort{})
			if err != nil {
				return err
			}
			a.WriteToUDPAddrPort([]byte("early"), b.LocalAddrPort())
			time.Sleep(time.Second) // it waits in the socket
			echo := func(p []byte, from netip.AddrPort, err error) {
				if err == nil && len(p) < 20 {
					b.WriteToUDPAddrPort(append([]byte("re: "), p...), from)
				}
			}
			if push {
				if _, ok := b.Push(echo); !ok {
					return errors.New("a native socket does not push")
				}
			} else {
				go func() {
					buf := make([]byte, 100)
					for {
						n, from, err := b.ReadFromUDPAddrPort(buf)
						if err != nil {
							return
						}
						echo(buf[:n], from, nil)
					}
				}()
			}
			for i := range 3 {
				for range i {
					a.WriteToUDPAddrPort([]byte{byte(i)}, b.LocalAddrPort())
				}
				time.Sleep(time.Millisecond)
			}
			for _, e := range lab.Trace() {
				trace = append(trace, fmt.Sprintf("%d %v %q", e.At.Nanoseconds(), e, e.Payload))
			}
			return nil
		})
		return trace
	}
	if pushed, read := play(true), play(false); !slices.Equal(pushed, read) || len(read) != 24-8 {
		t.Errorf("pushed:\n%q\nread:\n%q", pushed, read)
	}
}

func TestPushEnds(t *testing.T) {
	nativePair(t, func(_ *vnet.Lab, ha, hb *vnet.Host) error {
		a, _ := ha.Listen(netip.AddrPort{})
		b, err := hb.Listen(netip.AddrPort{})
		if err != nil {
			return err
		}
		var n atomic.Int32
		closed, _ := b.Push(func([]byte, netip.AddrPort, error) { n.Add(1) })
		send := func() {
			a.WriteToUDPAddrPort([]byte("x"), b.LocalAddrPort())
			time.Sleep(time.Millisecond)
		}
		send()
		b.Push(nil)
		send()
		if n := n.Load(); n != 1 {
			return fmt.Errorf("pushed %d datagrams, want the first only", n)
		}
		if got, _, err := b.ReadFromUDPAddrPort(make([]byte, 10)); got != 1 || err != nil {
			return fmt.Errorf("read of the second: %d bytes, %v", got, err)
		}
		select {
		case <-closed:
			return errors.New("said to be closed")
		default:
		}
		b.Close()
		<-closed
		again, _ := b.Push(func([]byte, netip.AddrPort, error) {})
		<-again
		return nil
	})
}

// A connected socket is told of a closed port.
func TestPushOfAnError(t *testing.T) {
	nativePair(t, func(_ *vnet.Lab, ha, hb *vnet.Host) error {
		a, err := ha.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(hb.Addr(), 9)))
		if err != nil {
			return err
		}
		told := make(chan error, 1)
		a.(*vnet.Conn).Push(func(_ []byte, _ netip.AddrPort, err error) { told <- err })
		a.Write([]byte("x"))
		if got := <-told; !errors.Is(got, syscall.ECONNREFUSED) {
			return fmt.Errorf("told %v", got)
		}
		return nil
	})
}

func TestWhoCannotPush(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		site, err := lab.Internet().AddSite("s", vnet.SiteConfig{Prefix: prefix("192.0.2.0/24")})
		if err != nil {
			return err
		}
		h, _ := site.AddHost("a")
		c, err := h.Listen(netip.AddrPort{})
		if err != nil {
			return err
		}
		if _, ok := c.Push(func([]byte, netip.AddrPort, error) {}); ok {
			return errors.New("a pion host pushes, and pion's router has not carried it")
		}
		return nil
	})
	lab, err := vnet.New(vnet.Config{}) // the real clock
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	site, _ := lab.Internet().AddSite("s", vnet.SiteConfig{Hosts: vnet.Native, Prefix: prefix("192.0.2.0/24")})
	h, _ := site.AddHost("a")
	c, err := h.Listen(netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Push(func([]byte, netip.AddrPort, error) {}); ok {
		t.Error("pushes on the real clock")
	}
}
