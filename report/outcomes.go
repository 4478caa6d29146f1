package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// Outcomes writes what theory predicts of every flow, as Markdown: the tables of the classic NATs,
// which axes alone change a verdict, and for each kind of failure the reason in words that can be sent
// to a customer, with what helps. That what it predicts happens is for 'natproof matrix --all' to show.
func Outcomes(w io.Writer) error {
	var b strings.Builder
	b.WriteString(outcomesHead)
	for _, f := range flows.All() {
		outcomesOf(&b, f)
	}
	return flush(w, &b)
}

const outcomesHead = `# What works, and why not

Made by ` + "`make docs`" + ` from the theory in scenarios/theory; ` + "`make matrix-all`" + ` shows that it happens. For every flow there is
what becomes of it behind the classic NATs, which options change that, and for each kind of failure a reason in plain words.

In the tables a flow *works*, or the first thing that fails is named; of a call that was established, *A>B* is that only b
hears a, *B>A* that only a hears b. *?* is not covered by theory.
`

// outcomeBase is what a table starts from.
type outcomeBase struct {
	title string
	with  map[string]string
}

var outcomeBases = []outcomeBase{
	{"Plain RFC 3261, addresses learned from a STUN server", map[string]string{}},
	{"The same with rport, and a registrar that routes to where the REGISTER came from", today},
}

var today = map[string]string{cell.KeyRegistrar: "received", cell.KeyRport: "true"}

func outcomesOf(b *strings.Builder, f *flows.Flow) {
	fmt.Fprintf(b, "\n## %s\n\n%s.\n", f.Key, upper(f.Help))
	b.WriteString(strings.Join(wrap(f.Story, 120), "\n") + "\n")
	for _, base := range outcomeBases {
		fmt.Fprintf(b, "\n%s:\n\n", base.title)
		outcomeTable(b, f, base)
	}
	outcomeChanges(b, f)
	outcomeReasons(b, f)
}

// outcomeTable has the NATs of a in rows, and in columns those of b or the parts of the flow.
func outcomeTable(b *strings.Builder, f *flows.Flow, base outcomeBase) {
	if f.Uses(cell.KeyB) {
		tableLine(b, `a \ b`, names(cell.Classic()))
		for _, x := range cell.Classic() {
			var marks []string
			for _, y := range cell.Classic() {
				marks = append(marks, verdictWord(varied(f, x, y, base.with)))
			}
			tableLine(b, short(x), marks)
		}
		return
	}
	var titles []string
	for _, c := range f.Columns {
		titles = append(titles, c.Title)
	}
	tableLine(b, "NAT of a", titles)
	for _, x := range cell.Classic() {
		c := varied(f, x, cell.NoNAT, base.with)
		o, err := scenarios.Predict(c, nil)
		var marks []string
		for _, col := range f.Columns {
			marks = append(marks, columnWord(c, o, err, col))
		}
		tableLine(b, short(x), marks)
	}
}

func columnWord(c cell.Cell, o cell.Outcome, err error, col flows.Column) string {
	switch {
	case err != nil:
		return "?"
	case col.Steps[0].Part == cell.RTP:
		return streamWord(c, o, o.Media)
	case col.Steps[0].Part == cell.RTCP:
		return streamWord(c, o, o.RTCP)
	}
	return worst(o, col.Steps)
}

// outcomeChanges are the values of axes that change a verdict, each alone, on the second base.
func outcomeChanges(b *strings.Builder, f *flows.Flow) {
	both := func(nat string, with map[string]string) cell.Cell {
		if f.Uses(cell.KeyB) {
			return varied(f, nat, nat, with)
		}
		return varied(f, nat, cell.NoNAT, with)
	}
	words := func(with map[string]string) []string {
		var all []string
		for _, nat := range cell.Classic() {
			all = append(all, verdictWord(both(nat, with)))
		}
		return all
	}
	asIs := words(today)
	head := false
	for _, x := range cell.Axes {
		if !f.Uses(x.Key) || x.Inner || x.Key == cell.KeyHosts {
			continue
		}
		for _, v := range x.Interests() {
			with := map[string]string{x.Key: v}
			for key, value := range today {
				if key != x.Key {
					with[key] = value
				}
			}
			changed := words(with)
			if slices.Equal(changed, asIs) {
				continue
			}
			if !head {
				where := "What changes that, each alone"
				if f.Uses(cell.KeyB) {
					where += ", with the same kind of NAT on both sides"
				}
				fmt.Fprintf(b, "\n%s:\n\n", where)
				tableLine(b, "", names(cell.Classic()))
				tableLine(b, "as it is", asIs)
				head = true
			}
			tableLine(b, x.Key+"="+v, changed)
		}
	}
}

