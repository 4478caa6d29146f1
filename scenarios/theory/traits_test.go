package theory_test

import (
	"errors"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/natmodels/sipalg"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
)

// traited is a network of a phone with those traits behind a NAT, and another one on a public address.
func traited(t *testing.T, nat string, traits theory.Traits, change func(*theory.Config)) (*theory.Network, error) {
	t.Helper()
	m, err := catalogue.Lookup(nat)
	if err != nil {
		t.Fatal(err)
	}
	none, err := catalogue.Lookup(cell.NoNAT)
	if err != nil {
		t.Fatal(err)
	}
	cfg := theory.Config{Rport: true, Talk: 12 * time.Second,
		A: theory.End{Side: cell.A, Host: cell.BoxA, NAT: m.Behavior(), Traits: traits},
		B: theory.End{Side: cell.B, Host: cell.BoxB, NAT: none.Behavior()}}
	if change != nil {
		change(&cfg)
	}
	return theory.New(cfg)
}

// Who asks a STUN server for its media alone is heard as if it asked for all, and called as if it
// asked for nothing.
func TestMediaAddressesOfTheirOwn(t *testing.T) {
	media := theory.Traits{MediaTraits: theory.MediaTraits{Media: theory.MediaAsked}}
	for _, x := range []struct {
		nat           string
		traits        theory.Traits
		invite, media cell.Fate
	}{
		{"port-restricted", theory.Traits{}, cell.Lost, cell.Lost},
		{"port-restricted", media, cell.Lost, cell.Arrived},
		{"port-restricted", theory.Traits{Address: theory.Asked, MediaTraits: theory.MediaTraits{Media: theory.MediaBound}}, cell.Arrived, cell.Lost},
		{"full-cone", theory.Traits{Address: theory.Asked, MediaTraits: theory.MediaTraits{Media: theory.MediaBound}}, cell.Arrived, cell.Lost},
		{"symmetric", media, cell.Lost, cell.Lost},
		{"none", media, cell.Arrived, cell.Arrived},
	} {
		n, err := traited(t, x.nat, x.traits, nil)
		if err != nil {
			t.Fatal(err)
		}
		n.Registers(cell.A)
		n.Registered(cell.A, "200 to REGISTER")
		if a := n.Request(cell.A, "INVITE"); a.Fate != x.invite {
			t.Errorf("%s, %+v: INVITE %s, want %s: %v", x.nat, x.traits, a.Fate, x.invite, a.Cause)
		}
		if a := n.Stream(cell.RTP, cell.B); a.Fate != x.media {
			t.Errorf("%s, %+v: RTP %s, want %s: %v", x.nat, x.traits, a.Fate, x.media, a.Cause)
		}
	}
}

// Who sends no reports opens no hole for those of the other end.
func TestNoReports(t *testing.T) {
	n, err := traited(t, "port-restricted", theory.Traits{Address: theory.Asked, MediaTraits: theory.MediaTraits{NoRTCP: true}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		part cell.Part
		from cell.Side
		want cell.Fate
	}{{cell.RTP, cell.A, cell.Arrived}, {cell.RTP, cell.B, cell.Arrived}, {cell.RTCP, cell.A, cell.NotSent}, {cell.RTCP, cell.B, cell.Lost}} {
		if a := n.Stream(x.part, x.from); a.Fate != x.want {
			t.Errorf("%s of %s: %s, want %s", x.part.Message(), x.from, a.Fate, x.want)
		}
	}
}

// Who registers what the registrar saw is reached whatever the proxy routes to, if it is told.
func TestLearnedContact(t *testing.T) {
	learns := theory.SignallingTraits{Rport: true, Learns: true}
	for _, x := range []struct {
		policy cell.Registrar
		traits theory.SignallingTraits
		want   cell.Fate
	}{
		{cell.RegistrarContact, learns, cell.Arrived},
		{cell.RegistrarIPOnly, learns, cell.Arrived},
		{cell.RegistrarReceived, learns, cell.Arrived},
		{cell.RegistrarContact, theory.SignallingTraits{Rport: true}, cell.Lost},
		{cell.RegistrarContact, theory.SignallingTraits{Learns: true}, cell.Lost}, // it does not ask
	} {
		n, err := traited(t, "symmetric", theory.Traits{SignallingTraits: x.traits}, func(c *theory.Config) { c.Policy = x.policy })
		if err != nil {
			t.Fatal(err)
		}
		n.Registers(cell.A)
		n.Registered(cell.A, "200 to REGISTER")
		for _, a := range []theory.Answer{n.Request(cell.A, "INVITE"), n.InDialog(cell.A, "BYE")} {
			if a.Fate != x.want {
				t.Errorf("%s, %+v: %s, want %s: %v", x.policy, x.traits, a.Fate, x.want, a.Cause)
			}
		}
	}
}

// What nothing is known of is refused.
func TestTraitsThatAreNotCovered(t *testing.T) {
	media := theory.Traits{MediaTraits: theory.MediaTraits{Media: theory.MediaAsked}}
	learns := theory.Traits{SignallingTraits: theory.SignallingTraits{Rport: true, Learns: true}}
	asks := learns
	asks.Address = theory.Asked
	alg, err := sipalg.Named("full")
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		traits theory.Traits
		change func(*theory.Config)
	}{
		"two kinds of addresses, and an ALG":           {media, func(c *theory.Config) { c.ALG = &alg }},
		"two kinds of addresses, and port forwards":    {media, func(c *theory.Config) { c.Forwards = true }},
		"two kinds of addresses, watched":              {media, func(c *theory.Config) { c.Watched = true }},
		"a learned Contact, and an ALG":                {learns, func(c *theory.Config) { c.ALG = &alg }},
		"a learned Contact, and a NAT that restarts":   {learns, func(c *theory.Config) { c.Change = cell.ChangeRestart }},
		"a Contact that is both learned and asked for": {asks, nil},
	} {
		if _, err := traited(t, "port-restricted", x.traits, x.change); !errors.Is(err, theory.ErrNotCovered) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
