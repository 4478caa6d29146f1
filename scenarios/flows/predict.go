package flows

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// Network is the cell of a flow as theory sees it, with those phones at its ends and calls
// that talk for so long; 0 is DefaultMediaTime.
func Network(c cell.Cell, phones stage.Phones, talk time.Duration) (*theory.Network, error) {
	alg, err := c.SIPALG()
	if err != nil {
		return nil, err
	}
	if Of(c).Attacked != "" && c.Topology == cell.ProxyNAT { // signalling takes as long as to put the two on one beat
		return nil, fmt.Errorf("%w: whose media is first, where both send and are sent to at one instant", theory.ErrNotCovered)
	}
	cfg := theory.Config{Policy: c.Registrar, Rport: true, ALG: alg, Forwards: c.PortManager == cell.ManagerStatic}
	cfg.Caller, _ = Of(c).talking()
	cfg.Ring, cfg.Consults = Of(c).Ring+c.Rings(), Of(c).Consults
	if Of(c).Media() {
		cfg.Calm, cfg.Talk = Of(c).talkTime(c, cmp.Or(talk, DefaultMediaTime))
	}
	if Of(c).Uses(cell.KeyIdle) {
		cfg.Idle = c.Idle.Time()
	}
	cfg.KeepAlive, cfg.Interval = c.KeepAlive, c.Interval.Time()
	cfg.Lasts, cfg.Expires, cfg.Loses = c.Talk.Time(), stage.Expires(c), c.Loss == cell.LossFirst
	cfg.Ping = c.Ping
	if Of(c).Uses(cell.KeySession) {
		cfg.Session, cfg.Calm = c.Session.Time(), cell.BeforeChange(c.Session.Time()/2)
	}
	cfg.Change, cfg.When = c.Change, c.When
	if cfg.Becomes, err = stage.Becomes(c); err != nil {
		return nil, err
	}
	cfg.Watched = c.HasMedia() && (Of(c).Attacked != "" || c.Change != cell.ChangeNone && (c.When != cell.WhenIdle || c.Change == cell.ChangeBehaviour || cfg.Forwards))
	cfg.OneNAT, cfg.Neighbour = c.Topology == cell.OneNAT, c.Topology == cell.TwoPhones
	if Of(c).Uses(cell.KeyPhones) {
		cfg.Crowd = c.Phones.Int()
	}
	if c.Change == cell.ChangeRoam {
		if cfg.Roams, err = roamed(c, phones); err != nil {
			return nil, err
		}
	}
	carrier, err := stage.Carrier(c)
	if err != nil {
		return nil, err
	}
	for side, to := range map[cell.Side]*theory.End{cell.A: &cfg.A, cell.B: &cfg.B, cell.C: &cfg.C} {
		if c.Host(side) == "" {
			continue
		}
		*to = theory.End{Side: side, Host: c.Host(side)}
		if carrier != nil && (side == cell.A || side == cell.B && c.Topology == cell.SharedCGN) {
			to.Carrier = carrier
		}
		if to.NAT, err = stage.Behavior(c, side); err != nil {
			return nil, err
		}
		if to.Traits, err = traits(c, phones, side); err != nil {
			return nil, err
		}
	}
	return theory.New(cfg)
}

// traits are those of the phone on a side, if there is one that the cell wants.
func traits(c cell.Cell, phones stage.Phones, side cell.Side) (theory.Traits, error) {
	t, err := phones.Traits(c, side)
	if errors.Is(err, stage.ErrNotThisPhone) {
		err = fmt.Errorf("%w: %w", theory.ErrNotCovered, err)
	}
	return t, err
}

// roamed is a where it roams to.
func roamed(c cell.Cell, phones stage.Phones) (theory.End, error) {
	e := theory.End{Side: cell.A, Host: c.Host(cell.A), Box: cell.NATBox(cell.Elsewhere)}
	var err error
	if e.NAT, err = stage.Behavior(c, cell.Elsewhere); err == nil {
		e.Traits, err = traits(c, phones, cell.A)
	}
	return e, err
}

// Predict says what theory expects of the flow: for every step whether it arrives, and if
// not which box stops it by which rule. What depends on how long messages take it does not say.
func (f *Flow) Predict(c cell.Cell, n *theory.Network) (cell.Outcome, error) {
	steps, paces := f.In(c), n.Paces()
	o := cell.Conclude(f.predict(steps, paces[0], nil))
	var room []cell.StepOutcome
	for _, other := range paces[1:] {
		room = f.predict(steps, other, room[:0])
		for i := range room {
			t := &room[i]
			if s := &o.Steps[i]; s.Fate != t.Fate || !s.Cause.Same(t.Cause) {
				return o, fmt.Errorf("%w: %s: whether %s arrives depends on how long messages take (RFC 4787 §4.3)",
					theory.ErrNotCovered, cmp.Or(s.Cause.Box, t.Cause.Box), s.Step)
			} else if s.Copy != t.Copy {
				s.Copy = 0
			}
		}
	}
	return o, f.mayNot(c, o)
}

