package certify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
)

// Learned is what is known of a phone.
type Learned struct {
	Findings []Finding     `json:"findings"`
	Traits   theory.Traits `json:"-"` // what predictions go by
	// Axes are the values of the phone's settings in cells, by the keys of their axes.
	Axes map[string]string `json:"axes"`
	// Cannot is what it cannot do.
	Cannot []Inability `json:"cannot,omitempty"`

	able able
}

// Inability is something that a phone cannot do, with or without a NAT.
type Inability struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// What a phone may not be able to do.
const (
	toCall     = "call"
	toBeCalled = "be called"
)

// ErrNotWorking is the error of a phone that does not work where nothing is in its way.
var ErrNotWorking = errors.New("certify: it does not work without a NAT")

// Learn plays the probes and tells what they show of the phone. Its Traits are not asked for.
func Learn(ctx context.Context, phone stage.Phone, o Options) (Learned, error) {
	o = o.withDefaults(phone.Brings)
	e := evidence{}
	for i, t := range inParallel(ctx, o.Jobs, probes, func(p probe) *tape { return p.look(ctx, phone, o) }) {
		if t == nil {
			return Learned{}, ctx.Err()
		}
		if t.err != nil {
			return Learned{}, fmt.Errorf("certify: %s: %w", probes[i].name, t.err)
		}
		e[t.probe] = t
	}
	return conclude(e)
}

func conclude(e evidence) (Learned, error) {
	plain := e[probeCall]
	if err := plain.said["register"]; err != nil {
		return Learned{}, fmt.Errorf("%w: it does not register: %w", ErrNotWorking, err)
	}
	l := Learned{Findings: e.learn(), Axes: map[string]string{}, able: plain.able}
	if err := plain.said["call"]; err != nil {
		if !errors.Is(err, stage.ErrCannot) {
			return Learned{}, fmt.Errorf("%w: it does not call: %w", ErrNotWorking, err)
		}
		l.Cannot = append(l.Cannot, Inability{toCall, err.Error()})
	}
	if err := e[probeCalled].said["answer"]; err != nil {
		l.Cannot = append(l.Cannot, Inability{toBeCalled, err.Error()})
	}
	l.traits()
	return l, nil
}

// Finding is what was learned of a trait.
func (l Learned) Finding(trait string) Finding {
	if i := slices.IndexFunc(l.Findings, func(f Finding) bool { return f.Trait == trait }); i >= 0 {
		return l.Findings[i]
	}
	return Finding{Trait: trait}
}

// goes is what predictions go by.
func (l Learned) goes(trait string) string {
	f := l.Finding(trait)
	if f.Assumed != "" {
		return f.Assumed
	}
	return f.Value
}

func (l Learned) has(trait string) bool { return l.goes(trait) == yes }

var addresses = map[string]theory.Address{wordBound: theory.Bound, wordAsked: theory.Asked, wordForwarded: theory.Forwarded}

var managers = map[theory.Address]cell.PortManager{theory.Bound: cell.ManagerLocal, theory.Asked: cell.ManagerSTUN, theory.Forwarded: cell.ManagerStatic}

var policies = map[string]theory.LatchPolicy{
	string(cell.LatchAlways): theory.LatchAlways, string(cell.LatchOnce): theory.LatchOnce,
	string(cell.LatchWindow): theory.LatchWindow, string(cell.LatchSameAddress): theory.LatchSameAddress,
}

