package catalogue_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
)

// What is printed is read as the same, of every NAT there is, with comments or without.
func TestRoundTrip(t *testing.T) {
	for _, name := range catalogue.Names() {
		e, err := catalogue.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{catalogue.Format(e), catalogue.Describe(e)} {
			again, err := catalogue.Parse("again", text)
			if err != nil || !reflect.DeepEqual(e, again) {
				t.Errorf("%s: %v: %+v, want %+v\n%s", name, err, again, e, text)
			}
		}
	}
}

// Every setting of every kind can be said, printed and taken back, and says what it is.
func TestEverySettingCanBeSaid(t *testing.T) {
	values := map[string]string{
		"mapping": "apdm", "filtering": "apdf", "filter-scope": "endpoint", "ports": "random", "step": "-3", "port-range": "2000-3000",
		"blocks": "100.64.0.0/26 2016", "refresh": "both", "hairpin": "internal-source", "unsolicited": "reject", "tcp": "adm adf",
		"tcp-syn": "hold", "limit-host": "7", "limit-total": "9", "when-full": "evict-oldest", "under-load": "1000 apdm random",
		"nat64-prefix": "2001:db8::/32", "prefixes": "10.0.0.0/24=198.51.100.0/24 10.0.1.0/24=192.0.2.0/24",
	}
	pooling := map[string]string{"conntrack": "per-destination", "translator": "arbitrary", "nat64": "arbitrary"}
	for _, kind := range []string{"translator", "nat64", "conntrack", "firewall", "router", "prefix-translator"} {
		base, err := catalogue.Parse("base", "kind "+kind+prefixesFor(kind))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range base.Model.Settings() {
			value := values[s.Name]
			if s.Name == "pooling" {
				value = pooling[kind]
			}
			for _, simple := range []string{"yes", "1m30s", "7"} {
				if _, err := base.Model.With(s.Name, simple); value == "" && err == nil {
					value = simple
				}
			}
			m, err := base.Model.With(s.Name, strings.Fields(value)...)
			if err != nil || s.Doc == "" || s.Default == "" || strings.ContainsAny(s.Doc+s.Default, "\t\n") {
				t.Errorf("%s: %s %s: %v: %q %q", kind, s.Name, value, err, s.Doc, s.Default)
				continue
			}
			if reflect.DeepEqual(m, base.Model) {
				t.Errorf("%s: %s %s changes nothing", kind, s.Name, value)
			}
			if !strings.Contains(catalogue.FormatModel(m), "\n"+s.Name+" ") {
				t.Errorf("%s: %s is not printed", kind, s.Name)
			}
			if back, err := m.With(s.Name, "default"); err != nil || kind != "prefix-translator" && kind != "nat64" && !reflect.DeepEqual(back, base.Model) {
				t.Errorf("%s: %s default: %v: %+v", kind, s.Name, err, back)
			}
		}
	}
}

func prefixesFor(kind string) string {
	if kind == "prefix-translator" {
		return "\nprefixes fd01::/48=2001:db8::/48"
	}
	return ""
}

