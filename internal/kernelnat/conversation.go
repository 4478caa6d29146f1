package kernelnat

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// party is an end of a TCP connection.
type party uint8

const (
	client party = iota // the inside host
	server
)

func (p party) other() party { return p ^ 1 }

// conversation gives the segments between an inside endpoint and a server the
// sequence numbers that two hosts would, so that a router that watches windows has
// nothing to object to: the test is about translation.
type conversation struct {
	ends    [2]half
	arrived bool // something has
}

// half is what one end has sent, and heard.
type half struct {
	isn, next uint32
	heard     uint32 // what the other end has sent that arrived here
	window    bool   // an acknowledgement has arrived here: more may be sent
	opening   bool   // a SYN was sent without knowing of one from the other end
	closing   bool   // a FIN was sent
	ended     bool   // a FIN has arrived here
	dead      bool   // a RST was sent or arrived: a SYN starts anew
}

var firstISN = [2]uint32{client: 1000, server: 5000}

// incarnation is the distance between the initial sequence numbers of connections
// between the same endpoints.
const incarnation = 1_000_000

// segment returns the numbers of the next segment with these flags from one end; ok
// is false if no host would send it now.
func (c *conversation) segment(from party, flags natmodels.TCPFlags) (seq, ack uint32, ok bool) {
	if !c.arrived {
		c.start(flags)
	}
	h := &c.ends[from]
	switch segmentOf(flags) {
	case segSYN:
		seq, ok = h.open(from)
		return seq, 0, ok
	case segSYNACK:
		if h.dead || c.arrived && h.heard == 0 {
			return 0, 0, false
		}
		h.next = h.isn + 1
		return h.isn, h.heard, true
	case segRST:
		return h.reset(flags)
	}
	if h.dead || !h.window {
		return 0, 0, false
	}
	if flags&FIN == 0 {
		return h.next, h.heard, true
	}
	if !h.closing {
		h.closing = true
		h.next++
	}
	return h.next - 1, h.heard, true
}

// start sets the numbers for a conversation that this segment is the first of to
// arrive: a SYN opens it, other segments find it under way.
func (c *conversation) start(flags natmodels.TCPFlags) {
	for p, isn := range firstISN {
		c.ends[p] = half{isn: isn, next: isn}
	}
	switch segmentOf(flags) {
	case segSYN, segSYNACK:
		return
	}
	for p := range c.ends {
		c.ends[p].next = firstISN[p] + 1
		c.ends[p].heard = firstISN[party(p).other()] + 1
		c.ends[p].window = true
	}
}

// open sends a SYN: the first one, the same again, or that of a new connection. A
// client may begin anew when either end has closed, a server when both have; while one
// has, it sends none.
func (h *half) open(from party) (seq uint32, ok bool) {
	over := h.dead || h.closing && h.ended || from == client && (h.closing || h.ended)
	if !over && (h.closing || h.ended) {
		return 0, false
	}
	if over {
		*h = half{isn: h.isn + incarnation}
	}
	if from == client || !h.window {
		h.next = h.isn + 1
	}
	h.opening = true
	return h.isn, true
}

// reset sends a RST, which refuses a SYN if it has ACK and nothing was sent before
// (RFC 9293 section 3.5.2).
func (h *half) reset(flags natmodels.TCPFlags) (seq, ack uint32, ok bool) {
	if flags&ACK == 0 {
		h.dead = true
		return h.next, 0, true
	}
	if h.heard == 0 || h.opening && !h.window {
		return 0, 0, false
	}
	seq = h.next
	if !h.window {
		seq = 0
	}
	h.dead = true
	return seq, h.heard, true
}

// renew forgets the connection before; a SYN of our own that is under way stands.
func (h *half) renew() {
	fresh := half{isn: h.isn + incarnation, next: h.isn + incarnation}
	if h.opening {
		fresh = half{isn: h.isn, next: h.isn + 1, opening: true}
	}
	*h = fresh
}

// arrive takes note that a segment reached the other end.
func (c *conversation) arrive(from party, flags natmodels.TCPFlags, seq uint32) {
	c.arrived = true
	h := &c.ends[from.other()]
	end := seq
	if flags&(SYN|FIN) != 0 {
		end++
	}
	switch {
	case flags&RST != 0:
		h.dead = true
		return
	case flags&SYN != 0:
		if from == client && (h.dead || h.heard != 0 && h.heard != end) { // a new connection to answer
			h.renew()
		}
		h.heard = end
	case int32(end-h.heard) > 0:
		h.heard = end
	}
	if flags&ACK != 0 {
		h.window, h.opening = true, false
	}
	h.ended = h.ended || flags&FIN != 0
}

// talkers names a conversation.
type talkers struct{ inside, server netip.AddrPort }

// conversation returns the conversation that a TCP step is part of, or nil if the
// segment is out of the blue.
func (r *Run) conversation(s Step, p Packet) (*conversation, party) {
	key := talkers{p.Src, p.Dst}
	from := client
	if s.From.Host.Side() == Outside {
		from = server
		inside, ok := r.behind[talkers{p.Dst, p.Src}]
		if oneToOne.Contains(p.Dst.Addr()) {
			inside, ok = netip.AddrPortFrom(insideOf(p.Dst.Addr()), p.Dst.Port()), true
		}
		if !ok {
			return nil, from
		}
		key = talkers{inside, p.Src}
	}
	if r.talk == nil {
		r.talk = make(map[talkers]*conversation)
	}
	c := r.talk[key]
	if c == nil {
		c = &conversation{}
		r.talk[key] = c
	}
	return c, from
}

// number fills in the sequence numbers of a TCP packet.
func (r *Run) number(s Step, p *Packet) bool {
	c, from := r.conversation(s, *p)
	if c == nil {
		p.Seq = firstISN[from]
		if p.Flags&ACK != 0 {
			p.Ack = firstISN[from.other()] + 1
		}
		return true
	}
	var ok bool
	p.Seq, p.Ack, ok = c.segment(from, p.Flags)
	return ok
}

// delivered takes note of a TCP packet that the box let through.
func (r *Run) delivered(s Step, sent Packet, got []Emission) {
	for _, e := range got {
		if e.Proto != TCP || e.Side == r.From[len(r.From)-1] || e.Flags != sent.Flags || !isPublic(e.Src.Addr()) {
			continue
		}
		if r.behind == nil {
			r.behind = make(map[talkers]netip.AddrPort)
		}
		if s.From.Host.Side() == Inside {
			r.behind[talkers{e.Src, e.Dst}] = sent.Src
		}
		if c, from := r.conversation(s, sent); c != nil {
			c.arrive(from, sent.Flags, sent.Seq)
		}
	}
}
