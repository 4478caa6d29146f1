package kernelnat

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// Rules is the kernel's NAT as a list of rules, each measured against the kernel by
// this package: a list of connections, no cleverness.
type Rules struct {
	Choice Choice
	// Ports confines the ports of "masquerade to :first-last"; zero means no range.
	Ports [2]uint16
	// Guarded: the filter of a home router, which drops what is new from the outside or
	// invalid. Otherwise there is no filter at all.
	Guarded bool
	// Helper: the SIP helper watches connections to UDP port 5060.
	Helper bool
	Timers Timers
	Rand   *rand.Rand

	connections []*connection // oldest first
}

// tuple is what a packet is recognised by.
type tuple struct {
	proto    Proto
	src, dst netip.AddrPort
	kind     uint8 // ICMP type
}

func tupleOf(p Packet) tuple { return tuple{p.Proto, p.Src, p.Dst, p.Type} }

// inverse is the tuple of the answer.
func (t tuple) inverse() tuple {
	t.src, t.dst = t.dst, t.src
	if t.proto == ICMP {
		t.kind ^= EchoRequest ^ EchoReply
	}
	return t
}

// connection is an entry of the kernel's connection tracking.
type connection struct {
	original, reply tuple // as the packets of either direction arrive
	source          bool  // has been through the choice of a source
	created         time.Duration
	deadline        time.Duration
	replied         bool
	tcp             tcpTrack
}

// direction of a packet within its connection.
type direction uint8

const (
	forward direction = iota
	backward
)

func (c *connection) tuple(d direction) tuple {
	if d == forward {
		return c.original
	}
	return c.reply
}

// translated is the packet of that direction as it leaves.
func (c *connection) translated(p Packet, d direction) Packet {
	out := c.tuple(d ^ 1).inverse()
	p.Src, p.Dst = out.src, out.dst
	return p
}

// Send implements Box.
func (r *Rules) Send(from Side, p Packet, now time.Duration) ([]Emission, error) {
	r.expire(now)
	if p.Quoted != nil {
		return r.icmpError(from, p), nil
	}
	c, d := r.find(tupleOf(p))
	if c == nil {
		return r.first(from, p, now), nil
	}
	before := c.replied
	switch r.track(c, d, p, now) {
	case invalid:
		return r.invalid(from, p), nil
	case reopens:
		r.remove(c)
		return r.first(from, p, now), nil
	}
	if !before && d == backward {
		c.replied = true
	}
	p = c.translated(p, d)
	if isLocal(p.Dst.Addr()) {
		return r.local(from, p, now), nil
	}
	return []Emission{{sideOf(p.Dst.Addr()), p}}, nil
}

func (r *Rules) expire(now time.Duration) {
	live := r.connections[:0]
	for _, c := range r.connections {
		if now < c.deadline {
			live = append(live, c)
		}
	}
	r.connections = live
}

func (r *Rules) find(t tuple) (*connection, direction) {
	for _, c := range r.connections {
		switch t {
		case c.original:
			return c, forward
		case c.reply:
			return c, backward
		}
	}
	return nil, 0
}

func (r *Rules) remove(c *connection) {
	live := r.connections[:0]
	for _, o := range r.connections {
		if o != c {
			live = append(live, o)
		}
	}
	r.connections = live
}

// first handles a packet that belongs to no connection.
func (r *Rules) first(from Side, p Packet, now time.Duration) []Emission {
	c := &connection{original: tupleOf(p), created: now}
	if p.Proto == ICMP && p.Type != EchoRequest || r.track(c, forward, p, now) != valid {
		return r.invalid(from, p)
	}
	arrived := p
	if r.Choice == Static && oneToOne.Contains(p.Dst.Addr()) {
		p.Dst = netip.AddrPortFrom(insideOf(p.Dst.Addr()), p.Dst.Port())
	}
	c.reply = tupleOf(p).inverse()
	if isLocal(p.Dst.Addr()) {
		if r.Guarded && from == Outside {
			return nil
		}
		r.connections = append(r.connections, c)
		return r.local(from, p, now)
	}
	to := sideOf(p.Dst.Addr())
	if r.Guarded && from == Outside && p.Dst == arrived.Dst {
		return nil
	}
	if to == Outside {
		if !r.choose(c) {
			return nil
		}
		p = c.translated(p, forward)
	}
	r.connections = append(r.connections, c)
	return []Emission{{to, p}}
}

