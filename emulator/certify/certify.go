package certify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/neighbour"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
)

// Status is what becomes of a phone behind a NAT.
type Status string

// The five.
const (
	Works          Status = "works"
	Fails          Status = "fails"
	NotAsPredicted Status = "not-as-predicted"
	NotCovered     Status = "not-covered" // there is no theory of it
	Cannot         Status = "cannot"      // the phone cannot do that, with or without a NAT
	Broken         Status = "error"       // it could not be played
)

// Verdict is that of one flow through one NAT.
type Verdict struct {
	Cell   cell.Cell
	Status Status
	Plays  int              // how often it was played; more than once only on the real clock
	Result scenarios.Result // of the last time; only Predicted if it was not played
	// Because are the steps that failed, with box, rule and reason: as theory has it, if it was
	// right.
	Because []cell.StepOutcome
	// WouldWork are the smallest changes that theory says would help, the cheapest first.
	WouldWork []neighbour.Set
	Why       string // of NotCovered, Cannot and Broken
}

// Certificate is what is known of a phone, and what becomes of it behind each NAT.
type Certificate struct {
	Phone    string
	Seed     uint64
	Learned  Learned
	Verdicts []Verdict // by flow, then by NAT
	// Shown is the first cell that failed, with its trace; nil if none did.
	Shown *scenarios.Result
}

// Count is how many verdicts have a status.
func (c Certificate) Count(s Status) int {
	n := 0
	for _, v := range c.Verdicts {
		if v.Status == s {
			n++
		}
	}
	return n
}

// Agrees says whether all that was played was as predicted.
func (c Certificate) Agrees() bool { return c.Count(NotAsPredicted)+c.Count(Broken) == 0 }

// Certify learns what a phone does, predicts what becomes of it behind each NAT, and plays some.
func Certify(ctx context.Context, phone stage.Phone, o Options) (Certificate, error) {
	o = o.withDefaults(phone.Brings)
	l, err := Learn(ctx, phone, o)
	if err != nil {
		return Certificate{}, err
	}
	c := Certificate{Phone: phone.Name, Seed: o.Seed, Learned: l}
	cells, err := o.cells(l)
	if err != nil {
		return c, err
	}
	m := &maker{o: o, learned: l, real: phone.Brings, phones: stage.Phones{cell.A: l.Known(phone)}, otherwise: stage.Phones{cell.A: l.Otherwise(phone)}, known: map[string][]neighbour.Set{}}
	for _, x := range inParallel(ctx, o.Jobs, cells, func(x cell.Cell) made { return m.verdict(ctx, x) }) {
		if err := cmp.Or(x.err, ctx.Err()); err != nil {
			return c, err
		}
		c.Verdicts = append(c.Verdicts, x.Verdict)
	}
	c.Shown, err = m.show(ctx, c.Verdicts)
	return c, err
}

// cells are those of the options, with what the phone is on its axes.
func (o Options) cells(l Learned) ([]cell.Cell, error) {
	choice := cell.Choice{cell.KeyFlow: Flows()}
	for key, values := range o.Choice {
		choice[key] = values
	}
	for key, usual := range map[string]string{cell.KeyB: cell.NoNAT, cell.KeyRegistrar: string(cell.RegistrarReceived)} {
		if choice[key] == nil && used(choice[cell.KeyFlow], key) {
			choice[key] = []string{usual}
		}
	}
	for _, key := range own {
		if values, given := o.Choice[key]; given {
			return nil, fmt.Errorf("%w: %s=%v: it is the phone's own, and learned", ErrOptions, key, values)
		}
	}
	for _, key := range both {
		for _, v := range o.Choice[key] {
			if cell.Sides(v).Has(cell.A) {
				return nil, fmt.Errorf("%w: %s=%s: what the phone does is learned; the other end is b", ErrOptions, key, v)
			}
		}
	}
	choice[cell.KeyA] = everyNAT(o.Choice[cell.KeyA])
	planned, err := scenarios.Plan(choice)
	if err != nil {
		return nil, fmt.Errorf("certify: %w", err)
	}
	var cells []cell.Cell
	for _, c := range planned {
		if c, err = l.In(c); err != nil {
			return nil, fmt.Errorf("certify: %w", err)
		}
		if !slices.Contains(cells, c) {
			cells = append(cells, c)
		}
	}
	return cells, nil
}

// used says whether one of the flows has a use for an axis.
func used(names []string, axis string) bool {
	return slices.ContainsFunc(flows.All(), func(f *flows.Flow) bool { return slices.Contains(names, f.Key) && f.Uses(axis) })
}

