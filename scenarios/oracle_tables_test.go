package scenarios

import (
	"fmt"
	"strings"
	"testing"
)

// grid reads a table of media outcomes: a header with the names of b, then a
// row for each a. Cells are 2way, A>B, B>A and -.
func grid(t *testing.T, text string) map[[2]string]Direction {
	t.Helper()
	words := map[string]Direction{"2way": TwoWay, "A>B": OnlyAToB, "B>A": OnlyBToA, "-": NoWay}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	columns := strings.Fields(lines[0])
	cells := map[[2]string]Direction{}
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
	"none": NoNAT, "full": "full-cone", "addr": "address-restricted", "port": "port-restricted", "sym": "symmetric",
	"n":     NoNAT,
	"EI/EI": "eim-eif", "EI/AD": "eim-adf", "EI/APD": "eim-apdf",
	"AD/EI": "adm-eif", "AD/AD": "adm-adf", "AD/APD": "adm-apdf",
	"APD/EI": "apdm-eif", "APD/AD": "apdm-adf", "APD/APD": "apdm-apdf",
}

// mediaCell is a call whose signalling works everywhere.
func mediaCell(a, b string) Cell {
	c := DefaultCell(FlowCall, tableNames[a], tableNames[b])
	c.Registrar, c.Rport = RegistrarReceived, true
	return c
}

