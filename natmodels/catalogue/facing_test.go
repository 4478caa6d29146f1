package catalogue_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// Two phones behind two NATs, as in a call: each has one media socket, asks a STUN
// server at a third address for its mapping, tells the other the answer, and sends
// to what it was told. Receivers take packets from any source, or ("strict") only
// from the one they were told. A phone that latches sends to where packets really
// come from.

// phone is one of the two.
type phone struct {
	nat    natmodels.Box
	socket netip.AddrPort
	told   netip.AddrPort // what the other side said
	target netip.AddrPort // where to send
	latch  bool
	strict bool
	silent bool
	heard  int
}

var stunServer = netip.MustParseAddrPort("203.0.113.20:3478")

func newPhone(t *testing.T, code string, scope natmodels.FilterScope, site byte) *phone {
	t.Helper()
	m, err := catalogue.Lookup(code)
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{socket: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, site, 2}), 7000)}
	place := natmodels.Place{Seed: uint64(site)}
	if m.Behavior().Kind == natmodels.Router {
		p.socket = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, site}), 7000)
	} else {
		place.External = []netip.Addr{netip.AddrFrom4([4]byte{198, 51, 100, site})}
		if m, err = catalogue.Vary(m, "filter-scope "+scope.String()); err != nil {
			t.Fatal(err)
		}
	}
	if p.nat, err = m.New(place); err != nil {
		t.Fatal(err)
	}
	return p
}

// discover asks the STUN server and returns what it answers.
func (p *phone) discover(t *testing.T, now time.Time) netip.AddrPort {
	t.Helper()
	v := p.nat.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: p.socket, Dst: stunServer}, now)
	if v.Action != natmodels.Forward {
		t.Fatal(p.nat.Explain(v))
	}
	if back := p.nat.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: stunServer, Dst: v.Packet.Src}, now); back.Packet.Dst != p.socket {
		t.Fatal(p.nat.Explain(back))
	}
	return v.Packet.Src
}

// send sends one packet towards the other phone, which may get it.
func (p *phone) send(other *phone, now time.Time) {
	if p.silent {
		return
	}
	out := p.nat.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: p.socket, Dst: p.target}, now)
	if out.Action != natmodels.Forward {
		return
	}
	in := other.nat.Inbound(out.Packet, now)
	if in.Action != natmodels.Forward || in.Packet.Dst != other.socket {
		return
	}
	other.receive(in.Packet.Src)
}

func (p *phone) receive(from netip.AddrPort) {
	if p.strict && from != p.told {
		return
	}
	p.heard++
	if p.latch {
		p.target = from
	}
}

// call lets both send for a while and returns who hears whom once that has settled:
// "2way", "A>B", "B>A" or "-".
func call(t *testing.T, a, b *phone, aFirst bool) string {
	t.Helper()
	now := boxtest.Start
	mappedA, mappedB := a.discover(t, now), b.discover(t, now)
	a.told, a.target = mappedB, mappedB
	b.told, b.target = mappedA, mappedA
	first, second := a, b
	if !aFirst {
		first, second = b, a
	}
	for range 12 {
		now = now.Add(20 * time.Millisecond)
		a.heard, b.heard = 0, 0
		first.send(second, now)
		second.send(first, now)
	}
	switch {
	case a.heard > 0 && b.heard > 0:
		return "2way"
	case b.heard > 0:
		return "A>B"
	case a.heard > 0:
		return "B>A"
	}
	return "-"
}

// The ten classes in the order of the tables.
var facingCodes = []string{
	"none", "eim-eif", "eim-adf", "eim-apdf", "adm-eif", "adm-adf", "adm-apdf", "apdm-eif", "apdm-adf", "apdm-apdf",
}

