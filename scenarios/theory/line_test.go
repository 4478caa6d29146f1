package theory_test

import (
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
)

// NATs that are stacked: the mapping that ends first, or that depends on most, is that of both.
func TestStackedNATs(t *testing.T) {
	const s = time.Second
	nat := func(idle time.Duration, f natmodels.Dependence, keeps bool) natmodels.Behavior {
		b := natmodels.Behavior{Kind: natmodels.Translator, Filtering: f, Unreplied: idle, Idle: idle}
		if keeps {
			b.Preserved = []natmodels.PortRange{natmodels.DefaultPortRange}
		}
		return b
	}
	for _, x := range []struct {
		name      string
		home      natmodels.Behavior
		carrier   *natmodels.Behavior
		idle      time.Duration
		keep      cell.KeepAlive
		wantBox   string
		wantRule  cell.Rule
		neighbour bool
	}{
		{name: "both live", home: nat(300*s, natmodels.AddressAndPortDependent, true), carrier: ptr(nat(300*s, natmodels.EndpointIndependent, false)), idle: 200 * s},
		{name: "the carrier forgets first", home: nat(300*s, 0, true), carrier: ptr(nat(60*s, 0, true)), idle: 200 * s, wantBox: cell.BoxCarrier, wantRule: cell.RuleExpired},
		{name: "the home forgets first", home: nat(60*s, 0, true), carrier: ptr(nat(300*s, 0, true)), idle: 200 * s, wantBox: cell.BoxNATA, wantRule: cell.RuleExpired},
		{name: "and a keepalive brings both back, where ports are kept", home: nat(60*s, 0, true), carrier: ptr(nat(60*s, 0, true)), idle: 110 * s, keep: cell.KeepAliveCRLF},
		{name: "without them it is another port", home: nat(60*s, 0, true), carrier: ptr(nat(60*s, 0, false)), idle: 110 * s, keep: cell.KeepAliveCRLF, wantBox: cell.BoxCarrier, wantRule: cell.RuleExpired},
		{name: "a home that chooses another port is another host to the carrier", home: nat(60*s, 0, false), carrier: ptr(nat(300*s, 0, true)), idle: 110 * s, keep: cell.KeepAliveCRLF, wantBox: cell.BoxNATA, wantRule: cell.RuleExpired},
		{name: "a phone beside has the port", home: nat(300*s, 0, true), idle: 10 * s, neighbour: true},
	} {
		n, err := theory.New(theory.Config{
			A:      theory.End{Side: cell.A, Host: cell.BoxA, NAT: x.home, Carrier: x.carrier, Traits: theory.Traits{SignallingTraits: theory.SignallingTraits{Rport: true}}},
			B:      theory.End{Side: cell.B, Host: cell.BoxB, NAT: natmodels.Behavior{Kind: natmodels.Router}},
			Policy: cell.RegistrarReceived, Rport: true, Idle: x.idle, KeepAlive: x.keep, Interval: 100 * s, Neighbour: x.neighbour,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range n.Paces() {
			n.Registers(cell.A)
			if a := n.Registered(cell.A, "200 to REGISTER"); a.Fate != cell.Arrived {
				t.Errorf("%s: %v", x.name, a)
			}
			n.Idle()
			n.Sends(cell.B)
			if c := n.Request(cell.A, "INVITE").Cause; c.Box != x.wantBox || c.Rule != x.wantRule {
				t.Errorf("%s: %v, want %s at %q", x.name, c, x.wantRule, x.wantBox)
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }
