package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/natproof/natproof/emulator/certify"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/neighbour"
)

// Certificate writes what was learned of a phone, a table of what becomes of it behind each NAT,
// why, what would help, and the ladder of the first failure.
func Certificate(w io.Writer, c certify.Certificate, o Options) error {
	var b strings.Builder
	hangPainted(&b, "", "Certificate of "+c.Phone, heading, fmt.Sprintf("seed %d", c.Seed), o)
	b.WriteByte('\n')
	learned(&b, c.Learned, o)
	b.WriteByte('\n')
	certificateTable(&b, c, o)
	flow := ""
	for _, g := range c.Groups() {
		if title := optionsText(g.Options); title != flow {
			flow = title
			b.WriteString("\n" + o.paint(heading, title) + "\n")
		}
		certificateGroup(&b, g, o)
	}
	b.WriteByte('\n')
	paintLines(&b, plain, certificateSum(c), o)
	if err := flush(w, &b); err != nil || c.Shown == nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "\n%s\n\n", o.paint(heading, "The first that failed")); err != nil {
		return err
	}
	return Ladder(w, *c.Shown, o)
}

// learned are the traits: what was seen, what was not, and what there is no theory of.
func learned(b *strings.Builder, l certify.Learned, o Options) {
	b.WriteString(o.paint(heading, "What it does") + "\n")
	name := 0
	for _, f := range l.Findings {
		name = max(name, utf8.RuneCountInString(f.Trait))
	}
	for _, f := range l.Findings {
		hang(b, "  "+pad(f.Trait, name)+"  ", findingText(f), o.width())
	}
	for _, x := range l.Cannot {
		hang(b, "  ", fmt.Sprintf("It cannot %s: %s", x.What, x.Why), o.width())
	}
}

func findingText(f certify.Finding) string {
	text := f.Value
	if !f.Learned() {
		text = fmt.Sprintf("not learned, taken to be %q", f.Assumed)
	}
	var how []string
	if f.Seen != nil {
		how = append(how, f.Seen.String())
	}
	if f.Why != "" {
		how = append(how, f.Why)
	}
	if f.Beyond != "" {
		how = append(how, "there is no theory of "+f.Beyond)
		if f.Assumed != "" {
			how = append(how, fmt.Sprintf("predicted as %q", f.Assumed))
		}
	}
	if len(how) > 0 {
		text += " (" + strings.Join(how, "; ") + ")"
	}
	return text
}

// statusWord is a verdict in a table; = is that it was played, and came as predicted.
func statusWord(v certify.Verdict) string {
	switch v.Status {
	case certify.NotAsPredicted:
		return "NOT AS PREDICTED"
	case certify.NotCovered:
		return "not covered"
	case certify.Broken:
		return "ERROR"
	}
	if v.Played() {
		return string(v.Status) + " ="
	}
	return string(v.Status)
}

var statusTones = map[certify.Status]tone{
	certify.Works: good, certify.Fails: bad, certify.NotAsPredicted: alarm, certify.Broken: alarm,
}

// certificateGrid are the verdicts by NAT and by what else differs.
func certificateGrid(c certify.Certificate) (columns, rows []string, at map[[2]string]certify.Verdict) {
	at = map[[2]string]certify.Verdict{}
	for _, v := range c.Verdicts {
		title := optionsText(v.Cell)
		if !slices.Contains(columns, title) {
			columns = append(columns, title)
		}
		if !slices.Contains(rows, v.Cell.A) {
			rows = append(rows, v.Cell.A)
		}
		at[[2]string{v.Cell.A, title}] = v
	}
	return columns, rows, at
}

// optionsText is the cell without its NAT: the flow, if it says it all, or the identifier.
func optionsText(c cell.Cell) string {
	return c.Flow.Name() + optionsRest(c)
}