// verdictWord is what becomes of a cell, in a word or two.
func verdictWord(c cell.Cell) string {
	o, err := scenarios.Predict(c, nil)
	switch {
	case err != nil:
		return "?"
	case o.Works():
		return "works"
	case c.HasMedia() && hasCall(c, o) && o.Media != cell.TwoWay:
		if o.Media == cell.NoWay {
			return "no media"
		}
		return directionWord(o.Media)
	}
	return "no " + o.Failures()[0].Step.Name
}

// failing is one kind of failure of a flow.
type failing struct {
	box      string
	rule     cell.Rule
	media    bool
	messages []string
	why      string
	example  cell.Cell
	help     string
}

// outcomeReasons are the kinds of failures that there are behind the classic NATs with one axis varied
// from either base.
func outcomeReasons(b *strings.Builder, f *flows.Flow) {
	var all []*failing
	for c := range outcomeCells(f) {
		o, err := scenarios.Predict(c, nil)
		if err != nil {
			continue
		}
		for _, s := range o.Losses() {
			i := slices.IndexFunc(all, func(x *failing) bool {
				return x.box == s.Cause.Box && x.rule == s.Cause.Rule && x.media == s.Step.IsStream()
			})
			if i < 0 {
				i = len(all)
				all = append(all, &failing{box: s.Cause.Box, rule: s.Cause.Rule, media: s.Step.IsStream(), why: s.Cause.Why, example: c, help: helps(c, s.Step)})
			}
			x := all[i]
			if !slices.Contains(x.messages, s.Cause.Message) {
				x.messages = append(x.messages, s.Cause.Message)
			}
			if x.help == "" {
				x.help = helps(c, s.Step)
			}
		}
	}
	if len(all) == 0 {
		return
	}
	b.WriteString("\nWhy it fails, where it does:\n\n")
	for _, x := range all {
		text := fmt.Sprintf("**%s, %s** (%s). %s", boxName(x.box), x.rule, strings.Join(x.messages, ", "), plainly(x))
		if x.help != "" {
			text += fmt.Sprintf(" What helps: %s.", x.help)
		}
		if x.why != "" {
			text += fmt.Sprintf(" In the words of the RFCs: %s.", strings.TrimSuffix(x.why, "."))
		}
		text += fmt.Sprintf(" For example `%s`.", x.example.ID())
		b.WriteString("- " + strings.Join(wrap(text, 118), "\n  ") + "\n")
	}
}

// outcomeCells are those that reasons are looked for in.
func outcomeCells(f *flows.Flow) func(yield func(cell.Cell) bool) {
	return func(yield func(cell.Cell) bool) {
		for _, base := range outcomeBases {
			for _, nats := range outcomePairs(f) {
				start := varied(f, nats[0], nats[1], base.with)
				if !yield(start) {
					return
				}
				for _, x := range cell.Axes {
					if !f.Uses(x.Key) || x.Inner || x.Key == cell.KeyHosts {
						continue
					}
					for _, v := range x.Interests() {
						if c, err := x.With(start, v); err == nil && c != start && c == c.Canonical() && !yield(c) {
							return
						}
					}
				}
			}
		}
	}
}

func outcomePairs(f *flows.Flow) [][2]string {
	var all [][2]string
	for _, nat := range cell.Classic() {
		all = append(all, [2]string{nat, cell.NoNAT})
		if f.Uses(cell.KeyB) && nat != cell.NoNAT {
			all = append(all, [2]string{cell.NoNAT, nat}, [2]string{nat, nat})
		}
	}
	return all
}

// remedies are what can be changed about phones and servers, with how that is said.
var remedies = []struct {
	say  string
	with map[string]string
}{
	{"rport (RFC 3581)", map[string]string{cell.KeyRport: "true"}},
	{"a registrar that routes to where the REGISTER came from", map[string]string{cell.KeyRegistrar: "received"}},
	{"rport (RFC 3581) and a registrar that routes to where the REGISTER came from", today},
	{"a keepalive by STUN every 25 s", map[string]string{cell.KeyKeepAlive: "stun"}},
	{"media that goes to where media comes from, at both ends (latching, RFC 7362)", map[string]string{cell.KeyLatch: "both"}},
	{"an address from a STUN server", map[string]string{cell.KeyPortManager: "stun"}},
	{"port forwards", map[string]string{cell.KeyPortManager: "static"}},
	{"the SIP ALG of the NAT switched off", map[string]string{cell.KeyALG: "off"}},
	{"rport, a registrar that routes to where the REGISTER came from, and latching at both ends",
		map[string]string{cell.KeyRegistrar: "received", cell.KeyRport: "true", cell.KeyLatch: "both"}},
}