// Nothing is accepted and ignored, and an error says where.
func TestSyntaxErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", `my.nat: it says no kind: a line such as kind translator, or like full-cone`},
		{"# nothing\n\n", `my.nat: it says no kind: a line such as kind translator, or like full-cone`},
		{"mapping eim", `my.nat:1:1: mapping: say the kind first, such as kind translator`},
		{"kind translater", `my.nat:1:6: unknown kind "translater" (did you mean translator? valid: translator, router, conntrack, firewall, prefix-translator, nat64)`},
		{"kind translator\nmaping eim", `my.nat:2:1: unknown setting of a translator "maping" (did you mean mapping?)`},
		{"kind translator\nmapping  eif", `my.nat:2:10: unknown mapping "eif" (did you mean eim? valid: eim, adm, apdm, endpoint-independent, address-dependent, address-and-port-dependent)`},
		{"kind translator\nmapping", `my.nat:2:1: mapping: without a value`},
		{"kind translator\nmapping eim adm", `my.nat:2:9: mapping: 2 words where there should be 1: eim adm`},
		{"kind translator\nidle soon", `my.nat:2:6: idle: "soon" is no time such as 30s, 5m or 2h4m`},
		{"kind translator\nidle 0s", `my.nat:2:6: idle: a time is longer than none; the word default takes it back`},
		{"kind translator\nidle -5s", `my.nat:2:6: idle: -5s is negative`},
		{"kind translator\nparity on", `my.nat:2:8: parity: "on" is neither yes nor no`},
		{"kind translator\nidle 5m\nidle 6m", `my.nat:3:1: idle: said in line 2 already`},
		{"kind translator\nkind router", `my.nat:2:1: kind: said in line 1 already`},
		{"kind translator\nlike full-cone", `my.nat:2:1: like: kind and like do not go together`},
		{"like ful-cone", `my.nat:1:6: unknown NAT "ful-cone" (did you mean full-cone?)`},
		{"like ./other.txt", `my.nat:1:6: unknown NAT "./other.txt"`},
		{"kind translator\nsip-helper yes", `my.nat:2:1: a translator has no setting sip-helper; a conntrack has`},
		{"kind conntrack\nports sequential", `my.nat:2:7: unknown port choice of a conntrack "sequential" (valid: preserve-else-random, random)`},
		{"kind translator\nstep 2", `my.nat:2:6: step: 2 has no meaning for port choice preserve-else-random, only for sequential`},
		{"kind translator\nports sequential", `my.nat: step: sequential port choice needs a step other than 0`},
		{"kind translator\nblocks 10.0.0.0/24 many", `my.nat:2:20: blocks: "many" is no whole number`},
		{"kind translator\ntcp eim eim", `my.nat:2:9: unknown filtering "eim" (did you mean eif? valid: eif, adf, apdf, endpoint-independent, address-dependent, address-and-port-dependent)`},
		{"kind prefix-translator\nprefixes 10.0.0.0/24=198.51.100.0/24 10.0.1.0/24", `my.nat:2:38: prefixes: "10.0.1.0/24" is not two prefixes such as 10.0.0.0/24=198.51.100.0/24`},
		{"kind translator\nfact high mapping", `my.nat:2:1: fact: say how sure it is and what it is about: fact high: mapping, filtering`},
		{"kind translator\nfact hihg: mapping", `my.nat:2:6: unknown confidence "hihg" (did you mean high? valid: guess, low, medium, high, measured)`},
		{"kind translator\nfact high: mapping,  filterin", `my.nat:2:22: unknown aspect "filterin" (did you mean filtering? valid: mapping, filtering, ports, hairpin, udp timers, tcp timers, limits)`},
		{"kind translator\nsource a book", `my.nat:2:1: source: there is no fact before it`},
		{"kind translator\nfact high: ports\nsource a\nsource b", `my.nat:4:1: source: the fact has one already`},
		{"name a b\nkind router", `my.nat:1:8: name: one word, please`},
		{"title\nkind router", `my.nat:1:1: title: nothing follows`},
		{"title a\x1b[2J\nkind router", `my.nat:1:8: a character that is none of a text: '\x1b'`},
		{"title ü\xff\nkind router", `my.nat:1:8: a character that is none of a text: '�'`},
	} {
		e, err := catalogue.Parse("my.nat", c.text)
		if err == nil || err.Error() != "catalogue: "+c.want || !errors.Is(err, catalogue.ErrSyntax) || e.Model != nil {
			t.Errorf("%q:\n got %v\nwant catalogue: %s", c.text, err, c.want)
		}
	}
}

