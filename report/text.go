package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios"
)

// Text writes the sections for a terminal: a legend, then for every section its
// tables, each followed by the causes of what failed in it, then the surprises
// with the command that repeats each.
func Text(w io.Writer, sections []Section, o Options) error {
	var b strings.Builder
	legend(&b, sections, o)
	for _, s := range sections {
		b.WriteByte('\n')
		if s.Title != "" {
			b.WriteString(o.paint(heading, s.Title) + "\n")
		}
		if s.Note != "" {
			hang(&b, "", s.Note, o.width())
		}
		if s.Title != "" || s.Note != "" {
			b.WriteByte('\n')
		}
		for i, g := range groups(s.Results) {
			if i > 0 {
				b.WriteByte('\n')
			}
			textGroup(&b, g, o)
		}
	}
	b.WriteByte('\n')
	summary(&b, sections, o)
	return flush(w, &b)
}

// legend names the NATs by the words of RFC 4787 and says how to read a table.
func legend(b *strings.Builder, sections []Section, o Options) {
	names := presets(sections)
	width := 0
	for _, n := range names {
		width = max(width, len(short(n)))
	}
	for _, n := range names {
		line := "  " + pad(short(n), width) + "  "
		if short(n) != n {
			line += n + ": "
		}
		if e, err := catalogue.Find(n); err == nil {
			line += e.Title
		}
		b.WriteString(strings.TrimRight(line, ": ") + "\n")
	}
	b.WriteByte('\n')
	if hasCalls(sections) {
		b.WriteString("  2way  a and b hear each other   A>B  only b hears a   B>A  only a hears b   -  neither   no call  never established\n")
	}
	b.WriteString("  =  observed as predicted, cause included   p≠o  predicted p, observed o   ≠why  failed for another reason   .  not run\n")
}

func hasCalls(sections []Section) bool {
	for _, s := range sections {
		for _, r := range s.Results {
			if r.Cell.HasMedia() {
				return true
			}
		}
	}
	return false
}

func textGroup(b *strings.Builder, g group, o Options) {
	b.WriteString(o.paint(heading, g.title()))
	fmt.Fprintf(b, "  (%s)\n\n", counted(g.results))
	textTable(b, g.table(), o)
	if text := rtcpLine(g); text != "" {
		b.WriteByte('\n')
		hang(b, "  ", text, o.width())
	}
	if lines := causes(g); len(lines) > 0 {
		b.WriteByte('\n')
		textCauses(b, lines, o)
	}
}

func counted(results []scenarios.Result) string {
	refused := 0
	for _, r := range results {
		if noTheory(r) {
			refused++
		}
	}
	text := fmt.Sprintf("%d of %d as predicted", asPredicted(results), len(results)-refused)
	if refused > 0 {
		text += fmt.Sprintf(", %d without a theory", refused)
	}
	return text
}

func textTable(b *strings.Builder, t table, o Options) {
	width := make([]int, 1+len(t.columns))
	width[0] = utf8.RuneCountInString(t.corner)
	for i, c := range t.columns {
		width[i+1] = utf8.RuneCountInString(c)
	}
	for _, row := range t.rows {
		width[0] = max(width[0], utf8.RuneCountInString(row.name))
		for i, m := range row.entries {
			width[i+1] = max(width[i+1], utf8.RuneCountInString(m.text()))
		}
	}
	line := "  " + pad(t.corner, width[0])
	for i, c := range t.columns {
		line += "  " + pad(c, width[i+1])
	}
	b.WriteString(o.paint(faint, strings.TrimRight(line, " ")) + "\n")
	for _, row := range t.rows {
		b.WriteString("  " + pad(row.name, width[0]))
		for i, m := range row.entries {
			w := width[i+1]
			if i == len(row.entries)-1 {
				w = 0
			}
			if m.isZero() {
				b.WriteString("  " + pad(".", w))
			} else {
				b.WriteString("  " + m.paint(o, w))
			}
		}
		b.WriteByte('\n')
	}
}

// rtcpLine reports RTCP beside the media of a matrix.
func rtcpLine(g group) string {
	if g.options.Flow != scenarios.FlowCall {
		return ""
	}
	var differ []string
	calls, judged := 0, 0
	for _, r := range g.results {
		if r.Err != nil || !hasCall(r.Observed) {
			continue
		}
		calls++
		if r.Observed.RTCP == "" {
			continue
		}
		judged++
		if r.Observed.RTCP != r.Observed.Media {
			differ = append(differ, fmt.Sprintf("%s %s", pair(r.Cell), directionWord(r.Observed.RTCP)))
		}
	}
	switch {
	case calls == 0:
		return ""
	case judged == 0:
		return "RTCP: not judged."
	case len(differ) == 0:
		return "RTCP: the same way as RTP in every call."
	}
	return "RTCP: the same way as RTP, but " + strings.Join(differ, ", ") + "."
}

// cause is one line below a table.
type cause struct {
	where, what string
	cause       scenarios.Cause
	text        string // instead of a cause
	surprise    bool
}

