package vnet

import (
	"errors"
	"fmt"
	"time"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/natmodels"
)

// Frame is what a port sends or gets: an IP packet or, if Segment is not zero, several segments of
// TCP in one, of that many bytes each but the last, as a network card takes them that cuts for its
// host (TSO). Of those the checksum of TCP means nothing.
//
// What several segments in one meet is what each would meet: they stay together only where nothing
// on the way could tell one from the others, which is on links that take time and do nothing else
// and at NATs. In the trace and in Stats they are one packet until they are cut.
type Frame struct {
	IP      []byte
	Segment int
}

var errSegments = errors.New("segments of another protocol than TCP")

// SendBatch is Send of several, one after the other, and of segments in one: the core does nothing
// else between them. The bytes are the port's again when it returns.
func (p *Port) SendBatch(frames []Frame) error {
	l := p.site.lab
	total := 0
	for _, f := range frames {
		if len(f.IP) > maxPacket || f.Segment < 0 {
			return fmt.Errorf("vnet: port %q: %d bytes in segments of %d are no IP packet", p.name, len(f.IP), f.Segment)
		}
		if f.Segment == 0 || !l.real {
			total += len(f.IP)
		}
	}
	memory := make([]byte, 0, total)
	keep := func(b []byte) []byte {
		at := len(memory)
		memory = append(memory, b...)
		return memory[at:len(memory):len(memory)]
	}
	now := time.Now()
	if !l.real {
		for _, f := range frames {
			a := arrival{site: p.site, port: p, payload: keep(f.IP), segment: f.Segment, at: now}
			if v, err := ippacket.Parse(f.IP); err == nil || errors.Is(err, ippacket.BadQuote) {
				a.src, a.dst = v.Packet.Src, v.Packet.Dst
			}
			l.arrive(a)
		}
		return nil
	}
	l.core.Lock()
	defer l.core.Unlock()
	for _, f := range frames {
		a := arrival{site: p.site, port: p, payload: f.IP, segment: f.Segment, at: now}
		if f.Segment == 0 {
			a.payload = keep(f.IP)
		}
		l.carryOne(&a)
	}
	l.flush()
	return nil
}

// Receive has the port get frames from now on, several segments in one among them, and be told
// when there is no more for now, so that it may write what it has got at one go. Both are called
// by the core, as AddPort has it; the bytes may be kept until flush returns.
func (p *Port) Receive(receive func(Frame), flush func()) error {
	if receive == nil || flush == nil {
		return fmt.Errorf("vnet: port %q: nobody receives", p.name)
	}
	l := p.site.lab
	l.enter()
	defer l.core.Unlock()
	p.flush = flush
	p.deliver = func(x *packet) {
		w := x.onWire()
		l.delivered(x, p.name)
		if !p.touched {
			p.touched = true
			l.touched = append(l.touched, p)
		}
		receive(Frame{w.b, x.segment})
	}
	return nil
}

// flush tells ports that have got something that this is all.
func (l *Lab) flush() {
	for i, p := range l.touched {
		p.touched = false
		p.flush()
		l.touched[i] = nil
	}
	l.touched = l.touched[:0]
}

// Close takes the port off its site: its name and its addresses are free.
func (p *Port) Close() error {
	l := p.site.lab
	l.enter()
	defer l.core.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	for _, a := range p.addrs {
		delete(p.site.ports, a)
	}
	delete(l.names, p.name)
	return nil
}

// apart takes segments that are in one apart.
func (l *Lab) apart(p *packet, next func(*packet)) {
	w := p.bytes
	parts, err := w.v.Segments(w.b, p.segment)
	var all []*packet
	if err == nil {
		all, err = l.fragments(p, parts)
	}
	if err != nil { // admit has seen to it that they are segments
		l.drop(p, p.np, "internet", Unsupported, natmodels.MappingInfo{}, err.Error())
		return
	}
	for _, part := range all {
		next(part)
	}
}
