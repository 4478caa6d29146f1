package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

// Text is a report for a terminal: a legend, then for every section its tables, each followed
// by the causes of what failed in it, then the surprises with the command that repeats each. The
// legend says what occurs below it, so that all is written by Close.
func Text(w io.Writer, o Options) Report { return &gathering{form: &textForm{w: w, o: o}} }

// textForm is the form of a terminal.
type textForm struct {
	w    io.Writer
	o    Options
	body []string // what stands below the legend
}

func (x *textForm) section(title, note string) {
	var b strings.Builder
	b.WriteByte('\n')
	if title != "" {
		paintLines(&b, heading, title, x.o)
	}
	if note != "" {
		hang(&b, "", note, x.o.width())
	}
	if title != "" || note != "" {
		b.WriteByte('\n')
	}
	x.keep(&b)
}

func (x *textForm) table(g *group, first bool) {
	var b strings.Builder
	if !first {
		b.WriteByte('\n')
	}
	textGroup(&b, g, x.o)
	x.keep(&b)
}

// keep puts text below what there is, without the room that its builder has left.
func (x *textForm) keep(b *strings.Builder) { x.body = append(x.body, strings.Clone(b.String())) }

func (x *textForm) end(s *summary) error {
	var head, tail strings.Builder
	legend(&head, s, x.o)
	tail.WriteByte('\n')
	textSummary(&tail, s, x.o)
	for _, part := range append(append([]string{head.String()}, x.body...), tail.String()) {
		if _, err := io.WriteString(x.w, part); err != nil {
			return err
		}
	}
	return nil
}

// legend names the NATs by the words of RFC 4787 and says how to read a table.
func legend(b *strings.Builder, s *summary, o Options) {
	width := 0
	for _, n := range s.presets {
		width = max(width, len(short(n)))
	}
	for _, n := range s.presets {
		text := behaves(n)
		if short(n) != n {
			text = strings.TrimRight(n+": "+text, ": ")
		}
		hang(b, "  "+pad(short(n), width)+"  ", text, o.width())
	}
	b.WriteByte('\n')
	if s.calls {
		keys(b, o, "2way  a and b hear each other", "A>B  only b hears a", "B>A  only a hears b", "-  neither", "no call  never established")
	}
	signs := []string{"=  observed as predicted, cause included", "p≠o  predicted p, observed o", "≠why  failed for another reason", ".  not run"}
	if s.tally[scenarios.NotCovered] > 0 {
		signs = append(signs, "?  not covered: there is no theory of it")
	}
	if s.tally[scenarios.Broken] > 0 {
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

func textGroup(b *strings.Builder, g *group, o Options) {
	title, count := g.title(), "("+g.tally.String()+")"
	if utf8.RuneCountInString(title)+2+utf8.RuneCountInString(count) <= o.width() {
		b.WriteString(o.paint(heading, title) + "  " + count + "\n\n")
	} else {
		paintLines(b, heading, title, o)
		hang(b, "  ", count, o.width())
		b.WriteByte('\n')
	}
	textTable(b, g.table, o)
	if text := g.rtcp.String(); text != "" {
		b.WriteByte('\n')
		hang(b, "  ", text, o.width())
	}
	if len(g.causes) > 0 {
		b.WriteByte('\n')
		textCauses(b, g.causes, o)
	}
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
			widths[i] = max(widths[i], utf8.RuneCountInString(row.at(i).text()))
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
			if m := row.at(i); m.isZero() {
				b.WriteString("  " + pad(".", w))
			} else {
				b.WriteString("  " + m.paint(o, w))
			}
		}
		b.WriteByte('\n')
	}
}

// why is the cause in a line's length, for tables with many of them: what a mapping admits
// stays, the mapping and the rule are what the packet shows.
func (*textForm) why(c cell.Cause) string {
	if !c.Dst.IsValid() {
		return causeText(c)
	}
	why, _, _ := strings.Cut(readable(c.Why), " (")
	if i := strings.Index(why, " admits "); i >= 0 && strings.HasPrefix(why, "mapping ") {
		why = why[i+1:]
	}
	s := fmt.Sprintf("%s: %s %v -> %v %s", c.Box, c.Message, c.Src, c.Dst, c.Rule)
	if why != "" {
		s += ", " + why
	}
	return s
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
		hangPainted(b, indent, pad(c.what, what), t, c.why, o)
	}
}

// textSummary counts, and gives a command to every result that is not as predicted.
func textSummary(b *strings.Builder, s *summary, o Options) {
	if len(s.odd) == 0 {
		paintLines(b, good, s.String(), o)
		return
	}
	paintLines(b, alarm, s.String(), o)
	for _, x := range s.odd {
		line := x.repeats(o)
		if utf8.RuneCountInString(line) <= o.width() {
			b.WriteString(line + "\n")
			continue
		}
		// A comment that is folded and a command that is continued can be pasted too.
		for _, part := range wrap(x.why, o.width()-4) {
			b.WriteString("  # " + part + "\n")
		}
		head, id := "  "+x.run(o), "'"+x.id+"'"
		if utf8.RuneCountInString(head)+1+utf8.RuneCountInString(id) > o.width() {
			head += " \\\n   "
		}
		b.WriteString(head + " " + id + "\n")
	}
}
