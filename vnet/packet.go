package vnet

import (
	"fmt"
	"time"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/natmodels"
)

// packet is an IP packet on its way through the core.
//
// What a socket sends needs no bytes as long as nobody looks at them: they are made when a
// port, a fragment or an ICMP error wants them, and are then what is carried.
type packet struct {
	id, parent uint64
	np         natmodels.Packet
	payload    []byte // of UDP; shared, read only
	ttl        uint8
	bytes      *datagramBytes // nil: not made yet
	cuts       []int          // the lengths of the parts that it was joined from; nil is none
	largest    int            // then: the largest of these fragments
	cutID      uint32         // and their identification
	raw        bool           // a port made its bytes, and its checksums
	segment    int            // of a segment that is several in one: what each carries; zero is one
	borrowed   bool           // then: the bytes are the sender's, as long as it sends
	by, via    *pipe          // the two pipes that it goes over by express; via is nil if it does not
	ahead      time.Duration  // then: what the second takes
}

// manyFree is how many packets that have arrived are kept to be used again.
const manyFree = 64

// fresh is a packet with nothing in it that counts.
func (l *Lab) fresh() *packet {
	n := len(l.free)
	if n == 0 {
		return new(packet)
	}
	p := l.free[n-1]
	l.free = l.free[:n-1]
	return p
}

// over takes a packet back that a socket has got: nobody else has it.
func (l *Lab) over(p *packet) {
	if len(l.free) < manyFree {
		*p = packet{}
		l.free = append(l.free, p)
	}
}

// datagramBytes is a packet as it is on the wire. It belongs to one packet alone.
type datagramBytes struct {
	b []byte
	v ippacket.View
}

// The TTL that hosts and gateways send with.
const firstTTL = 64

// Lengths of headers (RFC 791, RFC 8200, RFC 768).
const (
	headerIPv4 = 20
	headerIPv6 = 40
	headerUDP  = 8
)

// size is the length of the IP packet in bytes, and of several in one the length of the first.
func (p *packet) size() int {
	switch {
	case p.segment > 0:
		return min(len(p.bytes.b), p.bytes.v.PayloadAt+p.segment)
	case p.bytes != nil:
		return len(p.bytes.b)
	case p.np.Src.Addr().Is4():
		return headerIPv4 + headerUDP + len(p.payload)
	}
	return headerIPv6 + headerUDP + len(p.payload)
}

// onWire makes the bytes of a packet that a socket sent, if they are not there.
func (p *packet) onWire() *datagramBytes {
	if p.bytes != nil {
		return p.bytes
	}
	// Linux looks for the path's MTU: DF is set, and the identification says nothing then
	// (RFC 6864 section 4.1).
	b, err := ippacket.AppendUDP(nil, ippacket.Header{TTL: p.ttl, DF: true}, p.np.Src, p.np.Dst, p.payload)
	if err != nil {
		panic(fmt.Sprintf("vnet: a packet of a socket has no bytes: %v", err)) // sockets have checked all of it
	}
	v, err := ippacket.Parse(b)
	if err != nil {
		panic(fmt.Sprintf("vnet: a packet that was just made cannot be read: %v", err))
	}
	p.bytes = &datagramBytes{b, v}
	return p.bytes
}

// packetOf makes a packet of bytes that are a valid one.
func (l *Lab) packetOf(b []byte, v ippacket.View, parent uint64) *packet {
	l.nextID++
	p := &packet{id: l.nextID, parent: parent, np: v.Packet, ttl: v.TTL, bytes: &datagramBytes{b, v}}
	p.takePayload()
	return p
}

// takePayload has the payload be that of the bytes.
func (p *packet) takePayload() {
	p.payload = nil
	if p.np.Protocol == natmodels.UDP && !p.bytes.v.Fragmented() {
		p.payload = p.bytes.v.Payload(p.bytes.b)
	}
}

// own gives a packet bytes that nobody else has.
func (p *packet) own() {
	if p.bytes != nil {
		p.bytes = &datagramBytes{append([]byte(nil), p.bytes.b...), p.bytes.v}
		p.takePayload()
	}
}

// become takes over what a NAT made of the packet, one of the other family (NAT64) by RFC 7915.
func (p *packet) become(np natmodels.Packet) error {
	if p.bytes != nil {
		if np.Src.Addr().Is4() == (p.bytes.v.Version == 4) {
			if err := p.bytes.v.Apply(p.bytes.b, np); err != nil {
				return err
			}
			p.takePayload()
		} else if err := p.rebuild(np); err != nil {
			return err
		}
	}
	p.np = np
	return nil
}

// rebuild makes the packet one of the other family.
func (p *packet) rebuild(np natmodels.Packet) error {
	b, err := p.bytes.v.Translate(nil, uint16(p.id), np, p.bytes.b)
	if err != nil {
		return err
	}
	v, err := ippacket.Parse(b)
	if err != nil {
		return err
	}
	p.bytes = &datagramBytes{b, v}
	p.takePayload()
	return nil
}

// carry gives the packet another payload, as an ALG does.
func (p *packet) carry(payload []byte) error {
	if p.bytes == nil {
		if len(payload) > maxDatagram {
			return ippacket.TooLong
		}
		p.payload = payload
		return nil
	}
	p.own() // the trace keeps what was there
	b, err := p.bytes.v.ReplaceUDPPayload(p.bytes.b, payload)
	if err != nil {
		return err
	}
	p.bytes.b = b
	p.takePayload()
	return nil
}

// hop takes a hop off the TTL, and says whether there was one to spare (RFC 1812 section 5.3.1).
func (p *packet) hop() bool {
	if p.ttl <= 1 {
		return false
	}
	p.ttl--
	if p.bytes != nil {
		return p.bytes.v.DecTTL(p.bytes.b) == nil
	}
	return true
}
