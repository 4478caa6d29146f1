package theory

import (
	"fmt"
	"slices"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
)

// talk is the media of a call in the course of things: what the rules of [Network.Stream] say at
// once, packet by packet. It is for calls in which something happens, and theirs is what
// arrives once the state is steady again.
type talk struct {
	part cell.Part
	ends map[cell.Side]*socket
	open bool // the window in which who latches for a time may be moved
}

// socket is that of an end for RTP, or for RTCP.
type socket struct {
	station   *station
	line      *line
	part      cell.Part
	announced endpoint // by its end
	signalled endpoint // by the other
	target    endpoint // where it sends
	settled   bool     // who latches once has heard somebody
	sent      bool
	strays    bool       // it has sent to a stranger
	cause     cell.Cause // what stopped the last packet
}

// rounds are more than media needs to be steady.
const rounds = 6

// talks begins the media of a call that was answered: each end knows what it has announced, and the
// callee is the first to send.
func (n *Network) talks() {
	c := n.course
	c.talks = nil
	for _, part := range []cell.Part{cell.RTP, cell.RTCP} {
		t := &talk{part: part, open: true, ends: map[cell.Side]*socket{}}
		for _, side := range []cell.Side{n.caller, n.caller.Other()} {
			t.ends[side] = c.opened(n.station(side), part)
		}
		for side, x := range t.ends {
			x.signals(t.ends[side.Other()].announced)
		}
		c.talks = append(c.talks, t)
	}
	n.converse(n.caller.Other())
	for _, t := range c.talks {
		t.open = false
	}
}

// opened is the socket with which a caller has called, or another one.
func (c *course) opened(s *station, part cell.Part) *socket {
	for _, x := range c.offered {
		if x.station == s && x.part == part {
			return x
		}
	}
	return c.opens(s, part)
}

// opens a socket, and learns what it is to be announced as.
func (c *course) opens(s *station, part cell.Part) *socket {
	x := &socket{station: s, part: part, line: &line{host: endpoint{s.line.host.address, cell.RTPPort}, boxes: s.line.boxes}}
	if part == cell.RTCP {
		x.line.host.port = cell.RTCPPort
	}
	x.announce(c)
	return x
}

// announce learns what the socket is to be announced as.
func (x *socket) announce(c *course) {
	switch x.station.end.traits.Address {
	case Bound:
		x.announced = x.line.host
	case Asked:
		x.announced = x.line.out(atSTUN, c.now)
	case Forwarded:
		x.announced = endpoint{x.station.forward.address, x.line.host.port}
	}
}

// signals is what a description of the other end says: another address is where the socket sends
// now, the same is nothing new, and who latches may do so again.
func (x *socket) signals(to endpoint) {
	x.settled = false
	if to != x.signalled {
		x.signalled, x.target = to, to
	}
}

// converse has both ends send in turn, until it is always the same.
func (n *Network) converse(first cell.Side) {
	n.converses(cell.RTP, first, first.Other())
	n.converses(cell.RTCP, first, first.Other())
}

// converses is that of some, and of one part.
func (n *Network) converses(part cell.Part, sides ...cell.Side) {
	t := n.course.talks[slices.IndexFunc(n.course.talks, func(t *talk) bool { return t.part == part })]
	for range rounds {
		for _, side := range sides {
			n.course.sendsMedia(t, side)
		}
	}
}

// sendsMedia is a packet of one end to where it sends.
func (c *course) sendsMedia(t *talk, from cell.Side) {
	x, y := t.ends[from], t.ends[from.Other()]
	x.sent = !(stream{rtcp: t.part == cell.RTCP}).silent(*x.station.end)
	if !x.sent {
		return
	}
	at, src, cause := c.carry(x.line, x.target)
	x.cause = cause
	switch {
	case !cause.IsZero():
	case at != y.line.host:
		x.cause = cell.Cause{Box: c.host(at.address), Rule: cell.RuleElsewhere}
	default:
		x.cause = y.hears(src, t.open)
	}
}

// hears is a packet that reached the socket, from there.
func (x *socket) hears(from endpoint, open bool) cell.Cause {
	traits := x.station.end.traits
	if traits.Strict && from != x.signalled {
		return cell.Cause{Box: x.station.end.host, Rule: cell.RuleStrict}
	}
	if from != x.target && traits.Latch && traits.Policy.moves(x, from, open) {
		x.target = from
	}
	x.settled = true
	return cell.Cause{}
}