// All that is wrong is said, in the order of the text.
func TestAllErrorsAreSaid(t *testing.T) {
	_, err := catalogue.Parse("my.nat", "kind translator\nmaping eim\nidle soon\nhairpin on\n")
	if err == nil || strings.Count(err.Error(), "\n") != 2 || !strings.HasPrefix(err.Error(), "catalogue: my.nat:2:1: ") {
		t.Errorf("got %v", err)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my-nat.txt")
	text := "# mine\r\nlike port-restricted  # as it was\r\nidle 30s   # shorter\r\n\ttitle   a box at home\r\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := catalogue.Find(path)
	if err != nil || e.Name != "my-nat" || e.Title != "a box at home" || e.Model.Behavior().Idle.Seconds() != 30 || e.Model.Behavior().Code() != "eim-apdf" {
		t.Errorf("%+v, %v", e, err)
	}
	if m, err := catalogue.Lookup(path); err != nil || m.Behavior().Idle.Seconds() != 30 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := catalogue.Lookup("./no-such.txt"); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "catalogue: load: ") {
		t.Errorf("got %v", err)
	}
}

func TestVary(t *testing.T) {
	m, err := catalogue.Lookup("symmetric")
	if err != nil {
		t.Fatal(err)
	}
	varied, err := catalogue.Vary(m, "filter-scope endpoint\nidle 1m")
	if err != nil || varied.Behavior().FilterScope != natmodels.PerEndpoint || m.Behavior().FilterScope != natmodels.PerMapping {
		t.Errorf("%+v, %v", varied, err)
	}
	for settings, want := range map[string]string{
		"filter-scop endpoint": `catalogue: settings:1:1: unknown setting of a translator "filter-scop" (did you mean filter-scope?)`,
		"kind router":          `catalogue: settings:1:1: unknown setting of a translator "kind"`,
		"step 2":               `catalogue: settings:1:6: step: 2 has no meaning for port choice random, only for sequential`,
	} {
		if v, err := catalogue.Vary(m, settings); v != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, %v", settings, v, err)
		}
	}
}

// FuzzParse: whatever is written, it is read as what is printed of it, or refused in a
// place that there is.
func FuzzParse(f *testing.F) {
	for _, name := range catalogue.Names() {
		e, err := catalogue.Find(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(catalogue.Format(e))
	}
	f.Add("kind nat64\nnat64-prefix 64:ff9b::/96\nparity yes\nidle default")
	f.Add("kind prefix-translator\nprefixes 10.0.0.0/24=198.51.100.0/24 10.0.1.0/24=192.0.2.0/24")
	f.Add("kind translator\nblocks 100.64.0.0/26 2016\nunder-load 1000 apdm random\ntcp adm adf # so\n")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := catalogue.Parse("text", text)
		if err != nil {
			checkSyntaxErrors(t, text, err)
			return
		}
		if err := e.Model.Validate(); err != nil {
			t.Fatalf("read, and not valid: %v", err)
		}
		for _, printed := range []string{catalogue.Format(e), catalogue.Describe(e)} {
			again, err := catalogue.Parse("text", printed)
			if err != nil || !reflect.DeepEqual(e, again) {
				t.Fatalf("%v: %+v, want %+v\n%s", err, again, e, printed)
			}
		}
		n, err := e.Model.New(natmodels.Place{})
		if (n == nil) == (err == nil) {
			t.Fatalf("%v and %v", n, err)
		}
	})
}

func checkSyntaxErrors(t *testing.T, text string, err error) {
	lines := strings.Split(text, "\n")
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%v", err)
	}
	for _, e := range joined.Unwrap() {
		var s *catalogue.SyntaxError
		if !errors.As(e, &s) || s.Err == nil {
			t.Fatalf("%v is no SyntaxError", e)
		}
		if s.Line == 0 {
			continue
		}
		if s.Line > len(lines) || s.Column < 1 || s.Column > len([]rune(lines[s.Line-1]))+1 {
			t.Fatalf("%v: there is no such place in %q", s, text)
		}
	}
}
