package vnet_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pion/transport/v3"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/vnet"
)

// pair gives a test two open sockets that reach each other.
func pair(t *testing.T, f func(lab *vnet.Lab, a, b *vnet.Conn) error) {
	t.Helper()
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		site, err := lab.Internet().AddSite("s", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("192.0.2.0/24")})
		if err != nil {
			return err
		}
		ha, _ := site.AddHost("a")
		hb, err := site.AddHost("b")
		if err != nil {
			return err
		}
		a, err := ha.Listen(netip.AddrPort{})
		if err != nil {
			return err
		}
		b, err := hb.Listen(netip.AddrPort{})
		if err != nil {
			return err
		}
		return f(lab, a, b)
	})
}

func TestAClosedSocketSaysSo(t *testing.T) {
	pair(t, func(_ *vnet.Lab, a, b *vnet.Conn) error {
		got := make(chan error, 1)
		go func() {
			_, _, err := a.ReadFrom(make([]byte, 10))
			got <- err
		}()
		time.Sleep(time.Second)
		if err := a.Close(); err != nil {
			return err
		}
		if err := <-got; !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("waiting read: %v", err)
		}
		_, _, err := a.ReadFrom(make([]byte, 10))
		if !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("later read: %v", err)
		}
		if _, err := a.WriteTo([]byte("x"), b.LocalAddr()); !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("write: %v", err)
		}
		if err := a.Close(); !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("second close: %v", err)
		}
		if err := a.SetReadDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("deadline: %v", err)
		}
		return nil
	})
}

func TestADeadlineStaysPassed(t *testing.T) {
	pair(t, func(_ *vnet.Lab, a, b *vnet.Conn) error {
		start := time.Now()
		a.SetReadDeadline(start.Add(3 * time.Second))
		errs := make(chan error, 2)
		for range 2 { // both waiting readers end
			go func() {
				_, _, err := a.ReadFrom(make([]byte, 10))
				errs <- err
			}()
		}
		for range 2 {
			if err := <-errs; !errors.Is(err, os.ErrDeadlineExceeded) {
				return fmt.Errorf("waiting read: %v", err)
			}
		}
		if d := time.Since(start); d.Truncate(time.Millisecond) != 3*time.Second {
			return fmt.Errorf("after %v", d)
		}
		for range 3 { // and so do those to come
			_, _, err := a.ReadFrom(make([]byte, 10))
			var ne net.Error
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
				return fmt.Errorf("later read: %v", err)
			}
		}
		a.SetReadDeadline(time.Time{})
		b.WriteTo([]byte("hello"), a.LocalAddr())
		buf := make([]byte, 3)
		n, _, err := a.ReadFrom(buf)
		if err != nil || string(buf[:n]) != "hel" {
			return fmt.Errorf("after the deadline was lifted: %q %v", buf[:n], err)
		}
		return nil
	})
}

func TestAFullQueueIsCounted(t *testing.T) {
	pair(t, func(lab *vnet.Lab, a, b *vnet.Conn) error {
		for range 1030 {
			a.WriteTo([]byte("0123456789"), b.LocalAddr())
		}
		time.Sleep(time.Millisecond)
		if n := lab.Stats().Dropped[vnet.QueueFull]; n != 6 {
			return fmt.Errorf("%d dropped, want 6", n)
		}
		for range 1024 {
			if _, _, err := b.ReadFrom(make([]byte, 10)); err != nil {
				return err
			}
		}
		if err := b.SetReadBuffer(25); err != nil {
			return err
		}
		for range 3 {
			a.WriteTo([]byte("0123456789"), b.LocalAddr())
		}
		time.Sleep(time.Millisecond)
		if n := lab.Stats().Dropped[vnet.QueueFull]; n != 7 {
			return fmt.Errorf("%d dropped, want 7", n)
		}
		return nil
	})
}

func TestAConnectedSocketHearsItsPeerOnly(t *testing.T) {
	pair(t, func(lab *vnet.Lab, a, b *vnet.Conn) error {
		site, _ := lab.Internet().AddSite("t", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("203.0.113.0/24")})
		h, _ := site.AddHost("c")
		c, err := h.DialUDP("udp4", nil, a.LocalAddr().(*net.UDPAddr))
		if err != nil {
			return err
		}
		if _, err := c.Write([]byte("hi")); err != nil {
			return err
		}
		if _, err := c.WriteTo([]byte("hi"), b.LocalAddr()); !errors.Is(err, net.ErrWriteToConnected) {
			return fmt.Errorf("WriteTo: %v", err)
		}
		b.WriteTo([]byte("stranger"), c.LocalAddr())
		a.WriteTo([]byte("peer"), c.LocalAddr())
		buf := make([]byte, 20)
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != "peer" {
			return fmt.Errorf("%q %v", buf[:n], err)
		}
		time.Sleep(time.Millisecond)
		if n := lab.Stats().Dropped[vnet.WrongPeer]; n != 1 {
			return fmt.Errorf("%d from strangers", n)
		}
		return nil
	})
}

