package cell_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

func TestValueError(t *testing.T) {
	many := []string{"v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "thirteen"}
	for _, x := range []struct {
		err  cell.ValueError
		want string
	}{
		{cell.ValueError{Axis: "flow", Value: "fax", Valid: []string{"register", "call"}}, `unknown flow "fax" (valid: register, call)`},
		{cell.ValueError{Axis: "flow", Value: "cal", Valid: []string{"register", "call"}}, `unknown flow "cal" (did you mean call? valid: register, call)`},
		{cell.ValueError{Axis: "NAT", Value: "thirten", Valid: many}, `unknown NAT "thirten" (did you mean thirteen?)`},
		{cell.ValueError{Axis: "NAT", Value: "cone", Valid: many}, `unknown NAT "cone"`},
		{cell.ValueError{Axis: "NAT", Value: "", Valid: many[:2]}, `unknown NAT "" (valid: v1, v2)`},
	} {
		if got := x.err.Error(); got != x.want {
			t.Errorf("got  %s\nwant %s", got, x.want)
		}
		if !errors.Is(&x.err, cell.ErrInvalid) {
			t.Errorf("%v is not ErrInvalid", &x.err)
		}
	}
}

// The table of axes is sound: every value can be set and read back, and is told from others.
func TestAxes(t *testing.T) {
	base := cell.Default(flows.Call, cell.NoNAT, cell.NoNAT)
	keys, names := map[string]bool{cell.KeyFlow: true}, map[string]bool{"flow": true, "id": true}
	for _, x := range cell.Axes {
		if keys[x.Key] || names[x.JSON] {
			t.Errorf("%s, in JSON %s: there are two of it", x.Key, x.JSON)
		}
		keys[x.Key], names[x.JSON] = true, true
		if cell.Lookup(x.Key) != x {
			t.Errorf("%s: Lookup finds another", x.Key)
		}
		if x.Name == "" || x.Help == "" || len(x.Values) < 2 {
			t.Errorf("%s says too little of itself: %+v", x.Key, x)
		}
		if !slices.Contains(x.Values, x.Default) || x.Alone != "" && !slices.Contains(x.Values, x.Alone) {
			t.Errorf("%s: default %q or alone %q is no value", x.Key, x.Default, x.Alone)
		}
		if x.Get(base) != x.Default {
			t.Errorf("%s: a cell by default has %q, want %q", x.Key, x.Get(base), x.Default)
		}
		for i, v := range x.Values {
			c, err := x.With(base, v)
			if err != nil || x.Get(c) != v {
				t.Errorf("%s=%s: read back %q, %v", x.Key, v, x.Get(c), err)
			}
			if slices.Contains(x.Values[:i], v) {
				t.Errorf("%s has %s twice", x.Key, v)
			}
			if (c == base) != (v == x.Default) {
				t.Errorf("%s=%s: the cell changed: %v", x.Key, v, c != base)
			}
			if err := c.Validate(); err != nil {
				t.Errorf("%s=%s: %v", x.Key, v, err)
			}
			if x.Caption != nil && strings.Contains(x.Caption(v), "\n") {
				t.Errorf("%s=%s has a caption of several lines", x.Key, v)
			}
			if !x.Inner && v != x.Default && (x.Caption == nil || x.Caption(v) == "") { // NATs of the ends are rows and columns
				t.Errorf("%s=%s: the title of a table says nothing of it", x.Key, v)
			}
		}
		var bad *cell.ValueError
		if c, err := x.With(base, "no such value"); !errors.As(err, &bad) || bad.Axis != x.Name || c != base {
			t.Errorf("%s takes anything: %v", x.Key, err)
		}
	}
	if cell.Lookup("colour") != nil || cell.Lookup(cell.KeyFlow) != nil {
		t.Error("Lookup finds what is no axis")
	}
}

// A time may be written in several ways, and is one value.
func TestTimesHaveOneName(t *testing.T) {
	idle := cell.Lookup(cell.KeyIdle)
	base := cell.Default(flows.IdleThenCalled, "symmetric", cell.NoNAT)
	for written, want := range map[string]cell.Duration{"90s": "1m30s", "1m30s": "1m30s", "1.5m": "1m30s", "60s": "1m", "0.5h": "30m", "24h": "24h", "1440m": "24h"} {
		c, err := idle.With(base, written)
		if err != nil || c.Idle != want {
			t.Errorf("%s: %q, %v", written, c.Idle, err)
		}
		read, err := scenarios.ParseID("idle-then-called/stun[a=symmetric,idle=" + written + "]")
		if err != nil || read != c {
			t.Errorf("%s: %v, %v", written, read, err)
		}
		planned, err := scenarios.Plan(cell.Choice{"flow": {"idle-then-called"}, "a": {"symmetric"}, "idle": {written, string(want)}})
		if err != nil || len(planned) != 1 || planned[0] != c {
			t.Errorf("%s: %v, %v", written, planned, err)
		}
	}
	for _, none := range []string{"90", "", "0s", "-1m", "1ms", "25h", "1.5s", "9999999999999h", "1m 30s", "soon"} {
		if _, err := idle.With(base, none); !errors.Is(err, cell.ErrInvalid) || !strings.Contains(err.Error(), "other times in whole seconds such as 90s, up to 24h") {
			t.Errorf("%q: %v", none, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for name, change := range map[string]func(*cell.Cell){
		"no flow":              func(c *cell.Cell) { c.Flow = nil },
		"an unknown NAT":       func(c *cell.Cell) { c.A = "conical" },
		"the zero of an axis":  func(c *cell.Cell) { c.Latch = "" },
		"a set for one side":   func(c *cell.Cell) { c.Silent = cell.BothSides },
		"an ALG that is not":   func(c *cell.Cell) { c.ALG = "magic" },
		"a manager that isn't": func(c *cell.Cell) { c.PortManager = "upnp" },
	} {
		c := cell.Default(flows.Call, cell.NoNAT, cell.NoNAT)
		change(&c)
		if err := c.Validate(); !errors.Is(err, cell.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A cell that nobody has filled in is invalid, and can be printed.
func TestNoFlow(t *testing.T) {
	for _, c := range []cell.Cell{{}, cell.Default(nil, "symmetric", cell.NoNAT)} {
		if err := c.Validate(); !errors.Is(err, cell.ErrInvalid) {
			t.Errorf("got %v", err)
		}
		if c.ID() != "(no flow)" || c.String() != "(no flow)" || c.Canonical() != c || c.HasMedia() || c.Host(cell.A) != "" {
			t.Errorf("%s, host %q, canonical %+v", c, c.Host(cell.A), c.Canonical())
		}
		if _, err := scenarios.ParseID(c.ID()); !errors.Is(err, cell.ErrInvalid) {
			t.Errorf("got %v", err)
		}
	}
}

// Whatever can be played has an identifier that can be read.
func TestFilesOfNATs(t *testing.T) {
	t.Chdir(t.TempDir())
	nat := cell.Lookup(cell.KeyA)
	for _, name := range []string{"./a.txt", "./a b.txt", "./a=b.txt", "./b/\u00fc.nat", "c.nat"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("like symmetric"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := nat.With(cell.Default(flows.Register, cell.NoNAT, cell.NoNAT), name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if back, err := scenarios.ParseID(c.ID()); err != nil || back != c {
			t.Errorf("%q: %+v, %v", c.ID(), back, err)
		}
	}
	for _, name := range []string{"./a,b.txt", "./a[b.txt", "./a]b.txt", "./a\nb.txt", "./a\x00b.txt", "./a\u202eb.txt", "./a\xffb.txt"} {
		if err := nat.Check(name); !errors.Is(err, cell.ErrInvalid) || !strings.Contains(err.Error(), "cannot stand in the identifier") {
			t.Errorf("%q: %v", name, err)
		}
		c := cell.Default(flows.Register, name, cell.NoNAT)
		if err := c.Validate(); !errors.Is(err, cell.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := scenarios.Plan(cell.Choice{"a": {name}}); !errors.Is(err, cell.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// To read an identifier opens nothing; to parse one does.
func TestReadIDOpensNoFile(t *testing.T) {
	const id = "register/stun[a=./no-such.txt]"
	c, err := scenarios.Space().ReadID(id)
	if err != nil || c.A != "./no-such.txt" || c.ID() != id {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := scenarios.ParseID(id); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := c.Validate(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	for _, id := range []string{"register/stun[a=conical]", "register/stun[a=./a]b.txt]"} {
		if _, err := scenarios.Space().ReadID(id); !errors.Is(err, cell.ErrInvalid) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// What would be accepted and ignored is refused, and so is what nobody knows.
func TestPlanRefuses(t *testing.T) {
	for _, x := range []struct {
		name   string
		choice cell.Choice
		want   string
	}{
		{"an unknown flow", cell.Choice{"flow": {"fax"}}, `unknown flow "fax"`},
		{"an unknown key", cell.Choice{"colour": {"red"}}, `unknown axis "colour"`},
		{"a key written wrong", cell.Choice{"latsh": {"a"}}, `unknown axis "latsh" (did you mean latch?`},
		{"of several the first", cell.Choice{"z": {"1"}, "y": {"1"}, "x": {"1"}, "w": {"1"}}, `unknown axis "w"`},
		{"an unknown value", cell.Choice{"latch": {"none", "c"}}, `unknown latch "c" (valid: none, a, b, both)`},
		{"an unknown NAT", cell.Choice{"a": {"rfc478"}}, `unknown NAT "rfc478" (did you mean rfc4787?`},
		{"a group where no NAT stands", cell.Choice{"latch": {"classic"}}, `unknown latch "classic"`},
		{"an axis that the flow does not use", cell.Choice{"flow": {"register"}, "silent": {"a"}}, "silent means nothing to flow register"},
		{"nor does any of the flows", cell.Choice{"flow": {"register", "pc-to-phone"}, "b": {"symmetric"}}, "b means nothing to flow register,pc-to-phone"},
		{"what nothing else asks for", cell.Choice{"flow": {"call"}, "latch-policy": {"once"}}, "latch-policy means nothing without latch"},
		{"nor any of the topologies", cell.Choice{"flow": {"call"}, "topology": {"plain", "cgn"}, "hairpin": {"off", "external"}}, "hairpin means nothing without a topology in which both ends share a NAT"},
		{"a second NAT where there is one", cell.Choice{"flow": {"call"}, "topology": {"one-nat"}, "b": {"symmetric"}}, "b means nothing without another topology"},
		{"how often of what is not sent", cell.Choice{"flow": {"message"}, "interval": {"8s"}}, "interval means nothing without keepalive or ping"},
		{"when of what does not happen", cell.Choice{"flow": {"call"}, "when": {"in-call"}}, "when means nothing without change"},
		{"a change of no NAT", cell.Choice{"flow": {"call"}, "a": {"none"}, "change": {"restart"}}, "change means nothing without a NAT in front of a"},
		{"be it its default", cell.Choice{"flow": {"register"}, "latch": {"none"}}, "latch means nothing to flow register"},
	} {
		cells, err := scenarios.Plan(x.choice)
		if !errors.Is(err, cell.ErrInvalid) || !strings.Contains(err.Error(), x.want) || cells != nil {
			t.Errorf("%s: %d cells, %v, want %s", x.name, len(cells), err, x.want)
		}
	}
}

func TestPlanExpands(t *testing.T) {
	for _, x := range []struct {
		name   string
		choice cell.Choice
		want   []string
	}{
		{"the NATs change fastest, and a slower than b", cell.Choice{"flow": {"call"}, "a": {"none", "symmetric"}, "b": {"none", "full-cone"}, "rport": {"true", "false"}}, []string{
			"call/stun[a=none,b=none,rport=true]", "call/stun[a=none,b=full-cone,rport=true]",
			"call/stun[a=symmetric,b=none,rport=true]", "call/stun[a=symmetric,b=full-cone,rport=true]",
			"call/stun[a=none,b=none]", "call/stun[a=none,b=full-cone]", "call/stun[a=symmetric,b=none]", "call/stun[a=symmetric,b=full-cone]",
		}},
		{"an axis that one of the flows uses", cell.Choice{"flow": {"register", "call"}, "a": {"none"}, "b": {"none"}, "silent": {"none", "a"}}, []string{
			"register/stun[a=none]", "call/stun[a=none,b=none]", "call/stun[a=none,b=none,silent=a]",
		}},
		{"what is said twice is played once", cell.Choice{"flow": {"register"}, "a": {"none", "none"}}, []string{"register/stun[a=none]"}},
		{"a group beside its members", cell.Choice{"flow": {"register"}, "a": {"symmetric", "classic"}}, []string{
			"register/stun[a=symmetric]", "register/stun[a=none]", "register/stun[a=full-cone]", "register/stun[a=address-restricted]", "register/stun[a=port-restricted]",
		}},
		{"nothing of an axis is nothing at all", cell.Choice{"flow": {"call"}, "latch": {}}, nil},
		{"no flow is nothing at all", cell.Choice{"flow": {}}, nil},
	} {
		cells, err := scenarios.Plan(x.choice)
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
		var got []string
		for _, c := range cells {
			got = append(got, c.ID())
		}
		if !slices.Equal(got, x.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", x.name, strings.Join(got, "\n     "), strings.Join(x.want, "\n     "))
		}
	}
}
