package report

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/vnet"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files of this package anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-golden +got, -rewrite accepts):\n%s", file, diff)
	}
}

// played makes results in which everything happens as predicted, with packets
// and explanations like those of a run.
func played(t *testing.T, cells []cell.Cell) []scenarios.Result {
	t.Helper()
	var all []scenarios.Result
	for _, c := range cells {
		p, err := scenarios.Predict(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		var steps []cell.StepOutcome
		for _, s := range p.Steps {
			if s.Fate == cell.Lost {
				s.Cause = seen(s.Cause)
			}
			steps = append(steps, s)
		}
		all = append(all, scenarios.Judge(c, 1, p, cell.Conclude(steps)))
	}
	return all
}

func seen(c cell.Cause) cell.Cause {
	c.Src, c.Dst = ap("203.0.113.10:5060"), ap("198.51.100.1:41234")
	c.Why = "mapping 10.0.0.2:5060 <-> 198.51.100.1:41234 for 203.0.113.20:3478 admits only 203.0.113.20:3478 (address-and-port-dependent filtering, RFC 4787 section 5)"
	if c.Message == "RTP" || c.Message == "RTCP" {
		c.Src, c.Dst = ap("198.51.100.1:61002"), ap("192.0.2.1:40000")
		c.Why = "mapping 192.168.1.2:40000 <-> 192.0.2.1:40000 admits only 198.51.100.1:33001, 203.0.113.20:3478 (address-and-port-dependent filtering, RFC 4787 section 5)"
	}
	if c.Rule == cell.RuleNoRoute {
		c.Dst = ap("10.0.0.2:5060")
		c.Why = "10.0.0.2 is a private address (RFC 1918): nobody in internet owns it"
	}
	return c
}

// section is a part of a report, for tests that have all results at once.
type section struct {
	title, note string
	results     []scenarios.Result
}

func write(r Report, sections []section) error {
	for _, s := range sections {
		r.Section(s.title, s.note)
		for _, result := range s.results {
			r.Add(result)
		}
	}
	return r.Close()
}

func defaultSections(t *testing.T) []section {
	return []section{
		{title: "1. The claim", note: "Registration and an incoming call with STUN, as RFC 3261 has it.", results: played(t, scenarios.Claim())},
		{title: "2. The remedy", results: played(t, scenarios.Remedied())},
		{title: "3. Media", results: played(t, scenarios.Media())},
	}
}

// oddSections have every kind of disagreement a table can show.
func oddSections(t *testing.T) []section {
	t.Helper()
	cells, err := scenarios.Plan(cell.Choice{
		"flow": {"register", "call", "pc-to-phone"}, "a": {"none", "port-restricted", "symmetric"}, "b": {"none", "symmetric"},
		"registrar": {"received"}, "rport": {"true"},
	})
	if err != nil {
		t.Fatal(err)
	}
	results := played(t, cells)
	change := func(id string, step cell.Step, to cell.StepOutcome) {
		t.Helper()
		for i, r := range results {
			if r.Cell.ID() != id {
				continue
			}
			var steps []cell.StepOutcome
			for _, s := range r.Observed.Steps {
				if s.Step == step {
					to.Step = step
					s = to
				}
				steps = append(steps, s)
			}
			results[i] = scenarios.Judge(r.Cell, r.Seed, r.Predicted, cell.Conclude(steps))
			return
		}
		t.Fatalf("no cell %s", id)
	}
	const options = ",registrar=received,rport=true]"
	lost := cell.StepOutcome{Fate: cell.Lost, Cause: cell.Cause{
		Box: "nat-a", Rule: "expired", Message: "RTP", Src: ap("192.0.2.1:40000"), Dst: ap("198.51.100.1:40000"),
		Why: "mapping 10.0.0.2:40000 <-> 198.51.100.1:40000 expired 4s ago"}}
	change("call/stun[a=port-restricted,b=none"+options, flows.RTPBToA, lost)
	change("call/stun[a=none,b=symmetric"+options, flows.RTPAToB, lost)
	change("call/stun[a=symmetric,b=symmetric"+options, flows.RTPAToB, cell.StepOutcome{Fate: cell.Arrived})
	change("register/stun[a=symmetric"+options, flows.RegisterResponse(cell.A), lost)
	change("pc-to-phone/stun[a=none"+options, flows.RTCPBToA, cell.StepOutcome{Fate: cell.NotSent})
	last := &results[len(results)-1]
	*last = scenarios.Result{Cell: last.Cell, Seed: last.Seed, Predicted: last.Predicted, Err: errors.New("scenarios: lab: cannot be built")}
	// A cell that was not played, as after an interrupt.
	return []section{{results: append(results[:5:5], results[6:]...)}}
}

func TestTextDefault(t *testing.T) {
	var b bytes.Buffer
	if err := write(Text(&b, Options{}), defaultSections(t)); err != nil {
		t.Fatal(err)
	}
	golden(t, "text_default.golden", b.String())
	narrow(t, b.String(), 120)
}

func TestTextOdd(t *testing.T) {
	var b bytes.Buffer
	if err := write(Text(&b, Options{}), oddSections(t)); err != nil {
		t.Fatal(err)
	}
	golden(t, "text_odd.golden", b.String())
}

func TestTextManyNATs(t *testing.T) {
	cells, err := scenarios.Plan(cell.Choice{
		"flow": {"call"}, "a": cell.RFC4787(), "b": cell.RFC4787(),
		"registrar": {"received"}, "rport": {"true"}, "silent": {"b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := write(Text(&b, Options{}), []section{{results: played(t, cells)}}); err != nil {
		t.Fatal(err)
	}
	golden(t, "text_rfc4787.golden", b.String())
	narrow(t, b.String(), 120)
}

func TestMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := write(Markdown(&b, Options{}), append(defaultSections(t)[:2], oddSections(t)...)); err != nil {
		t.Fatal(err)
	}
	golden(t, "matrix.md", b.String())
}

// The document of the same results.
func TestDocument(t *testing.T) {
	var b bytes.Buffer
	doc := scenarios.NewDocumentWriter(&b, 1)
	for _, s := range append(defaultSections(t)[:1], oddSections(t)...) {
		for _, r := range s.results {
			doc.Add(r)
		}
	}
	if err := doc.Close(); err != nil {
		t.Fatal(err)
	}
	golden(t, "results.json", withoutDefaults(b.String()))
}

// withoutDefaults takes the axes out of JSON where they have their defaults, so that one more
// axis changes nothing.
func withoutDefaults(text string) string {
	var lines []string
	for _, x := range cell.Axes {
		value := strconv.Quote(x.Default)
		if x.Bool {
			value = x.Default
		}
		lines = append(lines, fmt.Sprintf("      %q: %s,\n", x.JSON, value), "")
	}
	return strings.NewReplacer(lines...).Replace(text)
}

var ansi = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Colour adds nothing that the text does not say, and no report without it has
// any.
func TestColorIsNeverTheOnlyCarrier(t *testing.T) {
	register := ladderResult(t, "register/stun[a=symmetric]", registerTape)
	for name, show := range map[string]func(*bytes.Buffer, Options) error{
		"text":   func(b *bytes.Buffer, o Options) error { return write(Text(b, o), oddSections(t)) },
		"ladder": func(b *bytes.Buffer, o Options) error { return Ladder(b, register, o) },
	} {
		var without, with bytes.Buffer
		if err := errors.Join(show(&without, Options{}), show(&with, Options{Color: true})); err != nil {
			t.Fatal(err)
		}
		if ansi.MatchString(without.String()) {
			t.Errorf("%s: colour codes though none were asked for", name)
		}
		if !ansi.MatchString(with.String()) {
			t.Errorf("%s: no colour codes", name)
		}
		if diff := cmp.Diff(without.String(), ansi.ReplaceAllString(with.String(), "")); diff != "" {
			t.Errorf("%s: the text differs with colours (-without +with):\n%s", name, diff)
		}
	}
}

// narrow fails for lines wider than the width.
func narrow(t *testing.T, text string, width int) {
	t.Helper()
	for i, line := range strings.Split(text, "\n") {
		if n := utf8.RuneCountInString(line); n > width {
			t.Errorf("line %d has %d columns, want at most %d:\n%s", i+1, n, width, line)
		}
		if strings.HasSuffix(line, " ") {
			t.Errorf("line %d ends with a blank: %q", i+1, line)
		}
	}
}

func ladderResult(t *testing.T, id string, tape func(*testing.T) []vnet.Event) scenarios.Result {
	t.Helper()
	c, err := scenarios.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	r := played(t, []cell.Cell{c})[0]
	r.Events, r.Boxes = tape(t), boxesOf(c.Flow)
	return r
}

func TestLadder(t *testing.T) {
	for _, x := range []struct {
		golden, id string
		tape       func(*testing.T) []vnet.Event
	}{
		{"ladder_register.golden", "register/stun[a=symmetric]", registerTape},
		{"ladder_call.golden", "call/stun[a=symmetric,b=port-restricted,registrar=received,rport=true]", callTape},
		{"ladder_odd.golden", "call/local[a=port-restricted,b=none]", oddTape},
	} {
		t.Run(x.golden, func(t *testing.T) {
			r := ladderResult(t, x.id, x.tape)
			for _, width := range []int{0, 100, 140} {
				var b bytes.Buffer
				if err := Ladder(&b, r, Options{Width: width}); err != nil {
					t.Fatal(err)
				}
				if width == 0 {
					golden(t, x.golden, b.String())
				}
				narrow(t, b.String(), Options{Width: width}.width())
			}
		})
	}
}

// A ladder of nothing, of a failed run and of a surprise still ends with what
// is known.
func TestLadderWithoutEvents(t *testing.T) {
	r := ladderResult(t, "register/stun[a=symmetric]", func(*testing.T) []vnet.Event { return nil })
	var b bytes.Buffer
	if err := Ladder(&b, r, Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "observed   register failed, signalling failed") {
		t.Errorf("no conclusion:\n%s", b.String())
	}
	b.Reset()
	r.Err = errors.New("scenarios: lab: cannot be built")
	if err := Ladder(&b, r, Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "ERROR  scenarios: lab: cannot be built") {
		t.Errorf("no error:\n%s", b.String())
	}
	b.Reset()
	odd := oddSections(t)[0].results
	if err := Ladder(&b, odd[2], Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "NOT as predicted") {
		t.Errorf("no surprise:\n%s", b.String())
	}
}

// oddTape has what ordinary calls do not: no route, no socket, a link that
// loses, a change during the run, a hairpinned packet, a copy, bytes of no known
// protocol.
func oddTape(t *testing.T) []vnet.Event {
	x := &tape{t: t}
	a, pub := phoneA, ap(outsideA+":5060")
	m := mapped(1, a.String(), pub.String(), "")
	private := ap("192.168.1.2:5060")
	ms := time.Millisecond
	x.play(20*ms, sip("OPTIONS sip:b@192.168.1.2 SIP/2.0", "OPTIONS", "Via: SIP/2.0/UDP 10.0.0.2:5060;rport", "Contact: <sip:a@10.0.0.2>"),
		sent("a", a, private), through("nat-a", pub, private, m), dropped("internet", vnet.NoRoute, "192.168.1.2 is a private address (RFC 1918): nobody in internet owns it"))
	x.play(20*ms, []byte("\r\n\r\n"), sent("a", a, proxy), through("nat-a", pub, proxy, m), delivered("proxy"))
	x.play(20*ms, []byte{0, 0, 0, 0}, sent("proxy", proxy, pub), through("nat-a", proxy, a, m), delivered("a"))
	x.events = append(x.events, vnet.Event{Seq: 100, At: x.at, Kind: vnet.Changed, Box: "nat-a", Detail: "all mappings flushed"})
	x.play(20*ms, []byte("what is this"), sent("proxy", proxy, pub), dropped("nat-a", "flushed", "mapping was removed"))
	x.play(20*ms, []byte{200, 1, 2}, sent("proxy", proxy, ap(outsideB+":9")), through("nat-b", proxy, ap("192.168.1.2:9"), mapped(1, "192.168.1.2:9", outsideB+":9", "")), dropped("b", vnet.NoSocket, "nobody listens on 192.168.1.2:9"))
	x.play(20*ms, x.rtp(1), sent("b", ap("192.168.1.2:9"), ap(outsideB+":7")), through("nat-b", ap(outsideB+":9"), ap("192.168.1.2:7"), mapped(1, "192.168.1.2:9", outsideB+":9", "")), delivered("b"))
	x.play(20*ms, x.bindingRequest(), sent("a", a, stunSrv), dropped("site-a", vnet.LinkLoss, "lost by the link"))
	x.play(20*ms, x.bindingRequest(), sent("a", a, stunSrv), through("nat-a", pub, stunSrv, natmodels.MappingInfo{ID: 9, Static: true}), delivered("stun"))
	x.play(0, x.bindingSuccess(pub), sent("stun", stunSrv, pub), through("nat-a", stunSrv, a, m), delivered("a"))
	for i := range x.events {
		if e := &x.events[i]; e.Packet == x.packet {
			e.Parent = 1
		}
	}
	return x.events
}

func TestDescribe(t *testing.T) {
	x := &tape{t: t}
	for _, c := range []struct {
		payload     []byte
		label, note string
	}{
		{nil, "empty datagram", ""},
		{x.bindingRequest(), "STUN request", ""},
		{x.bindingSuccess(netip.MustParseAddrPort("192.0.2.1:7")), "STUN success", "you are 192.0.2.1:7"},
		{x.rtp(1), "RTP", ""},
		{[]byte{0, 0, 0, 0}, "keepalive", ""},
		{[]byte("\r\n\r\n"), "keepalive", ""},
		{[]byte{1, 2, 3}, "3 bytes", ""},
		{[]byte("NONSENSE"), "8 bytes", ""},
		{[]byte("INVITE sip:b@192.0.2.1 SIP/2.0\nm: \"B\" <sip:b@h:1;transport=udp>;q=1\nv: SIP/2.0/UDP h:5\nCSeq: 1 INVITE\n\n"), "INVITE", "Via h:5, to 192.0.2.1, Contact h:1"},
		{sip("SIP/2.0 480 Temporarily Unavailable", "INVITE", "Contact: <sip:b@h>"), "480 Temporarily Unavailable (INVITE)", ""},
		{[]byte("SIP/2.0 200 OK\r\n\r\n"), "200 OK ()", ""},
		{[]byte("BYE sip:x SIP/2.0\r\nVia:\r\n\r\n"), "BYE", "to x"},
	} {
		if m := describe(c.payload); m.label != c.label || m.note != c.note {
			t.Errorf("describe(%q) = %q, %q; want %q, %q", c.payload, m.label, m.note, c.label, c.note)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add([]byte("INVITE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP h;rport\r\nContact: <sip:b@h\r\n\r\nc=IN IP4\r\nm=audio\r\n"))
	f.Add([]byte{0x80, 200, 0, 1, 0, 0, 0, 0})
	f.Add([]byte{1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := bytes.Clone(payload)
		if m := describe(payload); m.label == "" || m.short == "" {
			t.Errorf("describe(%q) says nothing", payload)
		}
		if !bytes.Equal(before, payload) {
			t.Errorf("describe changed a payload that is shared")
		}
	})
}
