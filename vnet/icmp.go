package vnet

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/internal/push"
	"github.com/natproof/natproof/natmodels"
)

// The routers of the internet have no address here. Their ICMP errors come from the dummy
// address of RFC 7600, and in IPv6 from what stands for that in RFC 6052.
var (
	nameless4 = netip.MustParseAddr("192.0.0.8")
	nameless6 = netip.MustParseAddr("64:ff9b::192.0.0.8")
)

// fault is an ICMP error as both families have it.
type fault struct {
	kind, code     uint8
	kindV6, codeV6 uint8
}

var (
	timeExceeded    = fault{natmodels.TimeExceeded, 0, natmodels.V6TimeExceeded, 0}
	tooBig          = fault{natmodels.DestUnreachable, natmodels.FragmentationNeeded, natmodels.V6PacketTooBig, 0}
	portUnreachable = fault{natmodels.DestUnreachable, natmodels.PortUnreachable, natmodels.V6DestUnreachable, portUnreachableV6}
	tooLate         = fault{natmodels.TimeExceeded, 1, natmodels.V6TimeExceeded, 1}
)

// portUnreachableV6 is the code of RFC 4443 section 3.1.
const portUnreachableV6 = 4

// is says whether a packet is this error.
func (f fault) is(p natmodels.Packet) bool {
	return p.Protocol == natmodels.ICMP && p.Type == f.kind && p.Code == f.code ||
		p.Protocol == natmodels.ICMPv6 && p.Type == f.kindV6 && p.Code == f.codeV6
}

// complain makes the ICMP error from an address about a packet, or nil where there may be none
// (RFC 1122 section 3.2.2, RFC 4443 section 2.4).
func (l *Lab) complain(about *packet, from netip.Addr, f fault, rest uint32) *packet {
	w := about.onWire()
	kind, code := f.kind, f.code
	if w.v.Version == 6 {
		kind, code = f.kindV6, f.codeV6
	}
	b, err := w.v.AppendICMPError(nil, ippacket.Header{}, from, kind, code, rest, w.b)
	if err != nil {
		return nil
	}
	return l.answer(b, about)
}

// answer makes a packet of bytes that a box sends because of another packet.
func (l *Lab) answer(b []byte, about *packet) *packet {
	v, err := ippacket.Parse(b)
	if err != nil {
		panic(fmt.Sprintf("vnet: an answer that was just made cannot be read: %v", err))
	}
	l.stats.Answered++
	return l.packetOf(b, v, about.id)
}

// made makes the bytes of what a NAT says that it sends: a reset, or an ICMP error about a
// segment that it has not kept. It is nil if it is of another kind.
func (l *Lab) made(np natmodels.Packet, parent uint64) *packet {
	about := &packet{id: parent}
	if np.Protocol == natmodels.TCP {
		b, err := ippacket.AppendTCP(nil, ippacket.Header{}, np, 0, nil)
		if err != nil {
			return nil
		}
		return l.answer(b, about)
	}
	if np.Quoted == nil || np.Quoted.Protocol != natmodels.TCP {
		return nil
	}
	b, err := ippacket.AppendTCP(nil, ippacket.Header{}, *np.Quoted, 0, nil)
	if err != nil {
		return nil
	}
	v, err := ippacket.Parse(b)
	if err != nil {
		return nil
	}
	about.bytes = &datagramBytes{b, v}
	return l.complain(about, np.Src.Addr(), fault{np.Type, np.Code, np.Type, np.Code}, 0)
}

// routerOf is the address that the realm's own router has, for packets of the family of a.
func (r *Realm) routerOf(a netip.Addr) netip.Addr {
	if own := r.routers[family(a)]; r.gateway != nil && own.IsValid() {
		return own
	}
	if a.Is4() {
		return nameless4
	}
	return nameless6
}

// router is the address of the site's own router.
func (s *Site) router() netip.Addr { return s.prefix.Addr().Next() }

// takeICMP is what a host does with ICMP: it answers echo requests, and tells a socket what an
// error says of what it sent. A socket that is not connected is told nothing of closed ports, as on
// Linux (ip(7), IP_RECVERR).
func (h *Host) takeICMP(p *packet) {
	if request, _ := p.np.Echo(); request {
		if b, err := p.bytes.v.AppendEchoReply(nil, ippacket.Header{}, p.bytes.b); err == nil { // else none may be sent
			h.site.leave(h.site.lab.answer(b, p))
		}
		return
	}
	about := p.np.Quoted
	if about == nil || about.Protocol != natmodels.UDP {
		return
	}
	h.mu.Lock()
	c := h.socks[about.Src]
	var to push.Func
	if c != nil {
		to = c.push
	}
	h.mu.Unlock()
	switch {
	case c == nil:
	case tooBig.is(p.np):
		h.learnMTU(p)
	case portUnreachable.is(p.np) && c.remote == about.Dst:
		if to == nil {
			c.box.fail(syscall.ECONNREFUSED)
			return
		}
		err := c.opError("read", syscall.ECONNREFUSED)
		h.site.lab.handed = append(h.site.lab.handed, handover{conn: c, to: to, err: err})
	}
}
