package theory_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// grid reads a table of media outcomes: a header with the names of b, then a
// row for each a. Cells are 2way, A>B, B>A and -.
func grid(t *testing.T, text string) map[[2]string]cell.Direction {
	t.Helper()
	words := map[string]cell.Direction{"2way": cell.TwoWay, "A>B": cell.OnlyAToB, "B>A": cell.OnlyBToA, "-": cell.NoWay}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	columns := strings.Fields(lines[0])
	cells := map[[2]string]cell.Direction{}
	for _, line := range lines[1:] {
		row := strings.Fields(line)
		if len(row) != len(columns)+1 {
			t.Fatalf("row %q has %d cells, want %d", line, len(row)-1, len(columns))
		}
		for i, word := range row[1:] {
			d, ok := words[word]
			if !ok {
				t.Fatalf("row %q: what is %q?", line, word)
			}
			cells[[2]string{row[0], columns[i]}] = d
		}
	}
	return cells
}

// The presets behind the abbreviations of the tables.
var tableNames = map[string]string{
	"none": cell.NoNAT, "full": "full-cone", "addr": "address-restricted", "port": "port-restricted", "sym": "symmetric",
	"n":     cell.NoNAT,
	"EI/EI": "eim-eif", "EI/AD": "eim-adf", "EI/APD": "eim-apdf",
	"AD/EI": "adm-eif", "AD/AD": "adm-adf", "AD/APD": "adm-apdf",
	"APD/EI": "apdm-eif", "APD/AD": "apdm-adf", "APD/APD": "apdm-apdf",
}

// mediaCell is a call whose signalling works everywhere.
func mediaCell(a, b string) cell.Cell {
	c := cell.Default(flows.Call, tableNames[a], tableNames[b])
	c.Registrar, c.Rport = cell.RegistrarReceived, true
	return c
}

func checkGrid(t *testing.T, text string, change func(*cell.Cell)) {
	t.Helper()
	for pair, want := range grid(t, text) {
		c := mediaCell(pair[0], pair[1])
		change(&c)
		got, err := scenarios.Predict(c, nil)
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		if got.Media != want {
			t.Errorf("%s: predicted %s, the table says %s", c, got.Media, want)
		}
		if got.Signalling != cell.OK || got.Register != cell.OK {
			t.Errorf("%s: signalling %s, register %s: want both ok", c, got.Signalling, got.Register)
		}
		// RTCP has mappings of its own and nobody is silent here: it fares as RTP.
		if got.RTCP != want {
			t.Errorf("%s: RTCP predicted %s, want %s", c, got.RTCP, want)
		}
	}
}

// The five classes, media with STUN-derived addresses, scope per mapping.
func TestMediaFiveClasses(t *testing.T) {
	tables := []struct {
		name          string
		latch, strict cell.Sides
		table         string
	}{
		{"plain", cell.NoSide, cell.NoSide, `
			      none  full  addr  port  sym
			none  2way  2way  2way  2way  B>A
			full  2way  2way  2way  2way  B>A
			addr  2way  2way  2way  2way  B>A
			port  2way  2way  2way  2way  -
			sym   A>B   A>B   A>B   -     -`},
		{"strict receivers", cell.NoSide, cell.BothSides, `
			      none  full  addr  port  sym
			none  2way  2way  2way  2way  -
			full  2way  2way  2way  2way  -
			addr  2way  2way  2way  2way  -
			port  2way  2way  2way  2way  -
			sym   -     -     -     -     -`},
		{"only a latches", cell.SideA, cell.NoSide, `
			      none  full  addr  port  sym
			none  2way  2way  2way  2way  2way
			full  2way  2way  2way  2way  2way
			addr  2way  2way  2way  2way  2way
			port  2way  2way  2way  2way  -
			sym   A>B   A>B   A>B   -     -`},
		{"only b latches", cell.SideB, cell.NoSide, `
			      none  full  addr  port  sym
			none  2way  2way  2way  2way  B>A
			full  2way  2way  2way  2way  B>A
			addr  2way  2way  2way  2way  B>A
			port  2way  2way  2way  2way  -
			sym   2way  2way  2way  -     -`},
		{"both latch", cell.BothSides, cell.NoSide, `
			      none  full  addr  port  sym
			none  2way  2way  2way  2way  2way
			full  2way  2way  2way  2way  2way
			addr  2way  2way  2way  2way  2way
			port  2way  2way  2way  2way  -
			sym   2way  2way  2way  -     -`},
	}
	for _, x := range tables {
		t.Run(x.name, func(t *testing.T) {
			checkGrid(t, x.table, func(c *cell.Cell) { c.Latch, c.Strict = x.latch, x.strict })
		})
	}
}

