package theory_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios/theory"
)

func TestAlive(t *testing.T) {
	const s = time.Second
	out := func(at time.Duration) theory.Use { return theory.Use{At: at} }
	in := func(at time.Duration) theory.Use { return theory.Use{At: at, Inbound: true} }
	rfc := natmodels.Behavior{Kind: natmodels.Translator, Unreplied: 300 * s, Idle: 300 * s}
	both := rfc
	both.Refresh = natmodels.RefreshBoth
	inbound := rfc
	inbound.Refresh = natmodels.RefreshInbound
	two := rfc
	two.Unreplied = 30 * s
	late := two
	late.StreamAfter = 10 * s
	linux := natmodels.Behavior{Kind: natmodels.Conntrack, Unreplied: 30 * s, Idle: 120 * s, StreamAfter: 2 * s, Refresh: natmodels.RefreshBoth}
	firewall := linux
	firewall.Kind = natmodels.Firewall

	for _, x := range []struct {
		name string
		b    natmodels.Behavior
		uses []theory.Use
		last time.Duration // it is dead at that instant, and alive a nanosecond before; 0 is never
	}{
		{"a router has nothing to forget", natmodels.Behavior{Kind: natmodels.Router}, nil, 0},
		{"nor has a translator of prefixes", natmodels.Behavior{Kind: natmodels.PrefixTranslator}, nil, 0},
		{"one packet", rfc, []theory.Use{out(5 * s)}, 305 * s},
		{"outbound packets restart the timer (REQ-6)", rfc, []theory.Use{out(0), out(299 * s)}, 599 * s},
		{"inbound ones do not have to", rfc, []theory.Use{out(0), in(299 * s)}, 300 * s},
		{"but may (REQ-6a)", both, []theory.Use{out(0), in(299 * s)}, 599 * s},
		{"some let nobody else", inbound, []theory.Use{out(0), out(299 * s)}, 300 * s},
		{"which REQ-6 forbids", inbound, []theory.Use{out(0), in(1 * s), out(200 * s)}, 301 * s},
		{"what came too late is not counted", rfc, []theory.Use{out(0), out(300 * s)}, 300 * s},
		{"nor what came after it", rfc, []theory.Use{out(0), out(300 * s), out(301 * s)}, 300 * s},
		{"unanswered", two, []theory.Use{out(0), out(20 * s)}, 50 * s},
		{"an answer lengthens it, though it does not restart it", two, []theory.Use{out(0), in(29 * s)}, 300 * s},
		{"an answer that came too late", two, []theory.Use{out(0), in(30 * s)}, 30 * s},
		{"answered, but young", late, []theory.Use{out(0), in(1 * s), out(9 * s)}, 39 * s},
		{"answered when it was old enough", late, []theory.Use{out(0), in(11 * s)}, 300 * s},
		{"exactly as old is not old enough", late, []theory.Use{out(0), in(1 * s), out(10 * s)}, 40 * s},
		{"once old enough, always", late, []theory.Use{out(0), in(1 * s), out(11 * s), out(200 * s)}, 500 * s},
		{"tracked: an answer restarts the short timer", linux, []theory.Use{out(0), in(10 * s)}, 40 * s},
		{"tracked: the next packet makes it a stream", linux, []theory.Use{out(0), in(10 * s), out(11 * s)}, 131 * s},
		{"tracked: be it another answer", linux, []theory.Use{out(0), in(10 * s), in(11 * s)}, 131 * s},
		{"tracked: unless it comes in the first two seconds", linux, []theory.Use{out(0), in(1 * s), out(2 * s)}, 32 * s},
		{"tracked: without an answer it never is", linux, []theory.Use{out(0), out(10 * s), out(20 * s)}, 50 * s},
		{"a firewall tracks too", firewall, []theory.Use{out(0), in(10 * s)}, 40 * s},
	} {
		if x.last == 0 {
			if !theory.Alive(x.b, x.uses, 0) || !theory.Alive(x.b, x.uses, 1000*time.Hour) {
				t.Errorf("%s: it is gone", x.name)
			}
			continue
		}
		first := x.uses[0].At
		for at, want := range map[time.Duration]bool{first - 1: false, first: true, x.last - 1: true, x.last: false, x.last + time.Hour: false} {
			if got := theory.Alive(x.b, x.uses, at); got != want {
				t.Errorf("%s: alive at %v: %v, want %v", x.name, at, got, want)
			}
		}
	}
	if theory.Alive(rfc, nil, 0) {
		t.Error("a mapping that nobody made is there")
	}
}

