package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/natproof/natproof/calibrate"
	"github.com/natproof/natproof/discover"
	"github.com/natproof/natproof/natmodels/catalogue"
)

// rows prints lines of cells in columns.
type rows struct{ tw *tabwriter.Writer }

func newRows(w io.Writer) rows { return rows{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

func (r rows) add(cells ...string) {
	last := len(cells)
	for last > 1 && cells[last-1] == "" { // no blanks at the end of a line
		last--
	}
	fmt.Fprintln(r.tw, strings.Join(cells[:last], "\t"))
}

func listNATs(w io.Writer) error {
	table := newRows(w)
	for _, name := range catalogue.Names() {
		e, err := catalogue.Find(name)
		if err != nil {
			return err
		}
		summary := e.Title
		if guesses := e.Guesses(); len(guesses) > 0 {
			summary += " (a guess: " + strings.Join(guesses, ", ") + ")"
		}
		table.add(e.Name, e.Model.Behavior().Code(), summary)
	}
	return table.tw.Flush()
}

func printProbe(w io.Writer, r calibrate.Result) error {
	fmt.Fprintf(w, "%s, measured from inside\n\n", r.Name)
	table := newRows(w)
	table.add("", "configured", "measured", "")
	for _, p := range r.Properties {
		mark := "="
		switch p.Verdict() {
		case calibrate.Explained:
			mark = "because " + p.Reason
		case calibrate.Differs:
			mark = "DIFFERS"
		}
		table.add(p.Name, p.Configured, p.Measured, mark)
	}
	if err := table.tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", calibrate.Summary([]calibrate.Result{r}))
	return err
}

// printReport prints what was tested; what was not is left out.
func printReport(w io.Writer, cfg discover.Config, r discover.Report) error {
	table := newRows(w)
	table.add("server", fmt.Sprint(r.Server), also(r))
	if r.Local.IsValid() {
		table.add("local", fmt.Sprint(r.Local))
	}
	switch {
	case r.Mapped.IsValid():
		table.add("mapped", fmt.Sprint(r.Mapped))
		table.add("NAT", r.NAT.String())
	case r.Reachable == discover.No:
		table.add("answer", "no", "UDP is blocked, or there is no STUN server")
	case r.Reachable == discover.Yes:
		table.add("answer", "yes", "but none that tells a mapped address")
	default:
		table.add("answer", "unknown")
	}
	if r.NAT == discover.Yes {
		ports := map[discover.Answer]string{discover.Yes: "preserved", discover.No: "not preserved"}[r.SamePort]
		table.add("port", ports)
	}
	for _, t := range cfg.Tests {
		if r.Mapped.IsValid() || t == discover.Classic {
			testRows(table, t, r)
		}
	}
	if r.Mapped.IsValid() {
		table.add("payload rewritten", r.ALG.String(), "RFC 5780 section 3.6")
	}
	if err := table.tw.Flush(); err != nil {
		return err
	}
	for i, n := range r.Notes {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s: %s\n", n.Test, n.Text)
	}
	return nil
}

func also(r discover.Report) string {
	if !r.Other.IsValid() {
		return ""
	}
	return "also " + r.Other.String()
}

func testRows(table rows, t discover.Test, r discover.Report) {
	switch t {
	case discover.Mapping:
		table.add("mapping", r.Mapping.String(), "RFC 5780 section 4.3")
	case discover.Filtering:
		table.add("filtering", r.Filtering.String(), "RFC 5780 section 4.4")
	case discover.FilterScope:
		if r.FilterScope != discover.UnknownScope {
			table.add("filters by", r.FilterScope.String(), "RFC 4787 section 5")
		}
	case discover.Hairpinning:
		from := "RFC 5780 section 3.4"
		if r.HairpinSource.IsValid() {
			from = fmt.Sprintf("from %v, %s", r.HairpinSource, from)
		}
		table.add("hairpinning", r.Hairpinning.String(), from)
	case discover.Fragments:
		table.add("fragments pass", r.Fragments.String(), "RFC 5780 section 3.5")
	case discover.BindingLifetime:
		table.add("lifetime", span(r.Lifetime.Span), "RFC 5780 section 4.6")
		table.add("lifetime unreplied", span(r.Lifetime.Unreplied))
		table.add("prolonged by", fmt.Sprintf("outbound %v, inbound %v", r.Lifetime.OutboundRefresh, r.Lifetime.InboundRefresh), "RFC 4787 REQ-6, REQ-6a")
	case discover.Classic:
		table.add("RFC 3489 class", r.Classic.String(), "RFC 3489 section 10.1")
	}
}

func span(s discover.Span) string {
	switch {
	case s == discover.Span{}:
		return "unknown"
	case s.Expired == 0:
		return fmt.Sprintf("more than %v", s.Alive)
	}
	return fmt.Sprintf("%v to %v", s.Alive, s.Expired)
}
