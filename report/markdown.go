package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

// Markdown is a report as GitHub-flavoured Markdown, for the summary of a CI job, which is
// written table by table. Causes are folded away; surprises are not.
func Markdown(w io.Writer, o Options) Report { return &gathering{form: &markdownForm{w: w, o: o}} }

// markdownForm is the form of Markdown.
type markdownForm struct {
	w   io.Writer
	o   Options
	err error // the first; nothing is written after it
}

func (m *markdownForm) write(b *strings.Builder) {
	if m.err == nil {
		m.err = flush(m.w, b)
	}
}

func (m *markdownForm) section(title, note string) {
	var b strings.Builder
	if title != "" {
		fmt.Fprintf(&b, "## %s\n\n", escape(title))
	}
	if note != "" {
		fmt.Fprintf(&b, "%s\n\n", escape(note))
	}
	m.write(&b)
}

func (m *markdownForm) table(g *group, _ bool) {
	var b strings.Builder
	markdownGroup(&b, g)
	m.write(&b)
}

// why is all that is known: causes are folded away.
func (m *markdownForm) why(c cell.Cause) string { return causeText(c) }

func (m *markdownForm) end(s *summary) error {
	var b strings.Builder
	markdownLegend(&b, s)
	markdownSummary(&b, s, m.o)
	m.write(&b)
	return m.err
}

func markdownGroup(b *strings.Builder, g *group) {
	fmt.Fprintf(b, "### %s\n\n%s\n\n", escape(g.title()), g.tally)
	t := g.table
	fmt.Fprintf(b, "| %s |", escape(t.corner))
	for _, c := range t.columns {
		fmt.Fprintf(b, " %s |", escape(c))
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(t.columns)) + "\n")
	for _, row := range t.rows {
		fmt.Fprintf(b, "| **%s** |", escape(row.name))
		for i := range t.columns {
			fmt.Fprintf(b, " %s |", markdownMark(row.at(i)))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	if text := g.rtcp.String(); text != "" {
		fmt.Fprintf(b, "%s\n\n", escape(text))
	}
	if len(g.causes) == 0 {
		return
	}
	fmt.Fprintf(b, "<details><summary>Causes (%d)</summary>\n\n| NATs | what | why |\n|---|---|---|\n", len(g.causes))
	for _, c := range g.causes {
		what := escape(c.what)
		if c.surprise {
			what = "❌ **" + what + "**"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", escape(c.where), what, escape(c.why))
	}
	b.WriteString("\n</details>\n\n")
}

// markdownMark says in words and sign what the text table says.
func markdownMark(m mark) string {
	switch {
	case m.isZero():
		return ""
	case !m.noTheory && (m.failed || !m.agrees):
		return "❌ **" + escape(m.text()) + "**"
	}
	return escape(m.text())
}

func markdownLegend(b *strings.Builder, s *summary) {
	if len(s.presets) == 0 {
		return
	}
	b.WriteString("<details><summary>Legend</summary>\n\n| NAT | preset | behaviour |\n|---|---|---|\n")
	for _, n := range s.presets {
		fmt.Fprintf(b, "| %s | %s | %s |\n", short(n), n, escape(behaves(n)))
	}
	b.WriteString("\n`=` observed as predicted, cause included. `p≠o` predicted p, observed o. `≠why` failed as predicted, but for another reason.")
	if s.tally[scenarios.NotCovered] > 0 {
		b.WriteString(" `?` not covered: there is no theory of it.")
	}
	if s.calls {
		b.WriteString("\n`2way` a and b hear each other. `A>B` only b hears a. `B>A` only a hears b. `B>C` and `C>B` likewise where a has transferred b to c. `-` neither hears the other. `no call` it was never established.")
	}
	b.WriteString("\n\n</details>\n\n")
}

func markdownSummary(b *strings.Builder, s *summary, o Options) {
	fmt.Fprintf(b, "**%s**\n", s)
	if len(s.odd) == 0 {
		return
	}
	b.WriteString("\n```sh\n")
	for _, x := range s.odd {
		b.WriteString(x.repeats(o) + "\n")
	}
	b.WriteString("```\n")
}

var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "\n", " ")

func escape(s string) string { return markdownEscapes.Replace(s) }