// Who hears whom with per-mapping filter scope, neither side latching. Rows are A's
// NAT, columns B's, both in the order of facingCodes.
const facingPlain = `
2way 2way 2way 2way 2way B>A B>A 2way B>A B>A
2way 2way 2way 2way 2way B>A B>A 2way B>A B>A
2way 2way 2way 2way 2way B>A B>A 2way B>A B>A
2way 2way 2way 2way A>B  -   -   A>B  -   -
2way 2way 2way B>A  2way B>A B>A 2way B>A B>A
A>B  A>B  A>B  -    A>B  -   -   A>B  -   -
A>B  A>B  A>B  -    A>B  -   -   A>B  -   -
2way 2way 2way B>A  2way B>A B>A 2way B>A B>A
A>B  A>B  A>B  -    A>B  -   -   A>B  -   -
A>B  A>B  A>B  -    A>B  -   -   A>B  -   -
`

// The same with both sides latching.
const facingLatch = `
2way 2way 2way 2way 2way 2way 2way 2way 2way 2way
2way 2way 2way 2way 2way 2way 2way 2way 2way 2way
2way 2way 2way 2way 2way 2way 2way 2way 2way 2way
2way 2way 2way 2way A>B  -    -    A>B  -    -
2way 2way 2way B>A  2way 2way B>A  2way 2way B>A
2way 2way 2way -    2way -    -    2way -    -
2way 2way 2way -    A>B  -    -    A>B  -    -
2way 2way 2way B>A  2way 2way B>A  2way 2way B>A
2way 2way 2way -    2way -    -    2way -    -
2way 2way 2way -    A>B  -    -    A>B  -    -
`

// With filter scope per internal endpoint, latching or not: all that is lost is what
// an endpoint with address- or address-and-port-dependent mapping sends to one with
// address-and-port-dependent filtering.
const facingEndpoint = `
2way 2way 2way 2way 2way 2way 2way 2way 2way 2way
2way 2way 2way 2way 2way 2way 2way 2way 2way 2way
2way 2way 2way 2way 2way 2way 2way 2way 2way 2way
2way 2way 2way 2way A>B  A>B  A>B  A>B  A>B  A>B
2way 2way 2way B>A  2way 2way B>A  2way 2way B>A
2way 2way 2way B>A  2way 2way B>A  2way 2way B>A
2way 2way 2way B>A  A>B  A>B  -    A>B  A>B  -
2way 2way 2way B>A  2way 2way B>A  2way 2way B>A
2way 2way 2way B>A  2way 2way B>A  2way 2way B>A
2way 2way 2way B>A  A>B  A>B  -    A>B  A>B  -
`

func TestTwoNATsFacingEachOther(t *testing.T) {
	for _, c := range []struct {
		name  string
		scope natmodels.FilterScope
		latch bool
		want  string
	}{
		{"scope=mapping/plain", natmodels.PerMapping, false, facingPlain},
		{"scope=mapping/both latch", natmodels.PerMapping, true, facingLatch},
		{"scope=endpoint/plain", natmodels.PerEndpoint, false, facingEndpoint},
		{"scope=endpoint/both latch", natmodels.PerEndpoint, true, facingEndpoint},
	} {
		want := strings.Fields(c.want)
		for i, codeA := range facingCodes {
			for j, codeB := range facingCodes {
				for _, aFirst := range []bool{true, false} {
					a, b := newPhone(t, codeA, c.scope, 1), newPhone(t, codeB, c.scope, 2)
					a.latch, b.latch = c.latch, c.latch
					if got := call(t, a, b, aFirst); got != want[10*i+j] {
						t.Errorf("%s: a=%s b=%s a first %v: got %s, want %s", c.name, codeA, codeB, aFirst, got, want[10*i+j])
					}
				}
			}
		}
	}
}