// predict appends what theory says of each step.
func (f *Flow) predict(steps []*Step, n *theory.Network, all []cell.StepOutcome) []cell.StepOutcome {
	all = slices.Grow(all, len(steps))
	for _, s := range steps {
		a := f.ask(s, n, all)
		all = append(all, cell.StepOutcome{Step: s.Step, Fate: a.Fate, Cause: a.Cause, Copy: a.Copy})
	}
	return all
}

// ask asks of a step, given the answers about those before it.
func (f *Flow) ask(s *Step, n *theory.Network, before []cell.StepOutcome) theory.Answer {
	for _, need := range s.Needs {
		if !arrived(before, need.Step) {
			return theory.NotSent(s.From, s.Message, need.Why)
		}
	}
	if s.After != nil {
		s.After(n)
	}
	if s.Match != nil && s.Part != cell.Registration {
		for side, e := range f.Ends {
			if e.Box == s.From {
				n.Sends(side)
			}
		}
	}
	return s.Asks(n)
}

// arrived says whether a step is among those, and has arrived. Of two by one name it is the last.
func arrived(among []cell.StepOutcome, s cell.Step) bool {
	for i := len(among) - 1; i >= 0; i-- {
		if among[i].Step == s {
			return among[i].Fate == cell.Arrived
		}
	}
	return false
}

// Observe says what became of every step, by the packets on the tape and what was told.
func (f *Flow) Observe(c cell.Cell, t *wire.Tape, told []wire.Told) cell.Outcome {
	caller, callee := f.talking()
	talk, talked := t.Talked(f.Host(caller), f.Host(callee), told)
	steps := f.In(c)
	all := make([]cell.StepOutcome, 0, len(steps))
	for _, s := range steps {
		if i := slices.IndexFunc(s.Needs, func(n Need) bool { return !arrived(all, n.Step) }); s.Only && i >= 0 {
			all = append(all, cell.StepOutcome{Step: s.Step, Fate: cell.NotSent, Cause: cell.Cause{Box: s.From, Rule: cell.RuleNotSent, Message: s.Message, Why: s.Needs[i].Why}})
			continue
		}
		if fate, cause, judged := s.observe(c, t, talk, talked, told); judged {
			x := cell.StepOutcome{Step: s.Step, Fate: fate, Cause: cause}
			if fate == cell.Arrived && !s.IsStream() && s.Sees == nil {
				x.Copy = t.Copy(s.From, s.To, s.Match, told)
			}
			all = append(all, x)
		}
	}
	return cell.Conclude(all)
}

func (s *Step) observe(c cell.Cell, t *wire.Tape, talk wire.Talk, talked bool, told []wire.Told) (cell.Fate, cell.Cause, bool) {
	if s.Sees != nil {
		fate, cause := s.Sees(c, t)
		return fate, cause, true
	}
	if !s.IsStream() {
		fate, cause := t.Message(s.Message, s.From, s.To, s.Match, told)
		if s.Each != nil && fate == cell.Arrived {
			fate, cause = s.observeEach(c, t, told)
		}
		return fate, cause, true
	}
	if s.During != nil {
		talk, talked = s.During(t)
	}
	if !talked {
		return cell.NotSent, cell.Cause{Box: s.From, Rule: cell.RuleNotSent, Message: s.Message, Why: "no call was established"}, true
	}
	if talk.To-talk.From < shortest {
		return "", cell.Cause{}, false
	}
	return t.Stream(s.Part, s.From, s.To, talk, told)
}

// observeEach is the same for others in the place of a: all of them must get it.
func (s *Step) observeEach(c cell.Cell, t *wire.Tape, told []wire.Told) (cell.Fate, cell.Cause) {
	for _, box := range s.Each(c) {
		from, to := s.From, box
		if from == cell.BoxA {
			from, to = box, s.To
		}
		if fate, cause := t.Message(s.Message, from, to, s.Match, told); fate != cell.Arrived {
			return fate, cause
		}
	}
	return cell.Arrived, cell.Cause{}
}

// shortest is how long a call must talk for its media to be judged.
const shortest = 500 * time.Millisecond

// briefTalk is long enough for both ends to have sent for a while before RTP is counted.
const briefTalk = 1500 * time.Millisecond

// DefaultMediaTime is how long an established call talks: long enough for both
// ends to have sent RTCP a few times (RFC 3550 §6.2: every five seconds).
const DefaultMediaTime = 12 * time.Second
