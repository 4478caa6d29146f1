package vnet_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/transport/v3"

	"github.com/natproof/natproof/vnet"
)

// times is how often what could go wrong by the order of goroutines is repeated. Without
// the rule that is tested each of these tests fails within a few dozen.
const times = 150

// sameTrace plays f times over and expects one trace.
func sameTrace(t *testing.T, f func(lab *vnet.Lab, a, b *vnet.Conn) error) []vnet.Event {
	t.Helper()
	var first string
	var events []vnet.Event
	for i := range times {
		var text strings.Builder
		pair(t, func(lab *vnet.Lab, a, b *vnet.Conn) error {
			err := f(lab, a, b)
			events = lab.Trace()
			return err
		})
		for _, e := range events {
			fmt.Fprintf(&text, "%d %v %q\n", e.At.Nanoseconds(), e, e.Payload)
		}
		switch {
		case i == 0:
			first = text.String()
		case text.String() != first:
			t.Fatalf("run %d left another trace:\n%s\nthan the first:\n%s", i+1, text.String(), first)
		}
	}
	return events
}

// What arrives at the very nanosecond of a step waits for the next one, whether it is
// there already or not.
func TestATimerAtTheStep(t *testing.T) {
	for after := range 4 * time.Nanosecond {
		events := sameTrace(t, func(lab *vnet.Lab, a, b *vnet.Conn) error {
			go func() { time.Sleep(time.Second); a.WriteTo([]byte("x"), b.LocalAddr()) }()
			go func() { time.Sleep(time.Second + after); b.WriteTo([]byte("y"), a.LocalAddr()) }()
			time.Sleep(2 * time.Second)
			return nil
		})
		for _, want := range []struct {
			at      time.Duration
			payload string
		}{{time.Second + 1, "x"}, {time.Second + after + 1, "y"}} {
			found := false
			for _, e := range events {
				found = found || e.Kind == vnet.Delivered && e.At == want.at && string(e.Payload) == want.payload
			}
			if !found {
				t.Errorf("%v after: %q is not delivered at %v: %v", after, want.payload, want.at, events)
			}
		}
	}
}

// A timer of a host that fires at the nanosecond of a delivery to it comes first, always:
// the core waits for rest.
func TestATimerComesBeforeADelivery(t *testing.T) {
	for range times {
		var got atomic.Int64
		pair(t, func(lab *vnet.Lab, a, b *vnet.Conn) error {
			go func() {
				buf := make([]byte, 1)
				for {
					if _, _, err := b.ReadFrom(buf); err != nil {
						return
					}
					got.Add(1)
				}
			}()
			start := time.Now()
			seen := make(chan error, 1)
			go func() { // beside the sender, with a timer on the nanosecond after it
				time.Sleep(time.Second + 1)
				for range 200 { // anything that takes a while
					if n := got.Load(); n != 0 {
						seen <- fmt.Errorf("%v after the start there were %d datagrams", time.Since(start), n)
						return
					}
				}
				seen <- nil
			}()
			time.Sleep(time.Second)
			a.WriteTo([]byte("x"), b.LocalAddr())
			if err := <-seen; err != nil {
				return err
			}
			time.Sleep(1)
			if got.Load() != 1 {
				return errors.New("nothing came at all")
			}
			return nil
		})
	}
}

// Changes of the lab at the nanosecond of a step come first too.
func TestAChangeComesBeforeTheStep(t *testing.T) {
	events := sameTrace(t, func(lab *vnet.Lab, a, b *vnet.Conn) error {
		link := a.LocalAddr().(*net.UDPAddr)
		site := lab.Internet()
		other, err := site.AddSite("other", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("203.0.113.0/24"), Link: vnet.LinkConfig{Latency: time.Millisecond}})
		if err != nil {
			return err
		}
		h, err := other.AddHost("c")
		if err != nil {
			return err
		}
		c, err := h.Listen(netip.AddrPort{})
		if err != nil {
			return err
		}
		go func() { time.Sleep(time.Second + 1); other.Link().SetUp(false) }()
		time.Sleep(time.Second)
		c.WriteTo([]byte("x"), link)
		time.Sleep(time.Second)
		return nil
	})
	if last := events[len(events)-1]; last.Kind != vnet.Dropped || last.Reason != vnet.LinkDown {
		t.Errorf("got %v, want the packet dropped by a link that is down", last)
	}
}