// TestFiveClasses checks the classic names, with latching on one side, strict
// receivers and a silent side.
func TestFiveClasses(t *testing.T) {
	classes := []string{"none", "full-cone", "address-restricted", "port-restricted", "symmetric"}
	for _, c := range []struct {
		name  string
		setUp func(a, b *phone)
		want  string
	}{
		{"plain", func(a, b *phone) {}, `
			2way 2way 2way 2way B>A
			2way 2way 2way 2way B>A
			2way 2way 2way 2way B>A
			2way 2way 2way 2way -
			A>B  A>B  A>B  -    -`},
		{"strict", func(a, b *phone) { a.strict, b.strict = true, true }, `
			2way 2way 2way 2way -
			2way 2way 2way 2way -
			2way 2way 2way 2way -
			2way 2way 2way 2way -
			-    -    -    -    -`},
		{"only a latches", func(a, b *phone) { a.latch = true }, `
			2way 2way 2way 2way 2way
			2way 2way 2way 2way 2way
			2way 2way 2way 2way 2way
			2way 2way 2way 2way -
			A>B  A>B  A>B  -    -`},
		{"only b latches", func(a, b *phone) { b.latch = true }, `
			2way 2way 2way 2way B>A
			2way 2way 2way 2way B>A
			2way 2way 2way 2way B>A
			2way 2way 2way 2way -
			2way 2way 2way -    -`},
		{"both latch", func(a, b *phone) { a.latch, b.latch = true, true }, `
			2way 2way 2way 2way 2way
			2way 2way 2way 2way 2way
			2way 2way 2way 2way 2way
			2way 2way 2way 2way -
			2way 2way 2way -    -`},
		{"b is silent", func(a, b *phone) { b.silent = true }, `
			A>B A>B - - -
			A>B A>B - - -
			A>B A>B - - -
			A>B A>B - - -
			A>B A>B - - -`},
		{"both wait for the other", func(a, b *phone) { a.silent, b.silent = true, true }, strings.Repeat("- ", 25)},
	} {
		want := strings.Fields(c.want)
		for i, classA := range classes {
			for j, classB := range classes {
				for _, aFirst := range []bool{true, false} {
					a, b := newPhone(t, classA, natmodels.PerMapping, 1), newPhone(t, classB, natmodels.PerMapping, 2)
					c.setUp(a, b)
					if got := call(t, a, b, aFirst); got != want[5*i+j] {
						t.Errorf("%s: a=%s b=%s a first %v: got %s, want %s", c.name, classA, classB, aFirst, got, want[5*i+j])
					}
				}
			}
		}
	}
}

// TestClosedForm derives the same outcomes from the behaviors alone.
func TestClosedForm(t *testing.T) {
	for _, scope := range []natmodels.FilterScope{natmodels.PerMapping, natmodels.PerEndpoint} {
		for _, codeX := range facingCodes {
			for _, codeY := range facingCodes {
				for latches := range 4 {
					x, y := newPhone(t, codeX, scope, 1), newPhone(t, codeY, scope, 2)
					x.latch, y.latch = latches&1 != 0, latches&2 != 0
					cx, cy := x.nat.Model().Behavior(), y.nat.Model().Behavior()
					xy := arrives(cx, cy, scope, x.latch)
					yx := arrives(cy, cx, scope, y.latch)
					want := map[[2]bool]string{{true, true}: "2way", {true, false}: "A>B", {false, true}: "B>A", {}: "-"}[[2]bool{xy, yx}]
					if got := call(t, x, y, true); got != want {
						t.Errorf("scope=%v x=%s y=%s latch %v %v: got %s, want %s", scope, codeX, codeY, x.latch, y.latch, got, want)
					}
				}
			}
		}
	}
}

// arrives says whether y hears x.
func arrives(x, y natmodels.Behavior, scope natmodels.FilterScope, latch bool) bool {
	plain := func(x, y natmodels.Behavior) bool {
		if scope == natmodels.PerEndpoint {
			return y.Filtering != natmodels.AddressAndPortDependent || x.Mapping == natmodels.EndpointIndependent
		}
		return y.Filtering == natmodels.EndpointIndependent ||
			y.Mapping == natmodels.EndpointIndependent && (y.Filtering == natmodels.AddressDependent || x.Mapping == natmodels.EndpointIndependent)
	}
	return plain(x, y) || latch && plain(y, x) && y.Mapping != natmodels.EndpointIndependent &&
		(y.Filtering != natmodels.AddressAndPortDependent || x.Mapping == natmodels.EndpointIndependent)
}