// helps says with which remedy everything arrives, or the step at least, if theory knows one.
func helps(c cell.Cell, s cell.Step) string {
	f, partly := flows.Of(c), ""
	for _, r := range remedies {
		better, means := c, true
		for _, x := range cell.Axes {
			if v, ok := r.with[x.Key]; ok {
				means = means && f.Uses(x.Key)
				better, _ = x.With(better, v)
			}
		}
		if better = better.Canonical(); !means || better == c.Canonical() {
			continue
		}
		if o, err := scenarios.Predict(better, nil); err == nil {
			if o.Works() {
				return r.say
			}
			if x, ok := o.Step(s); ok && x.Fate == cell.Arrived && partly == "" {
				partly = r.say
			}
		}
	}
	return partly
}

// plainly is the reason for who has never read an RFC.
func plainly(x *failing) string {
	box, what := boxName(x.box), "What is sent"
	if len(x.messages) == 1 {
		what = "The " + x.messages[0]
		if x.messages[0] == "RTP" || x.messages[0] == "RTCP" {
			what = map[string]string{"RTP": "The audio", "RTCP": "The report on the audio"}[x.messages[0]]
		}
	}
	say, known := sentences[x.rule]
	if !known {
		return fmt.Sprintf("%s is dropped at %s.", what, box)
	}
	return fmt.Sprintf(say, what, box)
}

// sentences are sentences for rules: %[1]s is what is lost, %[2]s who drops it.
var sentences = map[cell.Rule]string{
	cell.RuleFiltered:   "%[1]s reaches the outside of %[2]s and is turned away there: it lets in only those that it has seen the phone send to, from the same port.",
	cell.RuleNoMapping:  "%[1]s goes to a port of %[2]s that belongs to nobody behind it.",
	cell.RuleExpired:    "%[1]s comes too late: nothing has passed %[2]s for so long that it has forgotten the phone.",
	cell.RuleFlushed:    "%[2]s was restarted and has forgotten the phone; %[1]s finds nobody.",
	cell.RuleHairpin:    "Both phones are behind %[2]s, and it does not send packets back to where they came from.",
	cell.RuleElsewhere:  "%[1]s reaches %[2]s, for which it is not meant, since both use the same port.",
	cell.RuleNoRoute:    "%[1]s goes to a private address, which does not exist on the internet, or to one that is no longer in use.",
	cell.RuleStrict:     "%[1]s arrives at %[2]s, which discards it because it comes from another address than was announced.",
	cell.RuleNoSocket:   "%[1]s arrives at %[2]s at a port that no program listens on.",
	cell.RuleForeignVia: "%[1]s arrives at %[2]s, which must discard it: something on the way has changed the address that its own request named.",
	cell.RuleMalformed:  "%[1]s arrives at %[2]s cut short or garbled, and cannot be understood.",
	cell.RuleRefused:    "%[2]s refuses the request instead of passing it on.",
	cell.RuleLinkLoss:   "%[1]s is lost on the line, and not sent again.",
}

// boxName is a box in words.
func boxName(box string) string {
	switch box {
	case cell.BoxNATA, cell.BoxNATB:
		return "the NAT in front of " + strings.TrimPrefix(box, "nat-")
	case cell.BoxNATElsewhere:
		return "the NAT of the network that a roams to"
	case cell.BoxCarrier:
		return "the NAT of the carrier"
	case cell.BoxNATProxy:
		return "the NAT in front of the proxy"
	case cell.BoxInternet, cell.BoxProxy, cell.BoxGateway:
		return "the " + box
	case cell.BoxBeside:
		return "another phone behind the same NAT"
	}
	if inside, ok := strings.CutPrefix(box, "inside "); ok {
		return "the network behind " + inside
	}
	return box
}

// varied is a cell with values that its axes have.
func varied(f *flows.Flow, a, b string, with map[string]string) cell.Cell {
	c := cell.Default(f, a, b)
	for _, x := range cell.Axes {
		if v, ok := with[x.Key]; ok {
			c, _ = x.With(c, v)
		}
	}
	return c.Canonical()
}

func names(nats []string) []string {
	var all []string
	for _, n := range nats {
		all = append(all, short(n))
	}
	return all
}

// tableLine is a line of a table. The first has a rule below it, which it knows by the text before.
func tableLine(b *strings.Builder, name string, cells []string) {
	first := strings.HasSuffix(b.String(), "\n\n")
	fmt.Fprintf(b, "| %s | %s |\n", strings.ReplaceAll(name, `\`, `\\`), strings.Join(cells, " | "))
	if first {
		b.WriteString("|" + strings.Repeat("---|", len(cells)+1) + "\n")
	}
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