// All mapping and filtering behaviours, scope per mapping.
const (
	fullPlain = `
		         n     EI/EI EI/AD EI/APD AD/EI AD/AD AD/APD APD/EI APD/AD APD/APD
		n        2way  2way  2way  2way   2way  B>A   B>A    2way   B>A    B>A
		EI/EI    2way  2way  2way  2way   2way  B>A   B>A    2way   B>A    B>A
		EI/AD    2way  2way  2way  2way   2way  B>A   B>A    2way   B>A    B>A
		EI/APD   2way  2way  2way  2way   A>B   -     -      A>B    -      -
		AD/EI    2way  2way  2way  B>A    2way  B>A   B>A    2way   B>A    B>A
		AD/AD    A>B   A>B   A>B   -      A>B   -     -      A>B    -      -
		AD/APD   A>B   A>B   A>B   -      A>B   -     -      A>B    -      -
		APD/EI   2way  2way  2way  B>A    2way  B>A   B>A    2way   B>A    B>A
		APD/AD   A>B   A>B   A>B   -      A>B   -     -      A>B    -      -
		APD/APD  A>B   A>B   A>B   -      A>B   -     -      A>B    -      -`
	fullBothLatch = `
		         n     EI/EI EI/AD EI/APD AD/EI AD/AD AD/APD APD/EI APD/AD APD/APD
		n        2way  2way  2way  2way   2way  2way  2way   2way   2way   2way
		EI/EI    2way  2way  2way  2way   2way  2way  2way   2way   2way   2way
		EI/AD    2way  2way  2way  2way   2way  2way  2way   2way   2way   2way
		EI/APD   2way  2way  2way  2way   A>B   -     -      A>B    -      -
		AD/EI    2way  2way  2way  B>A    2way  2way  B>A    2way   2way   B>A
		AD/AD    2way  2way  2way  -      2way  -     -      2way   -      -
		AD/APD   2way  2way  2way  -      A>B   -     -      A>B    -      -
		APD/EI   2way  2way  2way  B>A    2way  2way  B>A    2way   2way   B>A
		APD/AD   2way  2way  2way  -      2way  -     -      2way   -      -
		APD/APD  2way  2way  2way  -      A>B   -     -      A>B    -      -`
)

func TestMediaAllBehaviours(t *testing.T) {
	t.Run("plain", func(t *testing.T) { checkGrid(t, fullPlain, func(*cell.Cell) {}) })
	t.Run("both latch", func(t *testing.T) {
		checkGrid(t, fullBothLatch, func(c *cell.Cell) { c.Latch = cell.BothSides })
	})
}

// With the filter scope of RFC 4787's wording, plain and both latching are the
// same: only media from a mapping that depends on the destination towards an
// address-and-port-dependent filter is lost.
func TestMediaEndpointScope(t *testing.T) {
	const table = `
		         n     EI/EI EI/AD EI/APD AD/EI AD/AD AD/APD APD/EI APD/AD APD/APD
		n        2way  2way  2way  2way   2way  2way  2way   2way   2way   2way
		EI/EI    2way  2way  2way  2way   2way  2way  2way   2way   2way   2way
		EI/AD    2way  2way  2way  2way   2way  2way  2way   2way   2way   2way
		EI/APD   2way  2way  2way  2way   A>B   A>B   A>B    A>B    A>B    A>B
		AD/EI    2way  2way  2way  B>A    2way  2way  B>A    2way   2way   B>A
		AD/AD    2way  2way  2way  B>A    2way  2way  B>A    2way   2way   B>A
		AD/APD   2way  2way  2way  B>A    A>B   A>B   -      A>B    A>B    -
		APD/EI   2way  2way  2way  B>A    2way  2way  B>A    2way   2way   B>A
		APD/AD   2way  2way  2way  B>A    2way  2way  B>A    2way   2way   B>A
		APD/APD  2way  2way  2way  B>A    A>B   A>B   -      A>B    A>B    -`
	for _, latch := range []cell.Sides{cell.NoSide, cell.BothSides} {
		t.Run(string(latch), func(t *testing.T) {
			checkGrid(t, table, func(c *cell.Cell) { c.FilterScope, c.Latch = cell.ScopeEndpoint, latch })
		})
	}
}