func TestBindingErrors(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		site, _ := lab.Internet().AddSite("s", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("192.0.2.0/24")})
		one, _ := site.AddHost("one", addr("192.0.2.5"))
		two, _ := site.AddHost("two", addr("192.0.2.6"), addr("192.0.2.7"))
		first, err := one.ListenPacket("udp", "0.0.0.0:5060")
		if err != nil || first.LocalAddr().String() != "192.0.2.5:5060" {
			return fmt.Errorf("%v %v", first, err)
		}
		try := func(h *vnet.Host, network, address string) error {
			_, err := h.ListenPacket(network, address)
			return err
		}
		for what, err := range map[string]error{
			"in use":           try(one, "udp4", ":5060"),
			"not ours":         try(one, "udp4", "192.0.2.6:1"),
			"ambiguous":        try(two, "udp4", ":1"),
			"loopback":         try(one, "udp4", "127.0.0.1:1"),
			"tcp":              try(one, "tcp", ":1"),
			"not an address":   try(one, "udp4", "nonsense"),
			"unknown name":     try(one, "udp4", "nowhere.invalid:1"),
			"port not numeric": try(one, "udp4", ":sip"),
		} {
			if err == nil {
				return fmt.Errorf("%s: accepted", what)
			}
		}
		if _, err := one.ListenTCP("tcp", nil); !errors.Is(err, transport.ErrNotSupported) {
			return err
		}
		if _, err := one.Dial("tcp", "192.0.2.6:1"); !errors.Is(err, transport.ErrNotSupported) {
			return err
		}
		if err := lab.Name("server.example", addr("192.0.2.6")); err != nil {
			return err
		}
		if a, err := one.ResolveUDPAddr("udp4", "server.example:99"); err != nil || a.String() != "192.0.2.6:99" {
			return fmt.Errorf("%v %v", a, err)
		}
		first.Close()
		if err := try(one, "udp4", ":5060"); err != nil {
			return fmt.Errorf("after close: %w", err)
		}
		return nil
	})
}

func TestPortsComeFromTheSeed(t *testing.T) {
	ports := func(seed uint64) (out []string) {
		inLab(t, vnet.Config{Seed: seed}, func(lab *vnet.Lab) error {
			site, _ := lab.Internet().AddSite("s", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("192.0.2.0/24")})
			h, _ := site.AddHost("h")
			for range 5 {
				c, err := h.ListenPacket("udp4", ":0")
				if err != nil {
					return err
				}
				if p := c.LocalAddr().(*net.UDPAddr).Port; p < 49152 {
					return fmt.Errorf("port %d is not dynamic", p)
				}
				out = append(out, c.LocalAddr().String())
			}
			return nil
		})
		return out
	}
	if a, b := fmt.Sprint(ports(1)), fmt.Sprint(ports(1)); a != b {
		t.Errorf("same seed, other ports: %s %s", a, b)
	}
	if a, b := fmt.Sprint(ports(1)), fmt.Sprint(ports(2)); a == b {
		t.Errorf("other seed, same ports: %s", a)
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	trace := func() string {
		var out strings.Builder
		inLab(t, vnet.Config{Seed: 11}, func(lab *vnet.Lab) error {
			w, err := build(lab, "symmetric")
			if err != nil {
				return err
			}
			w.home.Link().Set(vnet.LinkConfig{Latency: 5 * time.Millisecond, Jitter: 9 * time.Millisecond, Loss: 0.1, Duplicate: 0.05, Reorder: 0.1, ReorderBy: 7 * time.Millisecond})
			done := make(chan struct{})
			for i := range 8 { // eight echo servers and clients, all at once
				s, err := w.server.Listen(netip.AddrPortFrom(addr("203.0.113.10"), uint16(100+i)))
				if err != nil {
					return err
				}
				c, err := w.phone.Listen(netip.AddrPortFrom(addr("10.0.0.2"), uint16(200+i)))
				if err != nil {
					return err
				}
				go func() {
					buf := make([]byte, 100)
					for {
						n, from, err := s.ReadFrom(buf)
						if err != nil {
							return
						}
						s.WriteTo(buf[:n], from)
					}
				}()
				go func() {
					for k := range 30 {
						c.WriteTo([]byte{byte(i), byte(k)}, s.LocalAddr())
						time.Sleep(20 * time.Millisecond)
					}
					done <- struct{}{}
				}()
			}
			for range 8 {
				<-done
			}
			for _, e := range lab.Trace() {
				fmt.Fprintln(&out, e)
			}
			return nil
		})
		return out.String()
	}
	first := trace()
	for i := range 100 {
		if again := trace(); again != first {
			t.Fatalf("repetition %d differs", i)
		}
	}
}

func TestARealTimeLabWorksToo(t *testing.T) {
	lab, err := vnet.New(vnet.Config{DiscardTrace: true})
	if err != nil {
		t.Fatal(err)
	}
	w, err := build(lab, "full-cone")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := w.server.ListenPacket("udp4", "203.0.113.10:1")
	c, _ := w.phone.ListenPacket("udp4", ":1")
	c.WriteTo([]byte("x"), s.LocalAddr())
	if _, _, err := s.ReadFrom(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	if err := lab.Close(); err != nil {
		t.Error(err)
	}
	if err := lab.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.home.AddHost("late"); !errors.Is(err, vnet.ErrClosed) {
		t.Error(err)
	}
}

func TestClosingALabWithPacketsOnTheirWay(t *testing.T) {
	var drops uint64
	err := bubble.Run(func() {
		lab, _ := vnet.New(vnet.Config{})
		w, err := build(lab, "full-cone")
		if err != nil {
			return
		}
		w.home.Link().Set(vnet.LinkConfig{Latency: time.Hour})
		c, _ := w.phone.ListenPacket("udp4", ":1")
		c.WriteTo([]byte("x"), udp("203.0.113.10:1"))
		time.Sleep(time.Second)
		lab.Close()
		drops = lab.Stats().Dropped[vnet.HostDown]
	})
	if err != nil || drops != 1 {
		t.Errorf("%d %v", drops, err)
	}
}