// traits are what the findings come to.
func (l *Learned) traits() {
	policy, latches := policies[l.goes(TraitLatch)]
	l.Traits = theory.Traits{
		Address:          addresses[l.goes(TraitContact)], // who is told has begun with what it is bound to
		SignallingTraits: theory.SignallingTraits{Rport: l.has(TraitRport), ChecksVia: l.has(TraitForeignVia), Learns: l.goes(TraitContact) == wordTold},
		MediaTraits: theory.MediaTraits{
			Latch: latches, Policy: policy, Strict: l.has(TraitStrict), Silent: !l.has(TraitSilent),
			NamesRTCP: l.has(TraitNamesRTCP), HearsEarly: l.has(TraitEarly), NoRTCP: !l.has(TraitRTCP),
		},
	}
	if m := addresses[l.goes(TraitSDP)]; m != l.Traits.Address {
		kind, known := map[theory.Address]theory.MediaAddress{theory.Bound: theory.MediaBound, theory.Asked: theory.MediaAsked}[m]
		if l.Traits.Media = kind; !known {
			l.beyond(TraitSDP, "port forwards for media alone", l.goes(TraitContact))
		}
	}
	if via := addresses[l.goes(TraitVia)]; via != l.Traits.Address && !l.Traits.Rport { // RFC 3581 §4: then it does not matter
		l.beyond(TraitVia, "an address in the Via that is of another kind than that in the Contact", l.goes(TraitContact))
	}
	set := func(axis, value string) { l.Axes[axis] = value }
	set(cell.KeyPortManager, string(managers[l.Traits.Address]))
	set(cell.KeyRport, fmt.Sprint(l.Traits.Rport))
	set(cell.KeyKeepAlive, l.goes(TraitKeepAlive))
	if d, err := time.ParseDuration(l.goes(TraitInterval)); err == nil && cell.Lookup(cell.KeyInterval).Check(short(d)) == nil {
		set(cell.KeyInterval, short(d))
	}
	if latches {
		set(cell.KeyLatch, string(cell.SideA))
		set(cell.KeyLatchPolicy, l.goes(TraitLatch))
	}
	if l.Traits.Strict {
		set(cell.KeyStrict, string(cell.SideA))
	}
	if l.Traits.Silent {
		set(cell.KeySilent, string(cell.SideA))
	}
}

// beyond takes note of what there is no theory of, and of what it is predicted as.
func (l *Learned) beyond(trait, what, as string) {
	i := slices.IndexFunc(l.Findings, func(f Finding) bool { return f.Trait == trait })
	l.Findings[i].Beyond, l.Findings[i].Assumed = what, as
}

// short is a time as axes write it.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// own are the axes that are the phone's own, whatever b has on them.
var own = []string{cell.KeyPortManager, cell.KeyRport, cell.KeyKeepAlive, cell.KeyInterval, cell.KeyLatchPolicy}

// both are those on which each end has its own value.
var both = []string{cell.KeyLatch, cell.KeyStrict, cell.KeySilent}

// In is the cell with what the phone is on its axes; what the other end does is left as it is.
func (l Learned) In(c cell.Cell) (cell.Cell, error) {
	var err error
	for _, key := range own {
		x := cell.Lookup(key)
		value, known := l.Axes[key]
		if !known {
			continue
		}
		if c, err = x.With(c, value); err != nil {
			return c, err
		}
	}
	for _, key := range both {
		x := cell.Lookup(key)
		b := cell.Sides(x.Get(c)).Has(cell.B)
		a := l.Axes[key] == string(cell.SideA)
		if c, err = x.With(c, string(set(a, b))); err != nil {
			return c, err
		}
	}
	return c.Canonical(), nil
}

// set is the set of the two ends.
func set(a, b bool) cell.Sides {
	switch {
	case a && b:
		return cell.BothSides
	case a:
		return cell.SideA
	case b:
		return cell.SideB
	}
	return cell.NoSide
}

// Known is the phone with the traits that were learned, for cells that have them.
func (l Learned) Known(phone stage.Phone) stage.Phone {
	phone.Traits = func(c cell.Cell, side cell.Side) (theory.Traits, error) {
		if side == cell.A || side == stage.Beside {
			if mine, err := l.In(c); err != nil || mine != c.Canonical() {
				return theory.Traits{}, fmt.Errorf("%w: it is none of %s", stage.ErrNotThisPhone, c.ID())
			}
		}
		return l.Traits, nil
	}
	return phone
}

// Otherwise is the phone as it would be with other settings: of what was learned it keeps what
// cells do not say.
func (l Learned) Otherwise(phone stage.Phone) stage.Phone {
	phone.Traits = func(c cell.Cell, side cell.Side) (theory.Traits, error) {
		t := l.Traits
		for address, manager := range managers {
			if manager == c.PortManager {
				if address != l.Traits.Address { // one setting for both
					t.Media = theory.AsSIP
				}
				t.Address = address
				t.Learns = t.Learns && address == theory.Bound
			}
		}
		t.Rport = c.Rport
		t.Latch, t.Policy = c.Latch.Has(side), policies[string(c.LatchPolicy)]
		t.Strict, t.Silent = c.Strict.Has(side), c.Silent.Has(side)
		return t, nil
	}
	return phone
}