// What came after the instant that is asked about does not matter.
func TestAliveKnowsNoFuture(t *testing.T) {
	b := natmodels.Behavior{Kind: natmodels.Translator, Unreplied: time.Minute, Idle: time.Minute}
	uses := []theory.Use{{At: 0}, {At: 50 * time.Second}, {At: 100 * time.Second}}
	for at, want := range map[time.Duration]bool{59 * time.Second: true, 109 * time.Second: true, 159 * time.Second: true, 160 * time.Second: false} {
		if got := theory.Alive(b, uses, at); got != want {
			t.Errorf("alive at %v: %v, want %v", at, got, want)
		}
	}
}

// Every packet of a random conversation asks the engine whether the mapping is there: one
// from outside by getting through, one from inside by not making another.
func TestAliveAgainstTheEngine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, place := drawForgetful(t)
		nat, err := m.New(place)
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		b := m.Behavior()
		inside, remote := netip.MustParseAddrPort("10.0.0.2:5000"), netip.MustParseAddrPort("203.0.113.9:7000")
		epoch := time.Unix(0, 0)
		first := nat.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: inside, Dst: remote}, epoch)
		if first.Action != natmodels.Forward {
			t.Fatalf("the first packet: %v %v", first.Action, first.Reason)
		}
		outside := first.Packet.Src
		at, uses := time.Duration(0), []theory.Use{{}}
		for i := range 12 {
			at += drawGap(t, b)
			u := theory.Use{At: at, Inbound: rapid.Bool().Draw(t, "inbound")}
			want := theory.Alive(b, uses, at)
			var got bool
			if u.Inbound {
				v := nat.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: remote, Dst: outside}, epoch.Add(at))
				got = v.Action == natmodels.Forward
			} else {
				v := nat.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: inside, Dst: remote}, epoch.Add(at))
				got = v.Action == natmodels.Forward && !v.Created
			}
			if got != want {
				t.Fatalf("packet %d at %v after %+v: the engine says alive %v, theory %v\n%+v", i+1, at, uses, got, want, b)
			}
			if !got {
				return
			}
			uses = append(uses, u)
		}
	})
}

// drawForgetful draws a box of any kind that forgets, with timers of any sort. The filter does
// not matter: there is one remote.
func drawForgetful(t *rapid.T) (natmodels.Model, natmodels.Place) {
	seconds := func(name string, least, most int) int { return rapid.IntRange(least, most).Draw(t, name) }
	kind := rapid.SampledFrom([]string{"port-restricted", "linux-masquerade", "aws-security-group"}).Draw(t, "kind")
	m, err := catalogue.Lookup(kind)
	if err != nil {
		t.Fatal(err)
	}
	idle := seconds("idle", 20, 300)
	settings := fmt.Sprintf("idle %ds\n", idle)
	if rapid.Bool().Draw(t, "two timers") {
		settings += fmt.Sprintf("unreplied %ds\nstream-after %s\n", seconds("unreplied", 5, idle-1),
			rapid.SampledFrom([]string{"default", "1ns", "3s", "1m"}).Draw(t, "stream after"))
	} else {
		settings += "unreplied default\n"
	}
	place := natmodels.Place{External: []netip.Addr{netip.MustParseAddr("198.51.100.1")}}
	switch m.Behavior().Kind {
	case natmodels.Firewall:
		place.External = nil
	case natmodels.Translator:
		settings += fmt.Sprintf("mapping %s\nfiltering %s\nrefresh %s\n",
			rapid.SampledFrom([]string{"eim", "adm", "apdm"}).Draw(t, "mapping"), rapid.SampledFrom([]string{"eif", "adf", "apdf"}).Draw(t, "filtering"),
			rapid.SampledFrom([]string{"outbound", "inbound", "both"}).Draw(t, "refresh"))
	}
	if m, err = catalogue.Vary(m, settings); err != nil {
		t.Fatal(err)
	}
	return m, place
}

// drawGap draws a time between two packets, often on the edge of a timer.
func drawGap(t *rapid.T, b natmodels.Behavior) time.Duration {
	edge := rapid.SampledFrom([]time.Duration{0, b.Unreplied, b.Idle, b.StreamAfter, b.Idle / 2, b.Unreplied / 2, time.Second}).Draw(t, "edge")
	return max(0, edge+time.Duration(rapid.IntRange(-1, 1).Draw(t, "beside")))
}
