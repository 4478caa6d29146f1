package cell_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

func TestID(t *testing.T) {
	call := cell.Default(flows.Call, "eim-apdf", "apdm-apdf")
	remedied := call
	remedied.Registrar, remedied.Rport, remedied.Latch = cell.RegistrarReceived, true, cell.BothSides
	all := remedied
	all.PortManager, all.Strict, all.Silent, all.FilterScope, all.ALG = cell.ManagerLocal, cell.SideA, cell.SideB, cell.ScopeEndpoint, "linux"
	phone := cell.Default(flows.PCToPhone, "symmetric", "full-cone")
	phone.Latch = cell.SideB
	register := all
	register.Flow = flows.Register
	for _, x := range []struct {
		cell cell.Cell
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
		back, err := scenarios.ParseID(x.id)
		if err != nil || back != x.cell.Canonical() {
			t.Errorf("ParseID(%s) = %+v, %v; want %+v", x.id, back, err, x.cell.Canonical())
		}
	}
}

func TestParseIDRoundTripsThePlan(t *testing.T) {
	cells := mustPlan(t, cell.Choice{
		"flow": {"register", "call"}, "a": catalogue.PresetNames(), "b": cell.Classic(), "port-manager": all(cell.KeyPortManager), "registrar": all(cell.KeyRegistrar),
		"rport": {"false", "true"}, "latch": all(cell.KeyLatch), "strict": all(cell.KeyStrict), "silent": all(cell.KeySilent),
		"filter-scope": all(cell.KeyFilterScope), "alg": {"off", "full"},
	})
	seen := map[string]cell.Cell{}
	for _, c := range cells {
		id := c.ID()
		if was, known := seen[id]; known && was != c {
			t.Fatalf("%s names two cells", id)
		}
		seen[id] = c
		if back, err := scenarios.ParseID(id); err != nil || back != c {
			t.Fatalf("ParseID(%s) = %+v, %v", id, back, err)
		}
	}
}

func TestParseIDAcceptsDefaultsInAnyOrder(t *testing.T) {
	c, err := scenarios.ParseID("call/stun[rport=false,b=none,latch=none,a=symmetric]")
	if err != nil || c != cell.Default(flows.Call, "symmetric", cell.NoNAT) {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestParseIDRefuses(t *testing.T) {
	for id, hint := range map[string]string{
		"":                                     "flow/port-manager",
		"call":                                 "flow/port-manager",
		"call[a=none,b=none]":                  "flow/port-manager",
		"call/stun[a=none,b=none":              "flow/port-manager",
		"fax/stun[a=none]":                     `unknown flow "fax"`,
		"call/upnp[a=none,b=none]":             "local, static, stun",
		"call/stun[a=none]":                    "must be named",
		"call/stun[]":                          "a must be named, as a=none",
		"call/stun[a=none,a=none,b=none]":      "of its own",
		"call/stun[a=none,b=conical]":          `unknown NAT "conical"`,
		"call/stun[a=none,b=none,rport=soon]":  "false, true",
		"call/stun[a=none,b=none,silent=both]": "none, a, b",
		"call/stun[a=none,b=none,colour=red]":  `unknown key "colour"`,
		"register/stun[a=none,latch=a]":        "no such option",
		"pc-to-phone/stun[a=none,b=symmetric]": "no such option",
	} {
		_, err := scenarios.ParseID(id)
		if !errors.Is(err, cell.ErrInvalid) || !strings.Contains(err.Error(), hint) {
			t.Errorf("ParseID(%q): %v, want a hint at %q", id, err, hint)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("call/stun[a=eim-apdf,b=apdm-apdf,registrar=received,rport=true,latch=both]")
	f.Add("register/local[a=none]")
	f.Add("/[,=]")
	f.Fuzz(func(t *testing.T, id string) {
		c, err := scenarios.ParseID(id)
		if err != nil {
			return
		}
		if back, err := scenarios.ParseID(c.ID()); err != nil || back != c {
			t.Errorf("%q is %+v, but its ID %q is %+v, %v", id, c, c.ID(), back, err)
		}
	})
}

// all are the values of an axis.
func all(key string) []string { return cell.Lookup(key).Values }

func mustPlan(t *testing.T, choice cell.Choice) []cell.Cell {
	t.Helper()
	cells, err := scenarios.Plan(choice)
	if err != nil {
		t.Fatal(err)
	}
	return cells
}
