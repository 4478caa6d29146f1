package kernelnat

import (
	"math/rand/v2"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// Generator makes sequences.
type Generator struct {
	Rand *rand.Rand
	// Pauses, if any, are drawn from to put between steps, up to Patience in all.
	Pauses   []time.Duration
	Patience time.Duration
	// Protocols are drawn from, one or more for a sequence.
	Protocols []Proto
	// External is what unsolicited packets are sent to, beside what was seen.
	External []Host
	// Servers are the ports of servers.
	Servers []uint16
	// Length is the least and the greatest number of packets.
	Length [2]int
}

// talk is an exchange between an inside endpoint and a server under way.
type talk struct {
	proto       Proto
	inside, far Endpoint
	out         []int // steps that went out
	in          []int // steps that came back
	answered    bool  // TCP: a SYN+ACK came back
	ended       bool  // TCP: a FIN or RST was sent
}

// composer is a sequence being made.
type composer struct {
	*Generator
	seq    Sequence
	talks  []*talk
	paused time.Duration
	protos []Proto
	ports  []uint16
}

var portChoices = []uint16{40000, 40000, 40000, 40000, 40001, 40001, 5060, 21000, 21000, 700, 100}

// Sequence makes the next sequence.
func (g *Generator) Sequence() Sequence {
	c := &composer{Generator: g}
	c.protos = []Proto{g.Protocols[g.Rand.IntN(len(g.Protocols))]}
	if g.Rand.IntN(4) == 0 {
		c.protos = g.Protocols
	}
	for range 1 + g.Rand.IntN(2) {
		c.ports = append(c.ports, portChoices[g.Rand.IntN(len(portChoices))])
	}
	if len(g.Pauses) > 0 && g.Rand.IntN(2) == 0 {
		c.lifetime()
		return c.seq
	}
	packets := g.Length[0] + g.Rand.IntN(g.Length[1]-g.Length[0]+1)
	for n := 0; n < packets; {
		c.pause()
		before := len(c.seq)
		c.act()
		n += len(c.seq) - before
	}
	return c.seq
}

func (c *composer) pause() {
	if len(c.Pauses) == 0 || len(c.seq) == 0 || c.pick(3) > 0 {
		return
	}
	c.rest(c.Pauses[c.pick(len(c.Pauses))])
}

func (c *composer) rest(d time.Duration) {
	if c.paused+d <= c.Patience {
		c.paused += d
		c.add(Step{Pause: d})
	}
}

func (c *composer) add(s Step) int {
	c.seq = append(c.seq, s)
	return len(c.seq)
}

func (c *composer) pick(n int) int { return c.Rand.IntN(n) }

func (c *composer) port() uint16 { return c.ports[c.pick(len(c.ports))] }

func (c *composer) insideEndpoint() Endpoint {
	return Endpoint{Host: A + Host(c.pick(3)*c.pick(2)), Port: c.port()}
}

func (c *composer) server() Endpoint {
	return Endpoint{Host: S1 + Host(c.pick(3)), Port: c.Servers[c.pick(len(c.Servers))]}
}

func (c *composer) external() Endpoint {
	return Endpoint{Host: c.External[c.pick(len(c.External))], Port: c.port()}
}

// talk returns a random exchange with a packet out, or nil.
func (c *composer) talk() *talk {
	if len(c.talks) == 0 {
		return nil
	}
	return c.talks[c.pick(len(c.talks))]
}

func (t *talk) seen() Endpoint { return Endpoint{Seen: t.out[len(t.out)-1]} }

func (c *composer) act() {
	t := c.talk()
	roll := c.pick(100)
	switch {
	case t == nil && roll < 80, roll < 30:
		c.open()
	case t == nil, roll < 38:
		c.unsolicited()
	case roll < 68:
		c.carryOn(t)
	case roll < 78:
		c.stranger(t)
	case roll < 88:
		c.icmpError(t)
	case roll < 93:
		c.hairpin(t)
	default:
		c.talkAgain(t)
	}
}

// open sends the first packet from an inside endpoint to a server, or one more.
func (c *composer) open() {
	proto := c.protos[c.pick(len(c.protos))]
	from, to := c.insideEndpoint(), c.server()
	for _, t := range c.talks {
		if t.proto == proto && t.inside == from && t.far == to {
			c.talkAgain(t)
			return
		}
	}
	t := &talk{proto: proto, inside: from, far: to}
	c.talks = append(c.talks, t)
	if proto == TCP {
		c.dial(t)
		return
	}
	c.talkAgain(t)
}

// lifetime takes one exchange to some state, pauses, and looks what is left of it.
func (c *composer) lifetime() {
	t := &talk{proto: c.protos[c.pick(len(c.protos))], inside: c.insideEndpoint(), far: c.server()}
	out := func(flags natmodels.TCPFlags) { t.out = append(t.out, c.add(c.plain(t, true, flags))) }
	in := func(flags natmodels.TCPFlags) { t.in = append(t.in, c.add(c.plain(t, false, flags))) }
	either := []func(natmodels.TCPFlags){out, in}
	if t.proto == TCP {
		near := c.pick(2) // who closes
		far := 1 - near
		path := []func(){
			func() { out(SYN) }, func() { in(SYN | ACK) }, func() { out(ACK) },
			func() { either[near](FIN | ACK) }, func() { either[far](ACK) },
			func() { either[far](FIN | ACK) }, func() { either[near](ACK) },
		}
		for _, step := range path[:1+c.pick(len(path))] {
			step()
		}
		if len(t.in) > 0 && c.pick(6) == 0 {
			either[c.pick(2)](RST)
		}
	} else {
		out(0)
		for range c.pick(7) {
			c.rest(c.Pauses[0])
			either[c.pick(2)](0)
		}
	}
	c.rest(c.Pauses[c.pick(len(c.Pauses))])
	probe := ACK
	if c.pick(3) == 0 {
		c.icmpError(t)
	}
	if c.pick(4) == 0 {
		out(probe)
	}
	in(probe)
	if t.proto == TCP {
		probe = SYN
	}
	out(probe)
}

// plain is a packet of an exchange.
func (c *composer) plain(t *talk, outward bool, flags natmodels.TCPFlags) Step {
	s := Step{Proto: t.proto, From: t.inside, To: t.far}
	if !outward {
		s.From, s.To = t.far, t.seen()
	}
	switch t.proto {
	case TCP:
		s.Flags = flags
	case ICMP:
		s.Type = EchoRequest
		if !outward {
			s.Type = EchoReply
		}
	}
	return s
}

// talkAgain sends a packet from the inside.
func (c *composer) talkAgain(t *talk) {
	if t.proto == TCP {
		c.tcpOut(t)
		return
	}
	t.out = append(t.out, c.add(c.plain(t, true, 0)))
}

// carryOn answers from the server.
func (c *composer) carryOn(t *talk) {
	if t.proto == TCP {
		c.tcpIn(t)
		return
	}
	t.in = append(t.in, c.add(c.plain(t, false, 0)))
}

// stranger sends to the external endpoint of an exchange from another place.
func (c *composer) stranger(t *talk) {
	s := Step{Proto: t.proto, From: c.server(), To: Endpoint{Seen: t.out[c.pick(len(t.out))]}}
	c.intrude(&s)
	c.add(s)
}

// unsolicited sends to an external port that may or may not be in use.
func (c *composer) unsolicited() {
	s := Step{Proto: c.protos[c.pick(len(c.protos))], From: c.server(), To: c.external()}
	c.intrude(&s)
	c.add(s)
}

func (c *composer) intrude(s *Step) {
	switch s.Proto {
	case ICMP:
		s.Type = []uint8{EchoRequest, EchoReply}[c.pick(2)]
		s.From.Port = s.To.Port
	case TCP:
		s.Flags = []natmodels.TCPFlags{SYN, SYN, SYN | ACK, ACK, RST, FIN | ACK}[c.pick(6)]
	}
}

// icmpError quotes a packet of an exchange: one that went out, from its destination
// or from anywhere, or one that came in.
func (c *composer) icmpError(t *talk) {
	s := Step{Proto: ICMP, Type: Unreachable, Code: uint8(c.pick(4))}
	if c.pick(4) == 0 {
		s.Type, s.Code = TimeExceeded, 0
	}
	if len(t.in) > 0 && c.pick(3) == 0 {
		s.About = t.in[c.pick(len(t.in))]
		s.From.Host = t.inside.Host
	} else {
		s.About = t.out[c.pick(len(t.out))]
		s.From.Host = []Host{t.far.Host, c.server().Host}[c.pick(2)]
	}
	c.add(s)
}

// hairpin sends from the inside to an external endpoint.
func (c *composer) hairpin(t *talk) {
	s := Step{Proto: t.proto, From: c.insideEndpoint(), To: t.seen()}
	if c.pick(3) == 0 {
		s.To = c.external()
	}
	switch s.Proto {
	case ICMP:
		s.Type = EchoRequest
	case TCP:
		s.Flags = SYN
	}
	c.add(s)
}

// dial starts a TCP connection, or picks one up in the middle.
func (c *composer) dial(t *talk) {
	s := Step{Proto: TCP, From: t.inside, To: t.far, Flags: SYN}
	switch c.pick(16) {
	case 0:
		s.Flags = ACK
		t.answered = true
	case 1:
		s.Flags = []natmodels.TCPFlags{SYN | ACK, RST, FIN | ACK}[c.pick(3)]
	}
	t.out = append(t.out, c.add(s))
}

// tcpOut sends the next segment of the client.
func (c *composer) tcpOut(t *talk) {
	s := Step{Proto: TCP, From: t.inside, To: t.far, Flags: ACK}
	roll := c.pick(10)
	switch {
	case t.ended && roll < 5: // the ports again, later
		t.answered, t.ended = false, false
		s.Flags = SYN
	case !t.answered && roll == 0:
		s.Flags = SYN | ACK
	case !t.answered:
		s.Flags = SYN
	case roll < 3:
		s.Flags = FIN | ACK
		t.ended = true
	case roll == 3:
		s.Flags = RST
		t.ended = true
	}
	t.out = append(t.out, c.add(s))
}

// tcpIn sends the next segment of the server.
func (c *composer) tcpIn(t *talk) {
	s := Step{Proto: TCP, From: t.far, To: t.seen(), Flags: ACK}
	roll := c.pick(10)
	switch {
	case !t.answered && roll == 0:
		s.Flags = RST | ACK
		t.ended = true
	case !t.answered && roll < 3: // simultaneous open
		s.Flags = SYN
	case !t.answered:
		s.Flags = SYN | ACK
		t.answered = true
	case roll < 3:
		s.Flags = FIN | ACK
		t.ended = true
	case roll == 3:
		s.Flags = RST
		t.ended = true
	case roll == 4:
		s.Flags = SYN | ACK
	}
	t.in = append(t.in, c.add(s))
}
