package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/natproof/natproof/scenarios"
)

// Markdown writes the sections as GitHub-flavoured Markdown, for the summary of
// a CI job. Causes are folded away; surprises are not.
func Markdown(w io.Writer, sections []Section, o Options) error {
	var b strings.Builder
	for _, s := range sections {
		if s.Title != "" {
			fmt.Fprintf(&b, "## %s\n\n", escape(s.Title))
		}
		if s.Note != "" {
			fmt.Fprintf(&b, "%s\n\n", escape(s.Note))
		}
		for _, g := range groups(s.Results) {
			markdownGroup(&b, g)
		}
	}
	markdownLegend(&b, sections)
	markdownSummary(&b, sections, o)
	return flush(w, &b)
}

func markdownGroup(b *strings.Builder, g group) {
	fmt.Fprintf(b, "### %s\n\n%s\n\n", escape(g.title()), counted(g.results))
	t := g.table()
	fmt.Fprintf(b, "| %s |", escape(t.corner))
	for _, c := range t.columns {
		fmt.Fprintf(b, " %s |", escape(c))
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(t.columns)) + "\n")
	for _, row := range t.rows {
		fmt.Fprintf(b, "| **%s** |", escape(row.name))
		for _, m := range row.entries {
			fmt.Fprintf(b, " %s |", markdownMark(m))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	if text := rtcpLine(g); text != "" {
		fmt.Fprintf(b, "%s\n\n", escape(text))
	}
	lines := causes(g)
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "<details><summary>Causes (%d)</summary>\n\n| NATs | what | why |\n|---|---|---|\n", len(lines))
	for _, c := range lines {
		what := escape(c.what)
		if c.surprise {
			what = "❌ **" + what + "**"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", escape(c.where), what, escape(c.full()))
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

func markdownLegend(b *strings.Builder, sections []Section) {
	names := presets(sections)
	if len(names) == 0 {
		return
	}
	b.WriteString("<details><summary>Legend</summary>\n\n| NAT | preset | behaviour |\n|---|---|---|\n")
	for _, n := range names {
		fmt.Fprintf(b, "| %s | %s | %s |\n", short(n), n, escape(behaves(n)))
	}
	b.WriteString("\n`=` observed as predicted, cause included. `p≠o` predicted p, observed o. `≠why` failed as predicted, but for another reason.")
	if has(sections, scenarios.NotCovered) {
		b.WriteString(" `?` not covered: there is no theory of it.")
	}
	if hasCalls(sections) {
		b.WriteString("\n`2way` a and b hear each other. `A>B` only b hears a. `B>A` only a hears b. `-` neither hears the other. `no call` it was never established.")
	}
	b.WriteString("\n\n</details>\n\n")
}

func markdownSummary(b *strings.Builder, sections []Section, o Options) {
	text, odd := summed(sections)
	fmt.Fprintf(b, "**%s**\n", text)
	if len(odd) == 0 {
		return
	}
	b.WriteString("\n```sh\n")
	for _, r := range odd {
		b.WriteString(repeats(r, o) + "\n")
	}
	b.WriteString("```\n")
}

var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "\n", " ")

func escape(s string) string { return markdownEscapes.Replace(s) }