// optionsRest are the options of the others that are not the usual.
func optionsRest(c cell.Cell) string {
	var rest []string
	for _, key := range certify.Choosable() {
		x := cell.Lookup(key)
		usual := x.Default
		if key == cell.KeyRegistrar {
			usual = string(cell.RegistrarReceived)
		}
		if v := x.Get(c); key != cell.KeyA && v != usual && c.Flow.Uses(key) {
			rest = append(rest, key+"="+v)
		}
	}
	if len(rest) == 0 {
		return ""
	}
	return " " + strings.Join(rest, ",")
}

func certificateTable(b *strings.Builder, c certify.Certificate, o Options) {
	columns, rows, at := certificateGrid(c)
	first, wide := 0, make([]int, len(columns))
	for _, r := range rows {
		first = max(first, utf8.RuneCountInString(r))
		for i, x := range columns {
			wide[i] = max(wide[i], utf8.RuneCountInString(x), utf8.RuneCountInString(statusWord(at[[2]string{r, x}])))
		}
	}
	line := "  " + pad("", first)
	for i, x := range columns {
		line += "  " + pad(x, wide[i])
	}
	b.WriteString(o.paint(heading, strings.TrimRight(line, " ")) + "\n")
	for _, r := range rows {
		line := "  " + pad(r, first)
		for i, x := range columns {
			v, has := at[[2]string{r, x}]
			if !has {
				line += "  " + pad("", wide[i])
				continue
			}
			word := statusWord(v)
			line += "  " + o.paint(statusTones[v.Status], word) + strings.Repeat(" ", wide[i]-utf8.RuneCountInString(word))
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	paintLines(b, faint, "= played, and as predicted. What has no mark is predicted from what was learned.", o)
}

func certificateGroup(b *strings.Builder, g certify.Group, o Options) {
	word := map[certify.Status]string{certify.NotAsPredicted: "NOT AS PREDICTED", certify.NotCovered: "not covered", certify.Broken: "ERROR"}[g.Status]
	if word == "" {
		word = string(g.Status)
	}
	hangPainted(b, "  ", word, statusTones[g.Status], strings.Join(g.NATs, ", "), o)
	if g.Why != "" {
		hang(b, "    ", readable(g.Why), o.width())
	}
	for i, text := range g.Because {
		head := "    because        "
		if i > 0 {
			head = "                   "
		}
		hangIn(b, head, text, o.width())
	}
	for i, s := range g.Fixes {
		head := "    would work if  "
		if i > 0 {
			head = "    or if          "
		}
		hangIn(b, head, fixText(s), o.width())
	}
}

// hangIn is hang, with a head of which the blanks count.
func hangIn(b *strings.Builder, head, text string, width int) {
	for i, l := range wrap(readable(text), width-utf8.RuneCountInString(head)) {
		if i > 0 {
			head = strings.Repeat(" ", utf8.RuneCountInString(head))
		}
		b.WriteString(strings.TrimRight(head+l, " ") + "\n")
	}
}

var whoWords = map[neighbour.Who]string{
	neighbour.Phone: "the phone were set to", neighbour.Other: "the other end were set to", neighbour.Proxy: "the proxy were set to",
	neighbour.NAT: "its NAT were set, or made, to", neighbour.OtherNAT: "the other end's NAT were set, or made, to",
}

func fixText(s neighbour.Set) string {
	var parts []string
	for _, x := range s.Changes {
		parts = append(parts, whoWords[x.Who]+" "+x.Text)
	}
	return strings.Join(parts, ", and ")
}

func certificateSum(c certify.Certificate) string {
	played, again := 0, 0
	for _, v := range c.Verdicts {
		if v.Played() {
			played++
		}
		if v.Plays > 1 {
			again++
		}
	}
	var parts []string
	for _, s := range []certify.Status{certify.Works, certify.Fails, certify.NotCovered, certify.Cannot, certify.NotAsPredicted, certify.Broken} {
		if n := c.Count(s); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	text := fmt.Sprintf("%d cells: %s; %d of them were played", len(c.Verdicts), strings.Join(parts, ", "), played)
	if c.Agrees() && played > 0 {
		text += ", all as predicted"
	}
	if again > 0 {
		text += fmt.Sprintf(", %d when it was played again", again)
	}
	return text + "."
}
