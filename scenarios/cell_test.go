package scenarios

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
)

func TestID(t *testing.T) {
	call := DefaultCell(FlowCall, "eim-apdf", "apdm-apdf")
	remedied := call
	remedied.Registrar, remedied.Rport, remedied.Latch = RegistrarReceived, true, BothSides
	all := remedied
	all.PortManager, all.Strict, all.Silent, all.FilterScope, all.ALG = ManagerLocal, SideA, SideB, ScopeEndpoint, "linux"
	phone := DefaultCell(FlowPCToPhone, "symmetric", "full-cone")
	phone.Latch = SideB
	register := all
	register.Flow = FlowRegister
	for _, x := range []struct {
		cell Cell
		id   string
	}{
		{call, "call/stun[a=eim-apdf,b=apdm-apdf]"},
		{remedied, "call/stun[a=eim-apdf,b=apdm-apdf,registrar=received,rport=true,latch=both]"},
		{all, "call/local[a=eim-apdf,b=apdm-apdf,registrar=received,rport=true,latch=both,strict=a,silent=b,filter-scope=endpoint,alg=linux]"},
		{phone, "pc-to-phone/stun[a=symmetric,latch=b]"},
		{register, "register/local[a=eim-apdf,registrar=received,rport=true,filter-scope=endpoint,alg=linux]"},
	} {
		if got := x.cell.ID(); got != x.id {
			t.Errorf("ID is %s, want %s", got, x.id)
		}
		back, err := ParseID(x.id)
		if err != nil || back != x.cell.Canonical() {
			t.Errorf("ParseID(%s) = %+v, %v; want %+v", x.id, back, err, x.cell.Canonical())
		}
	}
}

func TestParseIDRoundTripsThePlan(t *testing.T) {
	cells := mustPlan(Axes{
		A: catalogue.PresetNames(), B: Classic(), PortManagers: PortManagers(), Registrars: Registrars(),
		Rports: []bool{false, true}, Latches: SideSets(), Stricts: SideSets(), Silents: SilentSets(), FilterScopes: FilterScopes(),
		ALGs: []ALG{ALGOff, "full"},
	})
	seen := map[string]bool{}
	for _, c := range cells {
		id := c.ID()
		if seen[id] {
			t.Fatalf("%s names two cells", id)
		}
		seen[id] = true
		if back, err := ParseID(id); err != nil || back != c {
			t.Fatalf("ParseID(%s) = %+v, %v", id, back, err)
		}
	}
}

func TestParseIDAcceptsDefaultsInAnyOrder(t *testing.T) {
	c, err := ParseID("call/stun[rport=false,b=none,latch=none,a=symmetric]")
	if err != nil || c != DefaultCell(FlowCall, "symmetric", NoNAT) {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestParseIDRefuses(t *testing.T) {
	for id, hint := range map[string]string{
		"":                                     "flow/port-manager",
		"call":                                 "flow/port-manager",
		"call[a=none,b=none]":                  "flow/port-manager",
		"call/stun[a=none,b=none":              "flow/port-manager",
		"fax/stun[a=none]":                     "register, call, pc-to-phone",
		"call/upnp[a=none,b=none]":             "local, static, stun",
		"call/stun[a=none]":                    "must be named",
		"call/stun[]":                          "key=value",
		"call/stun[a=none,a=none,b=none]":      "of its own",
		"call/stun[a=none,b=conical]":          `unknown NAT "conical"`,
		"call/stun[a=none,b=none,rport=soon]":  "true, false",
		"call/stun[a=none,b=none,silent=both]": "none, a, b",
		"call/stun[a=none,b=none,colour=red]":  "filter-scope",
		"register/stun[a=none,latch=a]":        "no such option",
		"pc-to-phone/stun[a=none,b=symmetric]": "no such option",
	} {
		_, err := ParseID(id)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), hint) {
			t.Errorf("ParseID(%q): %v, want a hint at %q", id, err, hint)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("call/stun[a=eim-apdf,b=apdm-apdf,registrar=received,rport=true,latch=both]")
	f.Add("register/local[a=none]")
	f.Add("/[,=]")
	f.Fuzz(func(t *testing.T, id string) {
		c, err := ParseID(id)
		if err != nil {
			return
		}
		if back, err := ParseID(c.ID()); err != nil || back != c {
			t.Errorf("%q is %+v, but its ID %q is %+v, %v", id, c, c.ID(), back, err)
		}
	})
}

func TestPlan(t *testing.T) {
	if n := len(Claim()) + len(Remedied()) + len(Media()); n != 5+5+50 {
		t.Errorf("the default report has %d cells, want 60", n)
	}
	cells, err := Plan(Axes{A: Classic(), B: RFC4787(), Latches: SideSets()})
	if err != nil {
		t.Fatal(err)
	}
	count := map[Flow]int{}
	for _, c := range cells {
		count[c.Flow]++
	}
	// Axes that a flow does not use make no further cells.
	if count[FlowRegister] != 5 || count[FlowPCToPhone] != 5*4 || count[FlowCall] != 5*10*4 {
		t.Errorf("cells by flow: %v", count)
	}
	var bad *ValueError
	if _, err := Plan(Axes{B: []string{"none", "cone"}}); !errors.As(err, &bad) || bad.Value != "cone" || len(bad.Valid) < 14 {
		t.Errorf("unknown preset: %v", err)
	}
}

// The oracle may read behaviours, never ask the engine.
func TestOracleNeverCallsTheEngine(t *testing.T) {
	files, err := filepath.Glob("oracle*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && slices.Contains([]string{"catalogue", "translate", "conntrack"}, x.Name) {
					t.Errorf("%s uses %s.%s", name, x.Name, s.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestPredictRefusesWhatTheoryDoesNotCover(t *testing.T) {
	c := DefaultCell(FlowRegister, "symmetric", NoNAT)
	none, err := c.Behavior(B)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*natmodels.Behavior){
		"short idle":      func(n *natmodels.Behavior) { n.Idle = flowIdle / 2 },
		"inbound refresh": func(n *natmodels.Behavior) { n.Refresh = natmodels.RefreshInbound },
		"must preserve":   func(n *natmodels.Behavior) { n.PortChoice = natmodels.Preserve },
		"several places":  func(n *natmodels.Behavior) { n.Pooling = natmodels.Arbitrary },
	} {
		cfg, err := c.Behavior(A)
		if err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if _, err := PredictNATs(c, cfg, none); !errors.Is(err, ErrNotCovered) {
			t.Errorf("%s: %v, want ErrNotCovered", name, err)
		}
	}
}
