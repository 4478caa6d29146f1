package vnet

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/natmodels"
)

// Malformed: what came in at a port is no IP packet.
const Malformed Reason = "malformed"

// Spoofed: a port sent from an address that is not its own.
const Spoofed Reason = "spoofed"

// Port is a socket for whole IP packets, as a program with an IP stack of its own has one. It
// stands in the place of a host.
type Port struct {
	site    *Site
	name    string
	addrs   []netip.Addr
	deliver func(*packet)
	flush   func() // nil: nobody wants to know
	touched bool   // it is in the lab's list
	closed  bool
}

// AddPort attaches a port that has these addresses. What is for one of them is handed to receive,
// by the core: receive must neither block, nor call back into the lab but for Send, nor keep the
// packet.
func (s *Site) AddPort(name string, receive func(ip []byte), addrs ...netip.Addr) (*Port, error) {
	s.lab.enter()
	defer s.lab.core.Unlock()
	switch {
	case s.guest != nil:
		return nil, fmt.Errorf("vnet: port %q: %q is a pion router, which carries UDP only", name, s.name)
	case receive == nil:
		return nil, fmt.Errorf("vnet: port %q: nobody receives", name)
	case len(addrs) == 0:
		return nil, fmt.Errorf("vnet: port %q: it has no address", name)
	}
	if err := s.checkAddrs(addrs); err != nil {
		return nil, fmt.Errorf("vnet: port %q: %w", name, err)
	}
	if err := s.lab.claim(name); err != nil {
		return nil, err
	}
	p := &Port{site: s, name: name, addrs: append([]netip.Addr(nil), addrs...)}
	p.deliver = func(x *packet) {
		w := x.onWire()
		if x.segment > 0 {
			s.lab.apart(x, p.deliver)
			return
		}
		s.lab.delivered(x, name)
		receive(w.b)
	}
	if s.ports == nil {
		s.ports = map[netip.Addr]*Port{}
	}
	for _, a := range addrs {
		s.ports[a] = p
	}
	return p, nil
}

// Name is the port's name in traces.
func (p *Port) Name() string { return p.name }

// Addrs are its addresses.
func (p *Port) Addrs() []netip.Addr { return append([]netip.Addr(nil), p.addrs...) }

// Site is the network it is on.
func (p *Port) Site() *Site { return p.site }

// maxPacket is the most that a length field of IPv4 says; one of IPv6 is 40 bytes more.
const maxPacket = 65535 + headerIPv6

// Send hands a whole IP packet to the network; b may be used again at once. What is no IP packet
// is dropped as "malformed", one from another address than the port's as "spoofed".
func (p *Port) Send(b []byte) error {
	if len(b) > maxPacket {
		return fmt.Errorf("vnet: port %q: %d bytes are no IP packet", p.name, len(b))
	}
	a := arrival{site: p.site, port: p, payload: append([]byte(nil), b...), at: time.Now()}
	if v, err := ippacket.Parse(b); err == nil || errors.Is(err, ippacket.BadQuote) {
		a.src, a.dst = v.Packet.Src, v.Packet.Dst
	}
	p.site.lab.arrive(a)
	return nil
}

// admit gives a packet its identity, or drops what is none.
func (p *Port) admit(a *arrival) *packet {
	l := p.site.lab
	l.stats.Sent++
	v, err := ippacket.Parse(a.payload)
	if err == nil && a.segment > 0 && v.Packet.Protocol != natmodels.TCP {
		err = errSegments
	}
	if err != nil {
		l.nextID++
		x := &packet{id: l.nextID}
		if errors.Is(err, ippacket.BadQuote) {
			x.np = v.Packet
		}
		l.drop(x, x.np, p.name, Malformed, natmodels.MappingInfo{}, err.Error())
		return nil
	}
	x := l.packetOf(a.payload[:v.Len:v.Len], v, 0)
	x.raw = true
	if a.segment > 0 && v.PayloadEnd-v.PayloadAt > a.segment {
		x.segment, x.borrowed = a.segment, true
	}
	l.emit(Event{
		At: a.at.Sub(l.start), Kind: Sent, Packet: x.id, Box: p.name,
		Proto: x.np.Protocol, Src: x.np.Src, Dst: x.np.Dst, Payload: x.payload,
	})
	if p.site.ports[x.np.Src.Addr()] != p {
		l.drop(x, x.np, p.name, Spoofed, natmodels.MappingInfo{}, fmt.Sprintf("%v is none of its addresses", x.np.Src.Addr()))
		return nil
	}
	return x
}
