package theory

import (
	"slices"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
)

// crossings are how much earlier pings of the registrar may pass a NAT than they would. It sends them as
// often as the end its keepalives, one way before them, so that both come to a NAT at one instant; which
// is first is a matter of the NAT.
func (n *Network) crossings() []time.Duration {
	if n.ping == "" || n.ping == cell.PingNone || n.keep == "" || n.keep == cell.KeepAliveNone {
		return []time.Duration{0}
	}
	return []time.Duration{0, time.Microsecond}
}

// pinged begins the pings of the registrar to where a registration came from, the first after an
// interval. Of a binding that is no more they end.
func (n *Network) pinged(s *station) {
	c := n.course
	c.drop(s.pings...)
	switch n.ping {
	case cell.PingZero: // comes in, if at all, and nothing goes out
		s.pings = []*tick{c.every(n.interval, func() {
			c.pass(c.pace - c.ahead)
			c.in(s, s.came, atProxy)
		})}
	case cell.PingOptions:
		s.pings = []*tick{c.every(n.interval, func() { n.asks(s) })}
	}
}

// asks is an OPTIONS of the registrar to where a registration came from. It is repeated by timer E
// until it is answered or the next one is due (RFC 3261 §17.1.2.2).
func (n *Network) asks(s *station) {
	c := n.course
	c.drop(s.pings[1:]...)
	s.pings = slices.Clone(s.pings[:1])
	if n.answers(s) {
		return
	}
	begun := c.now
	for _, after := range copies(false) {
		if after < n.interval {
			s.pings = append(s.pings, c.once(begun+after, func() {
				if n.answers(s) {
					c.drop(s.pings[1:]...)
				}
			}))
		}
	}
}

// answers says whether one copy of it gets in. The answer goes out in any case.
func (n *Network) answers(s *station) bool {
	c := n.course
	c.pass(c.pace - c.ahead)
	if c.in(s, s.came, atProxy) != (cell.Cause{}) {
		return false
	}
	c.pass(c.pace)
	s.line.out(atProxy, c.now)
	return true
}