// invalid handles a packet that connection tracking makes no sense of: without a
// filter it is passed as it is.
func (r *Rules) invalid(from Side, p Packet) []Emission {
	if isLocal(p.Dst.Addr()) {
		if r.Guarded && from == Outside {
			return nil
		}
		return answer(from, p)
	}
	if r.Guarded {
		return nil
	}
	return []Emission{{sideOf(p.Dst.Addr()), p}}
}

// local delivers a packet to the router itself, which has no socket open.
func (r *Rules) local(from Side, p Packet, now time.Duration) []Emission {
	out := answer(from, p)
	for _, e := range out {
		if e.Quoted != nil {
			continue
		}
		if c, d := r.find(tupleOf(e.Packet)); c != nil {
			r.track(c, d, e.Packet, now)
			c.replied = true
		}
	}
	return out
}

// answer is what the router says to a packet for itself: port unreachable to UDP
// (RFC 1122 section 4.1.3.1), reset to TCP (RFC 9293 section 3.5.2), echo reply to
// echo request.
func answer(from Side, p Packet) []Emission {
	a := Packet{Proto: p.Proto, Src: p.Dst, Dst: p.Src}
	switch {
	case p.Proto == UDP:
		q := p
		a = Packet{
			Proto: ICMP, Type: Unreachable, Code: 3, Quoted: &q,
			Src: netip.AddrPortFrom(p.Dst.Addr(), 0), Dst: netip.AddrPortFrom(p.Src.Addr(), 0),
		}
	case p.Proto == ICMP && p.Type == EchoRequest:
		a.Type, a.Tag = EchoReply, p.Tag
	case p.Proto == TCP && p.Flags&RST == 0:
		a.Flags = RST
		if p.Flags&ACK == 0 {
			a.Flags |= ACK
		}
		a.Seq = p.Ack
	default:
		return nil
	}
	return []Emission{{from, a}}
}

// icmpError translates an error and the packet in it.
func (r *Rules) icmpError(from Side, p Packet) []Emission {
	c, d := r.find(tupleOf(*p.Quoted).inverse())
	if c == nil {
		return r.invalid(from, p)
	}
	out := c.tuple(d ^ 1) // the answer to the packet quoted would leave as its inverse
	if p.Type == natmodels.Redirect && c.tuple(d).inverse() != out {
		return nil
	}
	q := *p.Quoted
	q.Src, q.Dst = out.src, out.dst
	p.Quoted = &q
	if in := c.tuple(d); in.dst.Addr() != out.src.Addr() {
		p.Dst = netip.AddrPortFrom(out.src.Addr(), 0)
	}
	if in := c.tuple(d); in.src.Addr() != out.dst.Addr() {
		p.Src = netip.AddrPortFrom(out.dst.Addr(), 0)
	}
	if isLocal(p.Dst.Addr()) {
		return nil
	}
	return []Emission{{sideOf(p.Dst.Addr()), p}}
}

func isLocal(a netip.Addr) bool {
	for _, e := range External {
		if e == a {
			return true
		}
	}
	return a == RouterInside
}

func sideOf(a netip.Addr) Side {
	if insideNet.Contains(a) {
		return Inside
	}
	return Outside
}

// note is what connection tracking makes of a packet of a connection.
type note uint8

const (
	valid note = iota
	invalid
	reopens // the connection is over, and the packet starts another
)

// track takes note of a packet of a connection.
func (r *Rules) track(c *connection, d direction, p Packet, now time.Duration) note {
	switch p.Proto {
	case ICMP:
		c.deadline = now + r.Timers.ICMP
	case UDP:
		c.deadline = now + r.Timers.UDP
		if c.replied && now-c.created > streamAfter {
			c.deadline = now + r.Timers.UDPStream
		}
		if r.Helper && c.original.dst.Port() == sipPort {
			c.deadline = now + sipTimeout
		}
	case TCP:
		return r.trackTCP(c, d, p, now)
	}
	return valid
}

// streamAfter is how old a UDP connection with traffic both ways must be to get the
// stream timer (net/netfilter/nf_conntrack_proto_udp.c).
const streamAfter = 2 * time.Second

// The SIP helper is set by a rule for this port, and keeps its connections this long
// (net/netfilter/nf_conntrack_sip.c).
const (
	sipPort    = 5060
	sipTimeout = time.Hour
)
