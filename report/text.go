package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
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
			paintLines(&b, heading, s.Title, o)
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
		text := behaves(n)
		if short(n) != n {
			text = strings.TrimRight(n+": "+text, ": ")
		}
		hang(b, "  "+pad(short(n), width)+"  ", text, o.width())
	}
	b.WriteByte('\n')
	if hasCalls(sections) {
		keys(b, o, "2way  a and b hear each other", "A>B  only b hears a", "B>A  only a hears b", "-  neither", "no call  never established")
	}
	signs := []string{"=  observed as predicted, cause included", "p≠o  predicted p, observed o", "≠why  failed for another reason", ".  not run"}
	if has(sections, scenarios.NotCovered) {
		signs = append(signs, "?  not covered: there is no theory of it")
	}
	if has(sections, scenarios.Broken) {
		signs = append(signs, "ERROR  could not be played")
	}
	keys(b, o, signs...)
}

// behaves says in a few words what a NAT does: by its title, or its behavior where it has none.
func behaves(name string) string {
	e, err := catalogue.Find(name)
	if err != nil || e.Title != "" {
		return e.Title // what is unknown has none
	}
	b := e.Model.Behavior()
	return fmt.Sprintf("%v mapping, %v filtering", b.Mapping, b.Filtering)
}

// keys writes the signs of a table with their meanings, as many on a line as it has room for.
func keys(b *strings.Builder, o Options, all ...string) {
	line := ""
	for _, k := range all {
		switch {
		case line == "":
			line = "  " + k
		case utf8.RuneCountInString(line)+3+utf8.RuneCountInString(k) > o.width():
			b.WriteString(line + "\n")
			line = "  " + k
		default:
			line += "   " + k
		}
	}
	b.WriteString(line + "\n")
}

func has(sections []Section, status scenarios.Status) bool {
	return slices.ContainsFunc(sections, func(s Section) bool {
		return slices.ContainsFunc(s.Results, func(r scenarios.Result) bool { return r.Status() == status })
	})
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
	title, count := g.title(), "("+counted(g.results)+")"
	if utf8.RuneCountInString(title)+2+utf8.RuneCountInString(count) <= o.width() {
		b.WriteString(o.paint(heading, title) + "  " + count + "\n\n")
	} else {
		paintLines(b, heading, title, o)
		hang(b, "  ", count, o.width())
		b.WriteByte('\n')
	}
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

// counted counts each status apart.
func counted(results []scenarios.Result) string {
	count := map[scenarios.Status]int{}
	for _, r := range results {
		count[r.Status()]++
	}
	text := fmt.Sprintf("%d of %d as predicted", count[scenarios.Pass], count[scenarios.Pass]+count[scenarios.Fail])
	if n := count[scenarios.NotCovered]; n > 0 {
		text += fmt.Sprintf(", %d not covered", n)
	}
	if n := count[scenarios.Broken]; n > 0 {
		text += fmt.Sprintf(", %d could not be played", n)
	}
	return text
}

// textTable draws the table. One that is wider than a line is drawn in pieces, each with some
// of the columns and the names of the rows.
func textTable(b *strings.Builder, t table, o Options) {
	names := utf8.RuneCountInString(t.corner)
	for _, row := range t.rows {
		names = max(names, utf8.RuneCountInString(row.name))
	}
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = utf8.RuneCountInString(c)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row.entries[i].text()))
		}
	}
	for from := 0; from < len(widths) || from == 0; {
		to := fitting(widths, from, o.width()-2-names)
		if from > 0 {
			b.WriteByte('\n')
		}
		textColumns(b, t, names, widths, from, to, o)
		from = to
	}
}

// fitting is how many columns, from one of them on, have room; at least one.
func fitting(widths []int, from, room int) int {
	to := from
	for to < len(widths) && (to == from || room >= 2+widths[to]) {
		room -= 2 + widths[to]
		to++
	}
	return max(to, from+1)
}