// moves says whether what comes from another source than the present target makes it the target.
func (p LatchPolicy) moves(x *socket, from endpoint, open bool) bool {
	switch p {
	case LatchOnce:
		return !x.settled
	case LatchWindow:
		return open
	case LatchSameAddress:
		return from.address == x.signalled.address
	}
	return true
}

// carry sends a packet from a line to an endpoint. It says which endpoint of a host it reaches and
// from where it comes there, or what stops it.
func (c *course) carry(l *line, to endpoint) (at, src endpoint, cause cell.Cause) {
	src = l.host
	at = to
	for _, g := range l.boxes {
		if c.inside(g, to) {
			return c.enters(g.box, at, src)
		}
		if to.address == g.address {
			if g.behavior.Hairpin == natmodels.NoHairpinning {
				return at, src, cell.Cause{Box: g.box, Rule: cell.RuleHairpin}
			}
			out := g.out(src, to, c.now)
			at, cause = g.in(to, out, c.now)
			if g.behavior.Hairpin != natmodels.InternalSource {
				src = out
			}
			if !cause.IsZero() {
				return at, src, cause
			}
			at, src, cause = c.enters(g.box, at, src)
			if cause.Rule == cell.RuleNoRoute { // it was sent from there, and not let in
				cause.Box = "inside " + g.box
			}
			return at, src, cause
		}
		src = g.out(src, to, c.now)
	}
	return c.enters(cell.BoxInternet, at, src)
}

// inside says whether an endpoint is in the realm behind a NAT.
func (c *course) inside(g *gate, to endpoint) bool {
	for _, s := range []*station{c.a, c.b, c.beside} {
		if s == nil {
			continue
		}
		i := slices.Index(s.line.boxes, g)
		switch {
		case i == 0 && to.address == s.line.host.address:
			return true
		case i > 0 && to.address == s.line.boxes[i-1].address:
			return true
		}
	}
	return false
}

// enters is the way of a packet from a realm to the host it is for.
func (c *course) enters(realm string, at, from endpoint) (endpoint, endpoint, cell.Cause) {
	for at.address >= networks {
		g := c.at(at.address)
		if g == nil {
			return at, from, cell.Cause{Box: realm, Rule: cell.RuleNoRoute}
		}
		var cause cell.Cause
		realm = g.box
		if at, cause = g.in(at, from, c.now); !cause.IsZero() {
			return at, from, cause
		}
	}
	if at == atStranger && realm == cell.BoxInternet {
		return at, from, cell.Cause{}
	}
	for _, s := range []*station{c.a, c.b, c.beside} {
		if s == nil || s.line.host.address != at.address {
			continue
		}
		home := cell.BoxInternet
		if len(s.line.boxes) > 0 {
			home = s.line.boxes[0].box
		}
		if home == realm {
			return at, from, cell.Cause{}
		}
	}
	return at, from, cell.Cause{Box: realm, Rule: cell.RuleNoRoute}
}

// streams is what becomes of media now.
func (n *Network) streams(part cell.Part, from cell.Side) Answer {
	carrier := part
	if part == cell.Keys { // in the stream of RTP
		carrier = cell.RTP
	}
	i := slices.IndexFunc(n.course.talks, func(t *talk) bool { return t.part == carrier })
	x := n.course.talks[i].ends[from]
	switch {
	case !x.sent:
		return NotSent(x.station.end.host, part.Message(), "it is silent")
	case x.cause.IsZero():
		return Arrives()
	}
	c := x.cause
	c.Message = part.Message()
	c.Why = x.whyNot(c.Box, c.Rule)
	return answer(c)
}

func (x *socket) whyNot(box string, r cell.Rule) string {
	switch r {
	case cell.RuleFlushed:
		return fmt.Sprintf("%s has forgotten the mapping that leads to where %s sends, and nobody has told it of another", box, x.station.end.host)
	case cell.RuleNoRoute:
		return fmt.Sprintf("%s sends to an address that is private, or that the NAT no longer has", x.station.end.host)
	case cell.RuleFiltered, cell.RuleNoMapping:
		return fmt.Sprintf("%s is not seen at the address that %s admits at the mapping to which it sends (RFC 4787 §5)", x.station.end.host, box)
	case cell.RuleElsewhere:
		return fmt.Sprintf("%s has latched on to it and hears nobody else", x.station.end.host)
	case cell.RuleStrict:
		return fmt.Sprintf("%s is not seen at the address that it announced", x.station.end.host)
	case cell.RuleHairpin:
		return fmt.Sprintf("%s sends to an address of the NAT that both are behind, and that does not hairpin (RFC 4787 §6, REQ-9)", x.station.end.host)
	}
	return ""
}
