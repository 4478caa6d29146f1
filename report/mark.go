package report

import (
	"strings"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
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
		predicted: streamWord(r.Cell, r.Predicted, r.Predicted.Media), observed: streamWord(r.Cell, r.Observed, r.Observed.Media),
		agrees: asExpected(r), failed: r.Err != nil, noTheory: noTheory(r), tone: mediaTone(r.Observed),
	}
}

func streamWord(c cell.Cell, o cell.Outcome, d cell.Direction) string {
	if !hasCall(c, o) {
		return "no call"
	}
	return directionWord(d)
}

// hasCall reports whether media could run at all: there was a call.
func hasCall(c cell.Cell, o cell.Outcome) bool { return flows.Of(c).Established(c, o) }

func directionWord(d cell.Direction) string {
	switch d {
	case cell.OnlyAToB, cell.OnlyBToA, cell.OnlyBToC, cell.OnlyCToB:
		return strings.ToUpper(string(d))
	case cell.NoWay:
		return "-"
	case "":
		return "?"
	}
	return string(d)
}

func mediaTone(o cell.Outcome) tone {
	switch o.Media {
	case cell.TwoWay:
		return good
	case cell.OnlyAToB, cell.OnlyBToA, cell.OnlyBToC, cell.OnlyCToB:
		return partial
	}
	return bad
}

// streamMark is RTP or RTCP alone.
func streamMark(r scenarios.Result, steps []cell.Step) mark {
	of := func(o cell.Outcome) cell.Direction {
		if steps[0].Part == cell.RTCP {
			return o.RTCP
		}
		return o.Media
	}
	return mark{
		predicted: streamWord(r.Cell, r.Predicted, of(r.Predicted)), observed: streamWord(r.Cell, r.Observed, of(r.Observed)),
		agrees: !surprised(r, steps...), failed: r.Err != nil, noTheory: noTheory(r), tone: mediaTone(cell.Outcome{Media: of(r.Observed)}),
	}
}

// stepMark is one step, or several that stand and fall together: the worst of
// them.
func stepMark(r scenarios.Result, steps ...cell.Step) mark {
	m := mark{
		predicted: worst(r.Predicted, steps), observed: worst(r.Observed, steps),
		agrees: !surprised(r, steps...), failed: r.Err != nil, noTheory: noTheory(r), tone: bad,
	}
	if m.observed == string(cell.Arrived) {
		m.tone = good
	}
	return m
}

func worst(o cell.Outcome, steps []cell.Step) string {
	fate := cell.Arrived
	for _, step := range steps {
		s, _ := o.Step(step)
		switch {
		case s.Fate == cell.Lost:
			return "lost"
		case s.Fate != cell.Arrived:
			fate = cell.NotSent
		}
	}
	if fate == cell.NotSent {
		return "not sent"
	}
	return string(fate)
}

func surprised(r scenarios.Result, steps ...cell.Step) bool {
	for _, s := range r.Surprises() {
		for _, step := range steps {
			if s.Step == step {
				return true
			}
		}
	}
	return false
}

// noTheory: there is none of the cell, so it was not played.
func noTheory(r scenarios.Result) bool { return r.Status() == scenarios.NotCovered }