// A silent b: a is heard only through an endpoint-independent filter,
// whatever a is and whoever latches.
func TestMediaSilentPeer(t *testing.T) {
	for _, latch := range []cell.Sides{cell.NoSide, cell.SideA, cell.SideB, cell.BothSides} {
		for _, scope := range []cell.FilterScope{cell.ScopeMapping, cell.ScopeEndpoint} {
			for _, a := range cell.RFC4787() {
				for _, b := range cell.RFC4787() {
					c := cell.Default(flows.Call, a, b)
					c.Registrar, c.Rport, c.Silent, c.Latch, c.FilterScope = cell.RegistrarReceived, true, cell.SideB, latch, scope
					got, err := scenarios.Predict(c, nil)
					if err != nil {
						t.Fatal(err)
					}
					want := cell.NoWay
					if b == cell.NoNAT || strings.HasSuffix(b, "-eif") {
						want = cell.OnlyAToB
					}
					if got.Media != want {
						t.Errorf("%s: predicted %s, want %s", c, got.Media, want)
					}
				}
			}
		}
	}
}

// natClass are the columns of the signalling table.
var natClass = map[string][]string{
	"none":         {cell.NoNAT},
	"EIM":          {"full-cone", "address-restricted", "port-restricted", "eim-eif", "eim-adf", "eim-apdf"},
	"EDM+EIF":      {"adm-eif", "apdm-eif"},
	"EDM+ADF/APDF": {"symmetric", "adm-adf", "adm-apdf", "apdm-adf", "apdm-apdf"},
}

// TestSignallingTable is the table of what happens to SIP through a NAT, with
// NATs whose endpoint-independent mappings preserve ports (the presets).
func TestSignallingTable(t *testing.T) {
	const ok = ""
	table := []struct {
		row       string
		step      cell.Step
		manager   cell.PortManager
		registrar cell.Registrar
		rport     bool
		none, eim, edmEIF,
		edmFiltered string // box:rule
	}{
		{"REGISTER request", flows.RegisterRequest(cell.A), cell.ManagerLocal, cell.RegistrarContact, false, ok, ok, ok, ok},
		{"REGISTER request, STUN", flows.RegisterRequest(cell.A), cell.ManagerSTUN, cell.RegistrarContact, false, ok, ok, ok, ok},
		{"response, no rport, private Via", flows.RegisterResponse(cell.A), cell.ManagerLocal, cell.RegistrarContact, false, ok, ok, "nat-a:no-mapping", "nat-a:no-mapping"},
		{"response, no rport, STUN Via", flows.RegisterResponse(cell.A), cell.ManagerSTUN, cell.RegistrarContact, false, ok, ok, ok, "nat-a:filtered"},
		{"response, no rport, forwarded port", flows.RegisterResponse(cell.A), cell.ManagerStatic, cell.RegistrarContact, false, ok, ok, ok, ok},
		{"response, rport, private Via", flows.RegisterResponse(cell.A), cell.ManagerLocal, cell.RegistrarContact, true, ok, ok, ok, ok},
		{"response, rport, STUN Via", flows.RegisterResponse(cell.A), cell.ManagerSTUN, cell.RegistrarContact, true, ok, ok, ok, ok},
		{"INVITE to private Contact", flows.Invite, cell.ManagerLocal, cell.RegistrarContact, true, ok, "internet:no-route", "internet:no-route", "internet:no-route"},
		{"INVITE to STUN Contact", flows.Invite, cell.ManagerSTUN, cell.RegistrarContact, true, ok, ok, ok, "nat-a:filtered"},
		{"INVITE to forwarded port", flows.Invite, cell.ManagerStatic, cell.RegistrarContact, true, ok, ok, ok, ok},
		{"INVITE to received, private Contact", flows.Invite, cell.ManagerLocal, cell.RegistrarReceived, true, ok, ok, ok, ok},
		{"INVITE to received, STUN Contact", flows.Invite, cell.ManagerSTUN, cell.RegistrarReceived, true, ok, ok, ok, ok},
		{"INVITE to received, response lost", flows.Invite, cell.ManagerSTUN, cell.RegistrarReceived, false, ok, ok, ok, ok},
		{"ACK by alias", flows.Ack, cell.ManagerLocal, cell.RegistrarReceived, true, ok, ok, ok, ok},
		{"BYE by alias", flows.Bye, cell.ManagerSTUN, cell.RegistrarReceived, true, ok, ok, ok, ok},
		{"BYE to STUN Contact, no dialog", flows.Bye, cell.ManagerSTUN, cell.RegistrarContact, true, ok, ok, ok, "b:not-sent"},
		{"ACK to private Contact, no dialog", flows.Ack, cell.ManagerLocal, cell.RegistrarContact, true, ok, "b:not-sent", "b:not-sent", "b:not-sent"},
	}
	for _, x := range table {
		for class, want := range map[string]string{"none": x.none, "EIM": x.eim, "EDM+EIF": x.edmEIF, "EDM+ADF/APDF": x.edmFiltered} {
			for _, nat := range natClass[class] {
				c := cell.Default(flows.Register, nat, cell.NoNAT)
				c.PortManager, c.Registrar, c.Rport = x.manager, x.registrar, x.rport
				o, err := scenarios.Predict(c, nil)
				if err != nil {
					t.Fatal(err)
				}
				s, found := o.Step(x.step)
				if !found {
					t.Fatalf("%s: no step %s", c, x.step)
				}
				got := ok
				if s.Fate != cell.Arrived {
					got = fmt.Sprintf("%s:%s", s.Cause.Box, s.Cause.Rule)
				}
				if got != want {
					t.Errorf("%s: %s: got %q, want %q", x.row, c, got, want)
				}
				if s.Fate != cell.Arrived && s.Cause.Why == "" {
					t.Errorf("%s: %s: lost without a reason in words", x.row, c)
				}
			}
		}
	}
}