func textColumns(b *strings.Builder, t table, names int, widths []int, from, to int, o Options) {
	to = min(to, len(widths))
	if to-from < len(widths) {
		text := fmt.Sprintf("columns %d to %d of %d", from+1, to, len(widths))
		if to-from == 1 {
			text = fmt.Sprintf("column %d of %d", to, len(widths))
		}
		b.WriteString("  " + o.paint(faint, text) + "\n")
	}
	line := "  " + pad(t.corner, names)
	for i := from; i < to; i++ {
		line += "  " + pad(t.columns[i], widths[i])
	}
	b.WriteString(o.paint(faint, strings.TrimRight(line, " ")) + "\n")
	for _, row := range t.rows {
		b.WriteString("  " + pad(row.name, names))
		for i := from; i < to; i++ {
			w := widths[i]
			if i == to-1 {
				w = 0
			}
			if m := row.entries[i]; m.isZero() {
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
	if !g.isMatrix() {
		return ""
	}
	var differ []string
	calls, judged := 0, 0
	for _, r := range g.results {
		if r.Err != nil || !hasCall(r.Cell, r.Observed) {
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
	cause       cell.Cause
	text        string // instead of a cause
	surprise    bool
}

func (c cause) full() string {
	if c.text != "" {
		return c.text
	}
	return causeText(c.cause)
}

// brief is the cause in a line's length, for tables with many of them: what a
// mapping admits stays, the mapping and the rule are what the packet shows.
func (c cause) brief() string {
	x := c.cause
	x.Why = readable(x.Why)
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
			all = append(all, cause{where, "not covered", cell.Cause{}, notCovered(r), false})
			continue
		case r.Err != nil:
			all = append(all, cause{where, "ERROR", cell.Cause{}, r.Err.Error(), true})
			continue
		}
		for _, s := range r.Observed.Failures() {
			all = append(all, cause{where, stepWord(s.Step) + " " + fateWord(s.Fate), s.Cause, "", false})
		}
		for _, s := range r.Surprises() {
			all = append(all, cause{where, stepWord(s.Step) + " UNEXPECTED", cell.Cause{}, surpriseInShort(s), true})
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
	stacked := o.width()-(2+where+2+what+2) < leastRoom
	for i, c := range lines {
		same := i > 0 && lines[i-1].where == c.where
		if stacked && !same {
			b.WriteString("  " + c.where + "\n")
		}
		if same {
			c.where = ""
		}
		t := plain
		if c.surprise {
			t = alarm
		}
		indent := "  " + pad(c.where, where) + "  "
		if stacked {
			indent = "    "
		}
		hangPainted(b, indent, pad(c.what, what), t, c.brief(), o)
	}
}

// stepWord is what a step is called in a line: a stream by its direction.
func stepWord(s cell.Step) string {
	way := map[cell.Side]string{cell.A: "A>B", cell.B: "B>A"}[s.From]
	switch s.Part {
	case cell.RTP:
		return way
	case cell.RTCP:
		return "RTCP " + way
	}
	return s.Name
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

func fateText(s cell.StepOutcome) string {
	if s.Cause.IsZero() {
		return fateWord(s.Fate)
	}
	return fmt.Sprintf("%s (%s)", fateWord(s.Fate), causeText(s.Cause))
}

// summary counts, and gives a command to every result that is not as predicted.
func summary(b *strings.Builder, sections []Section, o Options) {
	text, odd := summed(sections)
	if len(odd) == 0 {
		paintLines(b, good, text, o)
		return
	}
	paintLines(b, alarm, text, o)
	for _, r := range odd {
		line := repeats(r, o)
		if utf8.RuneCountInString(line) <= o.width() {
			b.WriteString(line + "\n")
			continue
		}
		// A comment that is folded and a command that is continued can be pasted too.
		for _, part := range wrap(inShort(r), o.width()-4) {
			b.WriteString("  # " + part + "\n")
		}
		head, id := fmt.Sprintf("  %s run --seed %d", o.command(), r.Seed), "'"+r.Cell.ID()+"'"
		if utf8.RuneCountInString(head)+1+utf8.RuneCountInString(id) > o.width() {
			head += " \\\n   "
		}
		b.WriteString(head + " " + id + "\n")
	}
}

// summed are the counts and what is not as predicted.
func summed(sections []Section) (text string, odd []scenarios.Result) {
	var all []scenarios.Result
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
	text = fmt.Sprintf("%d %s, %s", len(all), cells, counted(all))
	if len(odd) == 0 {
		return text + ".", nil
	}
	if n := failed(odd); n > 0 {
		text += fmt.Sprintf(", %d NOT", n)
	}
	return text + ":", odd
}

// repeats is the command that plays the cell again, with what was odd about it.
func repeats(r scenarios.Result, o Options) string {
	return fmt.Sprintf("  %s run --seed %d '%s'   # %s", o.command(), r.Seed, r.Cell.ID(), inShort(r))
}

func failed(results []scenarios.Result) int {
	n := 0
	for _, r := range results {
		if r.Status() == scenarios.Fail {
			n++
		}
	}
	return n
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

func shortFate(s cell.StepOutcome) string {
	if s.Fate != cell.Lost {
		return fateWord(s.Fate)
	}
	return fmt.Sprintf("lost at %s (%s)", s.Cause.Box, s.Cause.Rule)
}
