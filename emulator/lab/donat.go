package lab

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/natproof/natproof/natmodels/catalogue"
)

func (s *Restart) begin(p *play) (string, work) {
	gw := p.gateways[s.NAT]
	gw.Flush()
	if s.For == 0 {
		return "restarts", nil
	}
	gw.Link().SetUp(false)
	return fmt.Sprintf("restarts, and is down for %v", time.Duration(s.For)), nil
}

func (s *Restart) until(at time.Duration) time.Duration {
	if s.For == 0 {
		return 0
	}
	return at + time.Duration(s.For)
}

func (s *Restart) undo(p *play) {
	p.gateways[s.NAT].Flush()
	p.gateways[s.NAT].Link().SetUp(true)
	p.record.tell(LineStep, s.NAT, "is up again")
}

func (s *Renumber) begin(p *play) (string, work) {
	return fmt.Sprintf("gets the address %s", join(s.To)), func(context.Context) (string, error) {
		return "", cannot(p.gateways[s.NAT].Renumber(s.To...))
	}
}

func cannot(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errCannot, err)
}

func join(all []netip.Addr) string {
	words := make([]string, len(all))
	for i, a := range all {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}

func (s *Change) begin(p *play) (string, work) {
	does := "behaves in another way: " + strings.Join(strings.FieldsFunc(string(s.Settings), func(r rune) bool { return r == '\n' }), ", ")
	return does, func(context.Context) (string, error) {
		m, err := catalogue.Vary(p.models[s.NAT], string(s.Settings))
		if err == nil {
			err = p.gateways[s.NAT].SetBehavior(m)
		}
		if err == nil {
			p.models[s.NAT] = m
		}
		return "", cannot(err)
	}
}

func (s *SetALG) begin(p *play) (string, work) {
	does := fmt.Sprintf("has the SIP ALG %s now", s.Is)
	if s.Is == algOff {
		does = "has no SIP ALG any more"
	}
	return does, func(context.Context) (string, error) {
		a, err := alg(s.Is)
		if err == nil {
			err = p.gateways[s.NAT].SetALG(a)
		}
		return "", cannot(err)
	}
}
