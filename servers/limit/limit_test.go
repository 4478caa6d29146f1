package limit_test

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/servers/limit"
)

func TestNewRefuses(t *testing.T) {
	for _, cfg := range []limit.Config{{}, {Rate: -1}, {Rate: math.NaN()}, {Rate: math.Inf(1)}, {Rate: 1, Burst: -1}, {Rate: 1, Sources: -1}} {
		if _, err := limit.New(cfg); !errors.Is(err, limit.ErrConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// In any stretch of time a source gets through Burst, and Rate a second, and no more; who keeps
// to Rate gets all through.
func TestNoSourceGetsMoreThanItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := limit.Config{Rate: float64(rapid.IntRange(1, 50).Draw(t, "rate")), Burst: rapid.IntRange(1, 20).Draw(t, "burst")}
		l, err := limit.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		source, start := netip.MustParseAddr("192.0.2.1"), time.Unix(0, 0)
		now, passed, asked := start, 0, 0
		for range rapid.IntRange(1, 200).Draw(t, "datagrams") {
			now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "ms")) * time.Millisecond)
			asked++
			if l.Allow(source, now) {
				passed++
			}
			if most := float64(cfg.Burst) + now.Sub(start).Seconds()*cfg.Rate; float64(passed) > most+1e-6 {
				t.Fatalf("%d passed, at most %g may", passed, most)
			}
		}
		if asked <= cfg.Burst && passed != asked {
			t.Fatalf("%d of %d passed, within the burst", passed, asked)
		}
		if s := l.Stats(); s.Passed != uint64(passed) || s.Dropped != uint64(asked-passed) {
			t.Fatalf("%+v", s)
		}
	})
}

func TestSources(t *testing.T) {
	l, _ := limit.New(limit.Config{Rate: 1, Burst: 1, Sources: 2})
	now := time.Unix(0, 0)
	for _, x := range []struct {
		from string
		want bool
	}{
		{"192.0.2.1", true}, {"192.0.2.1", false}, {"::ffff:192.0.2.1", false}, // one source
		{"2001:db8::1", true}, {"2001:db8::2", false}, // one /64
		{"2001:db8:0:1::1", true}, // another, for which 192.0.2.1 is forgotten
		{"192.0.2.1", true},
	} {
		if got := l.Allow(netip.MustParseAddr(x.from), now); got != x.want {
			t.Errorf("%s: %v", x.from, got)
		}
	}
	if s := l.Stats(); s.Sources != 2 || s.Evicted != 2 || s.Passed != 4 || s.Dropped != 3 {
		t.Errorf("%+v", s)
	}
}

func TestConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := memnet.New()
		friend := netip.MustParseAddrPort("192.0.2.4:1")
		l, _ := limit.New(limit.Config{Rate: 10, Burst: 2, Exempt: func(a netip.AddrPort) bool { return a == friend }})
		conn := l.Conn(nw.Listen("192.0.2.1:5060"))
		a, b := nw.Listen("192.0.2.2:1"), nw.Listen("192.0.2.3:1")
		for i := range 4 {
			fmt.Fprint(to{a}, i)
		}
		fmt.Fprint(to{b}, "b")
		var got string
		buf := make([]byte, 10)
		for range 3 {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				t.Fatal(err)
			}
			got += string(buf[:n])
		}
		if got != "01b" {
			t.Error(got)
		}
		time.Sleep(100 * time.Millisecond)
		fmt.Fprint(to{a}, "5")
		if n, _, _ := conn.ReadFrom(buf); string(buf[:n]) != "5" {
			t.Error(string(buf[:n]))
		}
		c := nw.Listen(friend.String())
		for i := range 10 {
			fmt.Fprint(to{c}, i)
			if n, _, _ := conn.ReadFrom(buf); string(buf[:n]) != fmt.Sprint(i) {
				t.Error(string(buf[:n]))
			}
		}
		if s := l.Stats(); s.Passed != 14 || s.Dropped != 2 || s.Sources != 2 {
			t.Errorf("%+v", s)
		}
		conn.Close()
		if _, _, err := conn.ReadFrom(buf); err == nil {
			t.Error("reads a closed socket")
		}
	})
}

type to struct{ c *memnet.Conn }

func (w to) Write(b []byte) (int, error) { return w.c.WriteTo(b, udp) }

var udp = net.UDPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:5060"))