func (c cause) full() string {
	if c.text != "" {
		return c.text
	}
	return c.cause.String()
}

// brief is the cause in a line's length, for tables with many of them: what a
// mapping admits stays, the mapping and the rule are what the packet shows.
func (c cause) brief() string {
	x := c.cause
	if c.text != "" || !x.Dst.IsValid() {
		return c.full()
	}
	why, _, _ := strings.Cut(x.Why, " (")
	if i := strings.Index(why, " admits "); i >= 0 && strings.HasPrefix(why, "mapping ") {
		why = why[i+1:]
	}
	s := fmt.Sprintf("%s: %s %v -> %v %s", x.Box, x.Message, x.Src, x.Dst, x.Rule)
	if why != "" {
		s += ", " + why
	}
	return s
}

// causes are the failures of the group, cell by cell, and everything that was
// not as predicted.
func causes(g group) []cause {
	var all []cause
	for _, r := range g.results {
		where := pair(r.Cell)
		switch {
		case noTheory(r):
			all = append(all, cause{where, "not played", scenarios.Cause{}, r.Err.Error(), false})
			continue
		case r.Err != nil:
			all = append(all, cause{where, "ERROR", scenarios.Cause{}, r.Err.Error(), true})
			continue
		}
		for _, s := range r.Observed.Failures() {
			all = append(all, cause{where, stepWord(s.Step) + " " + fateWord(s.Fate), s.Cause, "", false})
		}
		for _, s := range r.Surprises() {
			all = append(all, cause{where, stepWord(s.Step) + " UNEXPECTED", scenarios.Cause{}, surpriseInShort(s), true})
		}
	}
	return all
}

func textCauses(b *strings.Builder, lines []cause, o Options) {
	where, what := 0, 0
	for _, c := range lines {
		where = max(where, utf8.RuneCountInString(c.where))
		what = max(what, utf8.RuneCountInString(c.what))
	}
	for i, c := range lines {
		if i > 0 && lines[i-1].where == c.where {
			c.where = ""
		}
		t := plain
		if c.surprise {
			t = alarm
		}
		indent := "  " + pad(c.where, where) + "  "
		hangPainted(b, indent, pad(c.what, what), t, c.brief(), o)
	}
}

func stepWord(s scenarios.Step) string {
	switch s {
	case scenarios.RTPAToB:
		return "A>B"
	case scenarios.RTPBToA:
		return "B>A"
	case scenarios.RTCPAToB:
		return "RTCP A>B"
	case scenarios.RTCPBToA:
		return "RTCP B>A"
	}
	return string(s)
}

func fateWord(f scenarios.Fate) string {
	switch f {
	case scenarios.NotSent:
		return "not sent"
	case "":
		return "not seen"
	}
	return string(f)
}

func surpriseText(s scenarios.Surprise) string {
	return "predicted " + fateText(s.Predicted) + "; observed " + fateText(s.Observed)
}

func fateText(s scenarios.StepOutcome) string {
	if s.Cause.IsZero() {
		return fateWord(s.Fate)
	}
	return fmt.Sprintf("%s (%s)", fateWord(s.Fate), s.Cause)
}

// summary counts, and gives one line to every result that is not as predicted.
func summary(b *strings.Builder, sections []Section, o Options) {
	var all, odd []scenarios.Result
	for _, s := range sections {
		all = append(all, s.Results...)
		for _, r := range s.Results {
			if !asExpected(r) && !noTheory(r) {
				odd = append(odd, r)
			}
		}
	}
	cells := "cells"
	if len(all) == 1 {
		cells = "cell"
	}
	text := fmt.Sprintf("%d %s, %s", len(all), cells, counted(all))
	if len(odd) == 0 {
		b.WriteString(o.paint(good, text+".") + "\n")
		return
	}
	b.WriteString(o.paint(alarm, fmt.Sprintf("%s, %d NOT:", text, len(odd))) + "\n")
	for _, r := range odd {
		fmt.Fprintf(b, "  %s run --seed %d '%s'   # %s\n", o.command(), r.Seed, r.Cell.ID(), inShort(r))
	}
}

// inShort says in a few words what is odd about a result.
func inShort(r scenarios.Result) string {
	if r.Err != nil {
		return "could not be played: " + strings.ReplaceAll(r.Err.Error(), "\n", " ")
	}
	var parts []string
	for _, s := range r.Surprises() {
		parts = append(parts, fmt.Sprintf("%s: %s", s.Step, surpriseInShort(s)))
	}
	if len(parts) == 0 {
		return "not as expected"
	}
	return strings.Join(parts, "; ")
}

func surpriseInShort(s scenarios.Surprise) string {
	return fmt.Sprintf("predicted %s, observed %s", shortFate(s.Predicted), shortFate(s.Observed))
}

func shortFate(s scenarios.StepOutcome) string {
	if s.Fate != scenarios.Lost {
		return fateWord(s.Fate)
	}
	return fmt.Sprintf("lost at %s (%s)", s.Cause.Box, s.Cause.Rule)
}
