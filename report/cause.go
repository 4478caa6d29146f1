package report

import (
	"fmt"
	"strings"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

// cause is one line below a table.
type cause struct {
	where, what, why string
	surprise         bool
}

// causes are the failures of a cell, and everything that was not as predicted.
func causes(r scenarios.Result, why func(cell.Cause) string) []cause {
	where := pair(r.Cell)
	switch {
	case noTheory(r):
		return []cause{{where, "not covered", notCovered(r), false}}
	case r.Err != nil:
		return []cause{{where, "ERROR", r.Err.Error(), true}}
	}
	var all []cause
	for _, s := range r.Observed.Failures() {
		all = append(all, cause{where, stepWord(s.Step) + " " + fateWord(s.Fate), why(s.Cause), false})
	}
	for _, s := range r.Surprises() {
		all = append(all, cause{where, stepWord(s.Step) + " UNEXPECTED", surpriseInShort(s), true})
	}
	return all
}

// rtcpSum is what is said of RTCP below a matrix of media.
type rtcpSum struct {
	calls, judged int
	differ        []string
}

func (x *rtcpSum) add(r scenarios.Result) {
	if r.Err != nil || !hasCall(r.Cell, r.Observed) {
		return
	}
	x.calls++
	if r.Observed.RTCP == "" {
		return
	}
	x.judged++
	if r.Observed.RTCP != r.Observed.Media {
		x.differ = append(x.differ, fmt.Sprintf("%s %s", pair(r.Cell), directionWord(r.Observed.RTCP)))
	}
}

// String is empty where there was no call.
func (x rtcpSum) String() string {
	switch {
	case x.calls == 0:
		return ""
	case x.judged == 0:
		return "RTCP: not judged."
	case len(x.differ) == 0:
		return "RTCP: the same way as RTP in every call."
	}
	return "RTCP: the same way as RTP, but " + strings.Join(x.differ, ", ") + "."
}

// stepWord is what a step is called in a line: a stream by its direction.
func stepWord(s cell.Step) string {
	if !s.IsStream() {
		return s.Name
	}
	words := strings.Fields(strings.Replace(strings.Replace(s.Name, "rtcp ", "RTCP ", 1), "rtp ", "", 1))
	last := len(words) - 1
	words[last] = strings.ToUpper(words[last])
	return strings.Join(words, " ")
}

func fateWord(f cell.Fate) string {
	switch f {
	case cell.NotSent:
		return "not sent"
	case "":
		return "not seen"
	}
	return string(f)
}

func surpriseText(s scenarios.Surprise) string {
	return "predicted " + fateText(s.Predicted) + "; observed " + fateText(s.Observed)
}

// arrivedText is the fate, and by which copy if that was not the first.
func arrivedText(s cell.StepOutcome) string {
	if s.Copy > 1 {
		return fmt.Sprintf("%s by copy %d", fateWord(s.Fate), s.Copy)
	}
	return fateWord(s.Fate)
}

func fateText(s cell.StepOutcome) string {
	if s.Cause.IsZero() {
		return arrivedText(s)
	}
	return fmt.Sprintf("%s (%s)", fateWord(s.Fate), causeText(s.Cause))
}
