package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/natproof/natproof/emulator/certify"
)

// CertificateMarkdown is Certificate in Markdown.
func CertificateMarkdown(w io.Writer, c certify.Certificate) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Certificate of %s\n\n%s\n\n", c.Phone, certificateSum(c))
	columns, rows, at := certificateGrid(c)
	fmt.Fprintf(&b, "| NAT | %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, r := range rows {
		b.WriteString("| " + r)
		for _, x := range columns {
			word := ""
			if v, has := at[[2]string{r, x}]; has {
				word = statusWord(v)
			}
			b.WriteString(" | " + word)
		}
		b.WriteString(" |\n")
	}
	b.WriteString("\n`=` played, and as predicted. What has no mark is predicted from what was learned.\n")
	flow := ""
	for _, g := range c.Groups() {
		if g.Status == certify.Works {
			continue
		}
		if title := optionsText(g.Options); title != flow {
			flow = title
			fmt.Fprintf(&b, "\n## %s\n", title)
		}
		fmt.Fprintf(&b, "\n**%s**: %s\n\n", strings.ReplaceAll(string(g.Status), "-", " "), strings.Join(g.NATs, ", "))
		if g.Why != "" {
			fmt.Fprintf(&b, "- %s\n", inline(g.Why))
		}
		for _, x := range g.Because {
			fmt.Fprintf(&b, "- because %s\n", inline(x))
		}
		for _, s := range g.Fixes {
			fmt.Fprintf(&b, "- would work if %s\n", inline(fixText(s)))
		}
	}
	b.WriteString("\n## What it does\n\n| trait | value | how it was seen |\n|---|---|---|\n")
	for _, f := range c.Learned.Findings {
		value, how, _ := strings.Cut(strings.TrimSuffix(findingText(f), ")"), " (")
		fmt.Fprintf(&b, "| %s | %s | %s |\n", f.Trait, inline(value), inline(how))
	}
	if c.Shown != nil {
		b.WriteString("\n## The first that failed\n\n```text\n")
		if err := Ladder(&b, *c.Shown, Options{}); err != nil {
			return err
		}
		b.WriteString("```\n")
	}
	return flush(w, &b)
}

// inline is text that means nothing to Markdown.
func inline(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "*", "\\*", "\n", " ").Replace(readable(text))
}
