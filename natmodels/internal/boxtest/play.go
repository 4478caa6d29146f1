package boxtest

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// Fuzzed is what a fuzzer plays with.
type Fuzzed struct {
	// Any reads a model, honourable or not.
	Any func(*Input) natmodels.Model
	// Valid reads one that the box can become.
	Valid func(*Input, natmodels.Box) natmodels.Model
	// Outbound changes a packet so that the box may take it from the inside; it may be nil.
	Outbound func(*Input, natmodels.Box, natmodels.Packet) natmodels.Packet
}

// Place reads a place, honourable or not.
func (in *Input) Place() natmodels.Place {
	p := natmodels.Place{Seed: uint64(in.Byte())}
	for range in.Byte() % 4 {
		p.External = append(p.External, in.Addr())
	}
	for range in.Byte() % 3 {
		p.Static = append(p.Static, natmodels.StaticMapping{Protocol: natmodels.Protocol(in.Byte()), Internal: in.Endpoint(), External: in.Endpoint()})
	}
	return p
}

// New makes a box, or nil if it is refused with errors that name the settings.
func New(t *testing.T, m natmodels.Model, place natmodels.Place) natmodels.Box {
	t.Helper()
	invalid := m.Validate()
	n, err := m.New(place)
	if invalid != nil && err == nil {
		t.Fatalf("Validate says %v, New says nothing", invalid)
	}
	if (n == nil) != (err != nil) {
		t.Fatalf("%v and %v", n, err)
	}
	var field *natmodels.ConfigError
	if err != nil && (!errors.Is(err, natmodels.ErrInvalidConfig) || !errors.As(err, &field) || field.Setting == "") {
		t.Fatalf("%v is not a ConfigError", err)
	}
	return n
}

// Play plays packets to a box, with changes between, and checks that it keeps its counters.
func (f Fuzzed) Play(t *testing.T, n natmodels.Box, in *Input) {
	now := Start
	for steps := 0; len(*in) > 0 && steps < 1000; steps++ {
		switch op := in.Byte(); op % 8 {
		case 0, 1, 2:
			p := natmodels.Packet{Protocol: natmodels.UDP, Src: in.Endpoint(), Dst: in.Endpoint()}
			Verdict(t, n, p, n.Outbound(p, now))
		case 3, 4:
			p := natmodels.Packet{Protocol: natmodels.UDP, Src: in.Endpoint(), Dst: in.Endpoint()}
			Verdict(t, n, p, n.Inbound(p, now))
		case 5:
			now = now.Add(in.Duration())
		case 6:
			p := natmodels.Packet{Protocol: natmodels.Protocol(in.Byte()), Src: in.Endpoint(), Dst: in.Endpoint()}
			Verdict(t, n, p, n.Inbound(p, now))
		case 7:
			f.change(n, in)
		}
	}
	Conserved(t, n, now)
}

// Mixed plays packets of every protocol, pauses and changes to a box, and to what was saved
// of it before, which must answer the same.
func (f Fuzzed) Mixed(t *testing.T, n natmodels.Box, in *Input) {
	twin, now := n.Snapshot().Restore(), Start
	for steps := 0; len(*in) > 0 && steps < 500; steps++ {
		switch op := in.Byte() % 13; op {
		case 0, 1, 2, 3:
			p := in.Packet(0)
			if f.Outbound != nil {
				p = f.Outbound(in, n, p)
			}
			Twins(t, n, twin, p, n.Outbound(p, now), twin.Outbound(p, now))
		case 4, 5, 6, 7:
			p := in.Packet(0)
			Twins(t, n, twin, p, n.Inbound(p, now), twin.Inbound(p, now))
		case 8:
			now = now.Add(max(0, in.Duration()))
		case 9:
			Due(t, n, twin, now)
		case 10:
			f.changeBoth(n, twin, in, now)
		case 11:
			n, twin = twin, n.Snapshot().Restore()
		case 12:
			e := natmodels.Expectation{Protocol: in.Packet(4).Protocol, Internal: in.Near(), Remote: in.Near().Addr(), Lifetime: in.Duration()}
			external, reason := n.Expect(e, now)
			if again, why := twin.Expect(e, now); again != external || why != reason {
				t.Fatalf("expected at %v %v, but restored, at %v %v", external, reason, again, why)
			}
		}
	}
	Conserved(t, n, now)
	if got, want := twin.Mappings(now), n.Mappings(now); !slices.Equal(got, want) {
		t.Fatalf("restored: %v, want %v", got, want)
	}
}

func (f Fuzzed) change(n natmodels.Box, in *Input) {
	switch in.Byte() % 3 {
	case 0:
		n.Flush()
	case 1:
		var external []netip.Addr
		for range in.Byte() % 4 {
			external = append(external, in.Addr())
		}
		_ = n.Renumber(external) // refused or not, the box goes on
	case 2:
		_ = n.SetBehavior(f.Any(in))
	}
}

// changeBoth changes two boxes in the same way, at the same time.
func (f Fuzzed) changeBoth(n, twin natmodels.Box, in *Input, now time.Time) {
	n.Advance(now)
	twin.Advance(now)
	again := slices.Clone(*in)
	for _, box := range []natmodels.Box{n, twin} {
		*in = slices.Clone(again)
		if in.Byte()%4 > 0 {
			f.change(box, in)
		} else {
			_ = box.SetBehavior(f.Valid(in, box))
		}
	}
}
