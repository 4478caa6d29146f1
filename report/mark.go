package report

import (
	"errors"

	"github.com/natproof/natproof/scenarios"
)

// mark is one entry of a table: what was predicted and what was observed, in
// one word each.
type mark struct {
	predicted, observed string
	agrees              bool // the cause too
	failed              bool // could not be played
	noTheory            bool // was not, since nothing is predicted
	tone                tone // of the observed value
}

// text is the entry as it stands in a table: "2way =" if observed as predicted,
// "2way≠A>B" if not, "A>B ≠why" if it failed for another reason than predicted.
func (m mark) text() string {
	switch {
	case m.noTheory:
		return "?"
	case m.failed:
		return "ERROR"
	case m.agrees:
		return m.observed + " ="
	case m.predicted == m.observed:
		return m.observed + " ≠why"
	}
	return m.predicted + "≠" + m.observed
}

func (m mark) paint(o Options, width int) string {
	t := m.tone
	switch {
	case m.noTheory:
		t = plain
	case m.failed || !m.agrees:
		t = alarm
	}
	text := m.text()
	return o.paint(t, text) + pad("", width-len([]rune(text)))
}

// mediaMark is the media of a call. A call that was never established is not
// the same as one without media.
func mediaMark(r scenarios.Result) mark {
	return mark{
		predicted: mediaWord(r.Predicted), observed: mediaWord(r.Observed),
		agrees: asExpected(r), failed: r.Err != nil, noTheory: noTheory(r), tone: mediaTone(r.Observed),
	}
}

func mediaWord(o scenarios.Outcome) string { return streamWord(o, o.Media) }

func streamWord(o scenarios.Outcome, d scenarios.Direction) string {
	if !hasCall(o) {
		return "no call"
	}
	return directionWord(d)
}

func hasCall(o scenarios.Outcome) bool {
	ack, _ := o.Step(scenarios.Ack)
	return ack.Fate == scenarios.Arrived
}

func directionWord(d scenarios.Direction) string {
	switch d {
	case scenarios.OnlyAToB:
		return "A>B"
	case scenarios.OnlyBToA:
		return "B>A"
	case scenarios.NoWay:
		return "-"
	case "":
		return "?"
	}
	return string(d)
}

func mediaTone(o scenarios.Outcome) tone {
	switch o.Media {
	case scenarios.TwoWay:
		return good
	case scenarios.OnlyAToB, scenarios.OnlyBToA:
		return partial
	}
	return bad
}

// streamMark is RTP or RTCP alone.
func streamMark(r scenarios.Result, of func(scenarios.Outcome) scenarios.Direction, steps ...scenarios.Step) mark {
	return mark{
		predicted: streamWord(r.Predicted, of(r.Predicted)), observed: streamWord(r.Observed, of(r.Observed)),
		agrees: !surprised(r, steps...), failed: r.Err != nil, noTheory: noTheory(r), tone: mediaTone(scenarios.Outcome{Media: of(r.Observed)}),
	}
}

// stepMark is one step, or several that stand and fall together: the worst of
// them.
func stepMark(r scenarios.Result, steps ...scenarios.Step) mark {
	m := mark{
		predicted: worst(r.Predicted, steps), observed: worst(r.Observed, steps),
		agrees: !surprised(r, steps...), failed: r.Err != nil, noTheory: noTheory(r), tone: bad,
	}
	if m.observed == string(scenarios.Arrived) {
		m.tone = good
	}
	return m
}

func worst(o scenarios.Outcome, steps []scenarios.Step) string {
	fate := scenarios.Arrived
	for _, step := range steps {
		s, _ := o.Step(step)
		switch {
		case s.Fate == scenarios.Lost:
			return "lost"
		case s.Fate != scenarios.Arrived:
			fate = scenarios.NotSent
		}
	}
	if fate == scenarios.NotSent {
		return "not sent"
	}
	return string(fate)
}

func surprised(r scenarios.Result, steps ...scenarios.Step) bool {
	for _, s := range r.Surprises() {
		for _, step := range steps {
			if s.Step == step {
				return true
			}
		}
	}
	return false
}

// noTheory: the oracle refused the cell, so it was not played.
func noTheory(r scenarios.Result) bool { return errors.Is(r.Err, scenarios.ErrNotCovered) }