func checkGrid(t *testing.T, text string, change func(*Cell)) {
	t.Helper()
	for pair, want := range grid(t, text) {
		c := mediaCell(pair[0], pair[1])
		change(&c)
		got, err := Predict(c)
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		if got.Media != want {
			t.Errorf("%s: predicted %s, the table says %s", c, got.Media, want)
		}
		if got.Signalling != OK || got.Register != OK {
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
		latch, strict Sides
		table         string
	}{
		{"plain", NoSide, NoSide, `
			      none  full  addr  port  sym
			none  2way  2way  2way  2way  B>A
			full  2way  2way  2way  2way  B>A
			addr  2way  2way  2way  2way  B>A
			port  2way  2way  2way  2way  -
			sym   A>B   A>B   A>B   -     -`},
		{"strict receivers", NoSide, BothSides, `
			      none  full  addr  port  sym
			none  2way  2way  2way  2way  -
			full  2way  2way  2way  2way  -
			addr  2way  2way  2way  2way  -
			port  2way  2way  2way  2way  -
			sym   -     -     -     -     -`},
		{"only a latches", SideA, NoSide, `
			      none  full  addr  port  sym
			none  2way  2way  2way  2way  2way
			full  2way  2way  2way  2way  2way
			addr  2way  2way  2way  2way  2way
			port  2way  2way  2way  2way  -
			sym   A>B   A>B   A>B   -     -`},
		{"only b latches", SideB, NoSide, `
			      none  full  addr  port  sym
			none  2way  2way  2way  2way  B>A
			full  2way  2way  2way  2way  B>A
			addr  2way  2way  2way  2way  B>A
			port  2way  2way  2way  2way  -
			sym   2way  2way  2way  -     -`},
		{"both latch", BothSides, NoSide, `
			      none  full  addr  port  sym
			none  2way  2way  2way  2way  2way
			full  2way  2way  2way  2way  2way
			addr  2way  2way  2way  2way  2way
			port  2way  2way  2way  2way  -
			sym   2way  2way  2way  -     -`},
	}
	for _, x := range tables {
		t.Run(x.name, func(t *testing.T) {
			checkGrid(t, x.table, func(c *Cell) { c.Latch, c.Strict = x.latch, x.strict })
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
	t.Run("plain", func(t *testing.T) { checkGrid(t, fullPlain, func(*Cell) {}) })
	t.Run("both latch", func(t *testing.T) {
		checkGrid(t, fullBothLatch, func(c *Cell) { c.Latch = BothSides })
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
	for _, latch := range []Sides{NoSide, BothSides} {
		t.Run(string(latch), func(t *testing.T) {
			checkGrid(t, table, func(c *Cell) { c.FilterScope, c.Latch = ScopeEndpoint, latch })
		})
	}
}

// A silent b: a is heard only through an endpoint-independent filter,
// whatever a is and whoever latches.
func TestMediaSilentPeer(t *testing.T) {
	for _, latch := range SideSets() {
		for _, scope := range FilterScopes() {
			for _, a := range RFC4787() {
				for _, b := range RFC4787() {
					c := DefaultCell(FlowCall, a, b)
					c.Registrar, c.Rport, c.Silent, c.Latch, c.FilterScope = RegistrarReceived, true, SideB, latch, scope
					got, err := Predict(c)
					if err != nil {
						t.Fatal(err)
					}
					want := NoWay
					if b == NoNAT || strings.HasSuffix(b, "-eif") {
						want = OnlyAToB
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
	"none":         {NoNAT},
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
		step      Step
		manager   PortManager
		registrar Registrar
		rport     bool
		none, eim, edmEIF,
		edmFiltered string // box:rule
	}{
		{"REGISTER request", RegisterRequestA, ManagerLocal, RegistrarContact, false, ok, ok, ok, ok},
		{"REGISTER request, STUN", RegisterRequestA, ManagerSTUN, RegistrarContact, false, ok, ok, ok, ok},
		{"response, no rport, private Via", RegisterResponseA, ManagerLocal, RegistrarContact, false, ok, ok, "nat-a:no-mapping", "nat-a:no-mapping"},
		{"response, no rport, STUN Via", RegisterResponseA, ManagerSTUN, RegistrarContact, false, ok, ok, ok, "nat-a:filtered"},
		{"response, no rport, forwarded port", RegisterResponseA, ManagerStatic, RegistrarContact, false, ok, ok, ok, ok},
		{"response, rport, private Via", RegisterResponseA, ManagerLocal, RegistrarContact, true, ok, ok, ok, ok},
		{"response, rport, STUN Via", RegisterResponseA, ManagerSTUN, RegistrarContact, true, ok, ok, ok, ok},
		{"INVITE to private Contact", Invite, ManagerLocal, RegistrarContact, true, ok, "internet:no-route", "internet:no-route", "internet:no-route"},
		{"INVITE to STUN Contact", Invite, ManagerSTUN, RegistrarContact, true, ok, ok, ok, "nat-a:filtered"},
		{"INVITE to forwarded port", Invite, ManagerStatic, RegistrarContact, true, ok, ok, ok, ok},
		{"INVITE to received, private Contact", Invite, ManagerLocal, RegistrarReceived, true, ok, ok, ok, ok},
		{"INVITE to received, STUN Contact", Invite, ManagerSTUN, RegistrarReceived, true, ok, ok, ok, ok},
		{"INVITE to received, response lost", Invite, ManagerSTUN, RegistrarReceived, false, ok, ok, ok, ok},
		{"ACK by alias", Ack, ManagerLocal, RegistrarReceived, true, ok, ok, ok, ok},
		{"BYE by alias", Bye, ManagerSTUN, RegistrarReceived, true, ok, ok, ok, ok},
		{"BYE to STUN Contact, no dialog", Bye, ManagerSTUN, RegistrarContact, true, ok, ok, ok, "b:not-sent"},
		{"ACK to private Contact, no dialog", Ack, ManagerLocal, RegistrarContact, true, ok, "b:not-sent", "b:not-sent", "b:not-sent"},
	}
	for _, x := range table {
		for class, want := range map[string]string{"none": x.none, "EIM": x.eim, "EDM+EIF": x.edmEIF, "EDM+ADF/APDF": x.edmFiltered} {
			for _, nat := range natClass[class] {
				c := DefaultCell(FlowRegister, nat, NoNAT)
				c.PortManager, c.Registrar, c.Rport = x.manager, x.registrar, x.rport
				o, err := Predict(c)
				if err != nil {
					t.Fatal(err)
				}
				s, found := o.Step(x.step)
				if !found {
					t.Fatalf("%s: no step %s", c, x.step)
				}
				got := ok
				if s.Fate != Arrived {
					got = fmt.Sprintf("%s:%s", s.Cause.Box, s.Cause.Rule)
				}
				if got != want {
					t.Errorf("%s: %s: got %q, want %q", x.row, c, got, want)
				}
				if s.Fate != Arrived && s.Cause.Why == "" {
					t.Errorf("%s: %s: lost without a reason in words", x.row, c)
				}
			}
		}
	}
}

// The claim the default report begins with: three of four classes work, the
// symmetric one fails, by name of step and cause.
func TestThreeOfFour(t *testing.T) {
	for _, c := range Claim() {
		o, err := Predict(c)
		if err != nil {
			t.Fatal(err)
		}
		want := OK
		if c.A == "symmetric" {
			want = Failed
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
	for _, c := range Remedied() {
		if o, err := Predict(c); err != nil || o.Register != OK || o.Signalling != OK || len(o.Losses()) != 0 {
			t.Errorf("%s: %+v, %v: everything should work", c, o, err)
		}
	}
}

// A call whose 200 is lost has no media, and says so.
func TestNoMediaWithoutDialog(t *testing.T) {
	o, err := Predict(DefaultCell(FlowCall, "symmetric", NoNAT))
	if err != nil {
		t.Fatal(err)
	}
	if o.Register != Failed || o.Signalling != Failed || o.Media != NoWay {
		t.Errorf("got %s %s %s", o.Register, o.Signalling, o.Media)
	}
	for step, want := range map[Step]Fate{
		RegisterResponseA: Lost, RegisterResponseB: Arrived, Invite: Arrived, FinalResponse: Lost,
		Ack: NotSent, Bye: NotSent, RTPAToB: NotSent, RTPBToA: NotSent, RTCPAToB: NotSent,
	} {
		if s, _ := o.Step(step); s.Fate != want {
			t.Errorf("%s: %s, want %s", step, s.Fate, want)
		}
	}
}

// RTCP goes on from a side that is silent, on its own mappings.
func TestRTCPOfSilentSide(t *testing.T) {
	c := DefaultCell(FlowCall, "port-restricted", "port-restricted")
	c.Registrar, c.Rport, c.Silent = RegistrarReceived, true, SideA
	o, err := Predict(c)
	if err != nil {
		t.Fatal(err)
	}
	if o.Media != NoWay || o.RTCP != TwoWay {
		t.Errorf("media %s, RTCP %s: want none and 2way", o.Media, o.RTCP)
	}
}
