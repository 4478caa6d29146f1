package catalogue

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/natproof/natproof/natmodels"
)

// Format prints a NAT in the settings notation, with the settings that are not the default.
// What it prints, Parse reads as the same NAT.
func Format(e Entry) string { return format(e, FormatModel(e.Model)) }

// Describe prints a NAT in the settings notation as Format does, and in comments what each
// setting is about, and what holds where one is not set.
func Describe(e Entry) string { return format(e, describeModel(e.Model)) }

func format(e Entry, settings string) string {
	var b strings.Builder
	for _, l := range [][2]string{{"name", e.Name}, {"title", e.Title}, {"observed", e.Observed}} {
		if l[1] != "" {
			fmt.Fprintf(&b, "%-*s %s\n", formatWidth, l[0], l[1])
		}
	}
	b.WriteString("\n" + settings)
	if len(e.Facts) > 0 {
		b.WriteString("\n")
	}
	for _, f := range e.Facts {
		fmt.Fprintf(&b, "fact %v: %s\n", f.Confidence, strings.Join(f.About, ", "))
		if f.Source != "" {
			fmt.Fprintf(&b, "  source %s\n", f.Source)
		}
		if f.URL != "" {
			fmt.Fprintf(&b, "  url %s\n", f.URL)
		}
	}
	if e.Beyond != "" {
		fmt.Fprintf(&b, "\nbeyond %s\n", e.Beyond)
	}
	return b.String()
}

// formatWidth is that of the names of settings.
const formatWidth = 19

// FormatModel prints the kind and the settings of a model that are not the default.
func FormatModel(m natmodels.Model) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s %v\n", formatWidth, "kind", m.Behavior().Kind)
	for _, s := range m.Settings() {
		if s.Value != "" {
			fmt.Fprintf(&b, "%-*s %s\n", formatWidth, s.Name, s.Value)
		}
	}
	return b.String()
}

func describeModel(m natmodels.Model) string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "kind\t%v\n", m.Behavior().Kind)
	for _, s := range m.Settings() {
		if s.Value != "" {
			fmt.Fprintf(table, "%s\t%s\t# %s\n", s.Name, s.Value, s.Doc)
		} else {
			fmt.Fprintf(table, "# %s\t%s\t- %s\n", s.Name, s.Default, s.Doc)
		}
	}
	table.Flush() // a Builder takes everything
	return b.String()
}
