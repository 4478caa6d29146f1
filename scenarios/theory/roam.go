package theory

import (
	"errors"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
)

// roamed is the number of the host that a goes on by.
const roamed = 5

// newRoamed is a where it roams to, alone behind the NAT there.
func newRoamed(cfg Config) (end, error) {
	there := cfg
	there.OneNAT, there.Neighbour, there.Crowd = false, false, 0
	there.A, there.B = cfg.Roams, End{}
	e, err := newEnd(there, cfg.Roams)
	switch {
	case err != nil:
		return e, err
	case cfg.When == cell.WhenRinging:
		return e, errors.New("a phone that leaves while it rings")
	case cfg.Forwards:
		return e, errors.New("a phone that leaves its port forwards behind")
	case cfg.Roams.NAT.Kind != natmodels.Router && cfg.ALG != nil:
		return e, errors.New("what an ALG takes for the mapping of an end, when the NAT is another than before")
	}
	return e, nil
}

// Roams is the REGISTER by which a says that it has another address: it comes from there, and names
// what the port manager says there. The binding of before it takes back with it (RFC 3261 §10.2.2).
func (n *Network) Roams() Answer {
	c, was := n.course, n.a
	old := c.a
	old.end, old.line.left = &was, true
	n.a = *n.roams
	now := c.station(&n.a, roamed)
	now.contact, now.alias, now.before = old.contact, old.alias, old.before
	c.a, c.left = now, old
	c.drop(old.pings...)
	n.registers(now)
	return Arrives()
}

// Roamed is the answer to that.
func (n *Network) Roamed() Answer { return n.Registered(cell.A, "200 to REGISTER") }

// InCall is the time of a call until something happens in the midst of it.
func (n *Network) InCall() { n.inCall() }

// RoamsInCall is that a, which has registered from another address or found that it cannot, asks for
// addresses of media there. It sends media by them before the other end has been told.
func (n *Network) RoamsInCall() {
	c := n.course
	s := c.a
	n.asksAnew(s)
	for _, t := range c.talks {
		x := t.ends[cell.A]
		x.station, x.line = s, &line{host: endpoint{s.line.host.address, x.line.host.port}, boxes: s.line.boxes}
		x.announce(c)
	}
	if c.first == cell.A {
		n.converses(cell.RTP, cell.A)
	}
}

// asksAnew is that a port manager is asked for the address of SIP, which if it is another one is
// registered.
func (n *Network) asksAnew(s *station) {
	if s.end.traits.Address != Asked {
		return
	}
	if n.course.asks(s); s.asked != s.wrote {
		n.registersAgain(s)
	}
}
