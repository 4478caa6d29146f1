package kernelnat

import (
	"fmt"
	"net/netip"
	"time"
)

// Box is the kernel or its model.
type Box interface {
	// Send lets a packet arrive from a side at a time since the start and returns what
	// the box sends in consequence.
	Send(from Side, p Packet, at time.Duration) ([]Emission, error)
}

// Run is a sequence in progress through a box.
type Run struct {
	Seq   Sequence
	Place Place
	box   Box
	// Sent and Got hold, for each step done, the packet sent and what came of it. Skipped
	// steps (they refer to something that was never seen) and pauses have no packet.
	Sent []Packet
	From []Side
	Got  [][]Emission
	At   []time.Duration

	talk   map[talkers]*conversation
	behind map[talkers]netip.AddrPort // who was seen behind an external endpoint, by server
}

// NewRun starts a sequence.
func NewRun(seq Sequence, place Place, box Box) *Run {
	return &Run{Seq: seq, Place: place, box: box}
}

// Done reports whether every step has been taken.
func (r *Run) Done() bool { return len(r.Got) >= len(r.Seq) }

// Next returns the step to take next.
func (r *Run) Next() Step { return r.Seq[len(r.Got)] }

// Step takes the next step.
func (r *Run) Step(at time.Duration) error {
	p, side, ok := r.packet(r.Next(), len(r.Got)+1)
	var got []Emission
	var err error
	if ok {
		if got, err = r.box.Send(side, p, at); err != nil {
			return fmt.Errorf("step %d, %v: %w", len(r.Got)+1, r.Next(), err)
		}
	}
	step := r.Next()
	if !ok {
		p = Packet{}
	}
	r.Sent = append(r.Sent, p)
	r.From = append(r.From, side)
	r.Got = append(r.Got, got)
	r.At = append(r.At, at)
	if ok && p.Proto == TCP {
		r.delivered(step, p, got)
	}
	return nil
}

// packet makes the packet of a step; ok is false if the step refers to a packet that
// did not arrive.
func (r *Run) packet(s Step, number int) (p Packet, side Side, ok bool) {
	if s.Pause != 0 {
		return p, 0, false
	}
	p = Packet{
		Proto: s.Proto, Tag: uint32(number),
		Flags: s.Flags,
		Type:  s.Type, Code: s.Code,
	}
	side = s.From.Host.Side()
	if s.About != 0 {
		about := r.arrival(s.About, side)
		if about == nil {
			return p, side, false
		}
		p.Quoted = about
		p.Src = netip.AddrPortFrom(r.Place.Addr(s.From.Host), 0)
		p.Dst = netip.AddrPortFrom(about.Src.Addr(), 0)
		return p, side, true
	}
	if p.Src, ok = r.endpoint(s.From); !ok {
		return p, side, false
	}
	if p.Dst, ok = r.endpoint(s.To); !ok {
		return p, side, false
	}
	if s.Data != "" {
		if p.Data, ok = r.fill(s.Data); !ok {
			return p, side, false
		}
	}
	if p.Proto == TCP {
		p.Window = 65535
		return p, side, r.number(s, &p)
	}
	if p.Proto == ICMP { // the identifier is that of the endpoint shown, if there is one
		id := p.Src.Port()
		if s.To.Seen != 0 {
			id = p.Dst.Port()
		}
		p.Src = netip.AddrPortFrom(p.Src.Addr(), id)
		p.Dst = netip.AddrPortFrom(p.Dst.Addr(), id)
	}
	return p, side, true
}

func (r *Run) endpoint(e Endpoint) (netip.AddrPort, bool) {
	if e.Seen == 0 {
		return netip.AddrPortFrom(r.Place.Addr(e.Host), e.Port), true
	}
	if e.Seen > len(r.Got) {
		return netip.AddrPort{}, false
	}
	for _, got := range r.Got[e.Seen-1] {
		if got.Side != r.From[e.Seen-1] {
			return got.Src, isPublic(got.Src.Addr())
		}
	}
	return netip.AddrPort{}, false
}

// isPublic is false for a source that was not translated: nobody can answer it.
func isPublic(a netip.Addr) bool { return !insideNet.Contains(a) }

// arrival returns the packet of a step as it arrived at a side.
func (r *Run) arrival(step int, side Side) *Packet {
	if step > len(r.Got) {
		return nil
	}
	for _, got := range r.Got[step-1] {
		if got.Side == side && got.Tag == r.Sent[step-1].Tag {
			p := got.Packet
			return &p
		}
	}
	return nil
}

// Packets returns how many packets were sent.
func (r *Run) Packets() int {
	n := 0
	for _, p := range r.Sent {
		if p.Src.IsValid() {
			n++
		}
	}
	return n
}
