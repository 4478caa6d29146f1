package registrar

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/natproof/natproof/internal/sipstack"
	"github.com/natproof/natproof/servers/stun"
)

// outboundDefault fills in what Outbound brings with it, or says what it cannot go with.
func (c *Config) outboundDefault() error {
	switch {
	case c.Outbound && policies[c.Policy].apart: // whose point is to leave by no flow
		return fmt.Errorf("Outbound with policy %v", c.Policy)
	case c.FlowTimer != 0 && !c.Outbound:
		return errors.New("FlowTimer without Outbound")
	case c.FlowTimer < 0 || c.FlowTimer%time.Second != 0:
		return fmt.Errorf("FlowTimer %v: want whole seconds", c.FlowTimer)
	case c.AnswerSTUN && c.OnSTUN != nil:
		return errors.New("AnswerSTUN and OnSTUN")
	}
	c.AnswerSTUN = c.AnswerSTUN || c.Outbound && c.OnSTUN == nil
	return nil
}

// stunHandler is what takes STUN messages: Config.OnSTUN, or an answer of our own (RFC 5626 §5.4).
func (s *Server) stunHandler() (func(*sipstack.Socket, []byte, netip.AddrPort), error) {
	if h := s.cfg.OnSTUN; h != nil {
		return func(_ *sipstack.Socket, b []byte, from netip.AddrPort) {
			s.heard(from)
			h(b, from)
		}, nil
	}
	if !s.cfg.AnswerSTUN {
		return nil, nil
	}
	r, err := stun.NewResponder(s.cfg.Advertise)
	if err != nil {
		return nil, err
	}
	return func(k *sipstack.Socket, b []byte, from netip.AddrPort) {
		s.heard(from)
		if raw, to, _ := r.Answer(b, from); raw != nil {
			_ = s.stack.Write(k, raw, to) // a failed write is counted and told by the stack
		}
	}, nil
}

// heard notes a sign of life of a flow.
func (s *Server) heard(from netip.AddrPort) {
	if s.cfg.Outbound {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flows.hear(from, s.now())
	}
}
