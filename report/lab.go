package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/natproof/natproof/emulator/lab"
)

// Lab writes what happened in a lab, one thing a line with its time, and what came of each
// expectation, with the cause of what does not hold.
func Lab(w io.Writer, r *lab.Result, o Options) error {
	var b strings.Builder
	hangPainted(&b, "", r.Title, heading, fmt.Sprintf("seed %d, %s", r.Seed, labClock(r.Clock)), o)
	if r.Story != "" {
		hang(&b, "", strings.Join(strings.Fields(r.Story), " "), o.width())
	}
	b.WriteByte('\n')
	who := 0
	for _, l := range r.Lines {
		who = max(who, utf8.RuneCountInString(l.Who))
	}
	for _, l := range r.Lines {
		t := plain
		switch l.Kind {
		case lab.LineStep:
			t = heading
		case lab.LineDrop:
			t = bad
		}
		hangPainted(&b, stamp(l.At)+"  ", pad(l.Who, who), t, l.Text, o)
	}
	b.WriteByte('\n')
	failed := 0
	for _, l := range r.Failures {
		hangPainted(&b, "", "FAIL", alarm, fmt.Sprintf("at %ss %s %s", seconds(l.At), l.Who, l.Text), o)
	}
	for _, v := range r.Verdicts {
		if !v.Holds {
			failed++
		}
		labVerdict(&b, v, o)
	}
	if !r.Holds() {
		for _, p := range r.Said {
			hang(&b, "", p.Who+" has said: "+p.Text, o.width())
		}
	}
	b.WriteByte('\n')
	sum, t := fmt.Sprintf("%d of %d expectations hold", len(r.Verdicts)-failed, len(r.Verdicts)), good
	if n := len(r.Failures); n > 0 {
		sum += fmt.Sprintf(", and %d of the steps could not be done", n)
	}
	if r.Ended {
		sum = fmt.Sprintf("ended after %ss, before its time: nothing is judged", seconds(r.Lasted))
	}
	if !r.Holds() {
		t = alarm
	}
	paintLines(&b, t, sum, o)
	return flush(w, &b)
}

func labVerdict(b *strings.Builder, v lab.Verdict, o Options) {
	mark, t := "ok  ", good
	if !v.Holds {
		mark, t = "FAIL", alarm
	}
	hangPainted(b, "", mark, t, fmt.Sprintf("%s: %s", v.Says, v.Saw), o)
	if v.Holds {
		return
	}
	for _, c := range v.Cause {
		hang(b, "      because ", c, o.width())
	}
}

func labClock(c lab.Clock) string {
	if c == lab.Real {
		return "real time"
	}
	return "virtual time"
}

// LabLadder draws every message of a lab.
func LabLadder(w io.Writer, r *lab.Result, o Options) error {
	var b strings.Builder
	hangPainted(&b, "", r.Title, heading, fmt.Sprintf("seed %d", r.Seed), o)
	for _, line := range wrap("Time in seconds. ◆n: rewritten by mapping n of that NAT. ╳: dropped. × n: n packets alike.", o.width()) {
		b.WriteString(o.paint(faint, line) + "\n")
	}
	b.WriteByte('\n')
	drawLadder(&b, r.Events, r.Boxes, o)
	return flush(w, &b)
}