// everyNAT are all of the catalogue, the classes of RFC 3489 first, and those that are asked for
// beside.
func everyNAT(asked []string) []string {
	all := append(cell.Classic(), cell.RFC4787()...)
	for _, name := range append(catalogue.DeviceNames(), asked...) {
		if name != "classic" && name != "rfc4787" && name != "devices" {
			all = append(all, name)
		}
	}
	var once []string
	for _, name := range all {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once
}

// plays says whether a NAT is one of those to be played.
func (o Options) plays(nat string) bool {
	if o.All {
		return true
	}
	asked := o.Choice[cell.KeyA]
	if len(asked) == 0 {
		asked = []string{"classic"}
	}
	for _, name := range asked {
		in := []string{name}
		switch name {
		case "classic":
			in = cell.Classic()
		case "rfc4787":
			in = cell.RFC4787()
		case "devices":
			in = catalogue.DeviceNames()
		}
		if slices.Contains(in, nat) {
			return true
		}
	}
	return false
}

// maker makes verdicts.
type maker struct {
	o                 Options
	learned           Learned
	phones, otherwise stage.Phones
	real              bool // the clock

	mu    sync.Mutex
	known map[string][]neighbour.Set // what helps, by what theory sees of a cell
}

// made is a verdict, or why there is none.
type made struct {
	Verdict
	err error
}

func (m *maker) verdict(ctx context.Context, c cell.Cell) made {
	v, err := m.judge(ctx, c)
	return made{v, err}
}

func (m *maker) judge(ctx context.Context, c cell.Cell) (Verdict, error) {
	v := Verdict{Cell: c}
	if why := m.learned.cannot(c); why != "" {
		v.Status, v.Why = Cannot, why
		return v, nil
	}
	predicted, err := scenarios.Predict(c, m.phones)
	switch {
	case errors.Is(err, theory.ErrNotCovered):
		v.Status, v.Why = NotCovered, notCovered(err)
		return v, nil
	case err != nil:
		return v, fmt.Errorf("certify: %s: %w", c, err)
	}
	v.Result = scenarios.Result{Cell: c, Seed: m.o.Seed, Predicted: predicted}
	v.Status, v.Because = Works, neighbour.Failures(predicted)
	if len(v.Because) > 0 {
		v.Status = Fails
		if v.WouldWork, err = m.helps(c); err != nil {
			return v, err
		}
	}
	if m.o.plays(c.A) {
		m.play(ctx, &v)
	}
	return v, ctx.Err()
}

// play plays the cell. What is not as predicted on the real clock, where a machine may be too busy to
// be in time, is played again: it must be so twice.
func (m *maker) play(ctx context.Context, v *Verdict) {
	for v.Plays == 0 || m.real && v.Plays < realPlays && ctx.Err() == nil && (v.Result.Status() != scenarios.Pass || unjudged(v.Result)) {
		v.Plays++
		v.Result = scenarios.Run(ctx, v.Cell, m.run(false))
	}
	switch v.Result.Status() {
	case scenarios.Broken:
		v.Status, v.Why = Broken, v.Result.Err.Error()
	case scenarios.Fail:
		v.Status, v.Because = NotAsPredicted, v.Result.Observed.Failures()
	case scenarios.Pass:
		if unjudged(v.Result) {
			v.Status, v.Why = Broken, "the call ended before its media could be judged"
		}
	case scenarios.NotCovered:
		v.Status, v.Why = NotCovered, notCovered(v.Result.Err)
	}
}

// realPlays is how often a cell is played at most on the real clock.
const realPlays = 2

// Played says whether it was; otherwise it is predicted only.
func (v Verdict) Played() bool { return v.Plays > 0 }

// unjudged says whether media should have run, and nobody can say whether it did.
func unjudged(r scenarios.Result) bool {
	return slices.ContainsFunc(r.Predicted.Steps, func(s cell.StepOutcome) bool {
		_, seen := r.Observed.Step(s.Step)
		return s.Step.Part == cell.RTP && s.Fate != cell.NotSent && !seen && !s.Cause.Rule.OnlyTold()
	})
}

func (m *maker) run(trace bool) scenarios.RunOptions {
	return scenarios.RunOptions{Seed: m.o.Seed, Phones: m.phones, Trace: trace}
}

// helps is what would help, of NATs that behave alike asked once.
func (m *maker) helps(c cell.Cell) ([]neighbour.Set, error) {
	b, err := stage.Behavior(c, cell.A)
	if err != nil {
		return nil, err
	}
	alike := c
	alike.A = cell.NoNAT
	key := fmt.Sprintf("%s %+v", alike, b)
	m.mu.Lock()
	defer m.mu.Unlock()
	sets, asked := m.known[key]
	if !asked {
		if sets, err = neighbour.Search(c, m.otherwise); err != nil {
			return nil, err
		}
		m.known[key] = sets
	}
	return sets, nil
}

// show plays the first cell that failed once more, and keeps every packet.
func (m *maker) show(ctx context.Context, all []Verdict) (*scenarios.Result, error) {
	for _, status := range []Status{NotAsPredicted, Fails} {
		for _, v := range all {
			if v.Played() && v.Status == status {
				r := scenarios.Run(ctx, v.Cell, m.run(true))
				return &r, r.Err
			}
		}
	}
	return nil, nil
}

// notCovered is why there is no theory of it, without what the reader knows already.
func notCovered(err error) string {
	return strings.TrimPrefix(err.Error(), theory.ErrNotCovered.Error()+": ")
}