// The claim the default report begins with: three of four classes work, the
// symmetric one fails, by name of step and cause.
func TestThreeOfFour(t *testing.T) {
	for _, c := range scenarios.Claim() {
		o, err := scenarios.Predict(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := cell.OK
		if c.A == "symmetric" {
			want = cell.Failed
			var lost []string
			for _, s := range o.Losses() {
				lost = append(lost, fmt.Sprintf("%s %s %s", s.Step, s.Cause.Box, s.Cause.Rule))
			}
			if got := strings.Join(lost, "; "); got != "register response a nat-a filtered; invite nat-a filtered" {
				t.Errorf("%s: lost %s", c, got)
			}
		}
		if o.Register != want || o.Signalling != want {
			t.Errorf("%s: register %s, signalling %s, want %s", c, o.Register, o.Signalling, want)
		}
	}
	for _, c := range scenarios.Remedied() {
		if o, err := scenarios.Predict(c, nil); err != nil || o.Register != cell.OK || o.Signalling != cell.OK || len(o.Losses()) != 0 {
			t.Errorf("%s: %+v, %v: everything should work", c, o, err)
		}
	}
}

// A call whose 200 is lost has no media, and says so.
func TestNoMediaWithoutDialog(t *testing.T) {
	o, err := scenarios.Predict(cell.Default(flows.Call, "symmetric", cell.NoNAT), nil)
	if err != nil {
		t.Fatal(err)
	}
	if o.Register != cell.Failed || o.Signalling != cell.Failed || o.Media != cell.NoWay {
		t.Errorf("got %s %s %s", o.Register, o.Signalling, o.Media)
	}
	for step, want := range map[cell.Step]cell.Fate{
		flows.RegisterResponse(cell.A): cell.Lost, flows.RegisterResponse(cell.B): cell.Arrived, flows.Invite: cell.Arrived, flows.FinalResponse: cell.Lost,
		flows.Ack: cell.NotSent, flows.Bye: cell.NotSent, flows.RTPAToB: cell.NotSent, flows.RTPBToA: cell.NotSent, flows.RTCPAToB: cell.NotSent,
	} {
		if s, _ := o.Step(step); s.Fate != want {
			t.Errorf("%s: %s, want %s", step, s.Fate, want)
		}
	}
}

// RTCP goes on from a side that is silent, on its own mappings.
func TestRTCPOfSilentSide(t *testing.T) {
	c := cell.Default(flows.Call, "port-restricted", "port-restricted")
	c.Registrar, c.Rport, c.Silent = cell.RegistrarReceived, true, cell.SideA
	o, err := scenarios.Predict(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if o.Media != cell.NoWay || o.RTCP != cell.TwoWay {
		t.Errorf("media %s, RTCP %s: want none and 2way", o.Media, o.RTCP)
	}
}