// A host gets one packet at an instant; those that wait keep their order and are neither
// lost nor forgotten when the lab closes.
func TestOnePacketPerHostAndInstant(t *testing.T) {
	const n = 50
	events := sameTrace(t, func(lab *vnet.Lab, a, b *vnet.Conn) error {
		for i := range n {
			a.WriteTo([]byte{byte(i)}, b.LocalAddr())
		}
		time.Sleep(20) // the 20th is delivered after this timer
		if held := lab.InFlight(); held != n-19 {
			return fmt.Errorf("%d in flight after 20 ns, want %d", held, n-19)
		}
		return nil
	})
	delivered := 0
	for _, e := range events {
		if e.Kind == vnet.Delivered {
			if e.Payload[0] != byte(delivered) || e.At != time.Duration(delivered+1) {
				t.Errorf("number %d delivered as %v %v", e.Payload[0], delivered, e.At)
			}
			delivered++
		}
	}
	if delivered != 19 {
		t.Errorf("%d delivered", delivered)
	}
}

func TestClosingCountsWhatWaitsForAHost(t *testing.T) {
	const n = 50
	var lab *vnet.Lab
	pair(t, func(l *vnet.Lab, a, b *vnet.Conn) error {
		lab = l
		for range n {
			a.WriteTo(nil, b.LocalAddr())
		}
		time.Sleep(20)
		a.WriteTo(nil, b.LocalAddr()) // at the instant of Close
		return nil
	})
	s := lab.Stats()
	if s.Sent != n+1 || s.Delivered+s.Dropped[vnet.HostDown] != n+1 || s.Dropped[vnet.HostDown] == 0 || lab.InFlight() != 0 {
		t.Errorf("%+v, %d in flight", s, lab.InFlight())
	}
}

// Only one goroutine of a bubble can be in synctest.Wait; the core gives way, and nobody
// panics as long as the other is there first.
func TestSomebodyElseWaitsForRest(t *testing.T) {
	sameTrace(t, func(lab *vnet.Lab, a, b *vnet.Conn) error {
		for i := range 10 {
			a.WriteTo([]byte{byte(i)}, b.LocalAddr())
			synctest.Wait()
			time.Sleep(time.Millisecond)
		}
		return nil
	})
}

func TestWhatHostsCannotDoIsSaidInOurWords(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		site, _ := lab.Internet().AddSite("s", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("192.0.2.0/24")})
		h, err := site.AddHost("h", addr("192.0.2.5"))
		if err != nil {
			return err
		}
		c, err := h.Listen(netip.AddrPort{})
		if err != nil {
			return err
		}
		try := map[string]error{}
		_, try["listen tcp"] = h.ListenTCP("tcp", nil)
		_, try["dial tcp"] = h.DialTCP("tcp4", nil, nil)
		_, try["dial"] = h.Dial("tcp", "192.0.2.6:1")
		_, try["packets of tcp"] = h.ListenPacket("tcp", ":1")
		_, try["udp6"] = h.ListenPacket("udp6", "[::]:1")
		_, try["dialer"] = h.CreateDialer(&net.Dialer{}).Dial("tcp", "192.0.2.6:1")
		_, try["dialer with an address"] = h.CreateDialer(&net.Dialer{LocalAddr: udp("192.0.2.5:7")}).Dial("tcp", "192.0.2.6:1")
		_, _, try["out of band"] = c.WriteMsgUDP(nil, []byte("x"), udp("192.0.2.6:1"))
		for what, err := range try {
			if !errors.Is(err, transport.ErrNotSupported) || !errors.Is(err, errors.ErrUnsupported) {
				return fmt.Errorf("%s: %v", what, err)
			}
			if text := err.Error(); strings.Contains(text, "yey") || !strings.Contains(text, "a virtual host") {
				return fmt.Errorf("%s: %s", what, text)
			}
		}
		if _, err := h.ListenPacket("udp", ":70000"); err == nil {
			return errors.New("port 70000: accepted")
		}
		return nil
	})
}
