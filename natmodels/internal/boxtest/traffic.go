package boxtest

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// Traffic makes packets of every protocol in a small world, so that they meet.
type Traffic struct {
	*rand.Rand
	External []netip.AddrPort // seen
	Now      time.Time
}

var (
	trafficHosts   = []netip.Addr{InsideA.Addr(), InsideB.Addr(), netip.MustParseAddr("10.0.0.4")}
	trafficRemotes = []netip.Addr{RemoteY1.Addr(), RemoteY2.Addr()}
	trafficPorts   = []uint16{5060, 5061, 53, 700}
)

func pick[T any](t *Traffic, list []T) T { return list[t.IntN(len(list))] }

func (t *Traffic) inside() netip.AddrPort {
	return netip.AddrPortFrom(pick(t, trafficHosts), pick(t, trafficPorts))
}

func (t *Traffic) remote() netip.AddrPort {
	return netip.AddrPortFrom(pick(t, trafficRemotes), pick(t, trafficPorts))
}

// outside is where a packet from the outside goes: to something seen, most often.
func (t *Traffic) outside() netip.AddrPort {
	if len(t.External) > 0 && t.IntN(8) > 0 {
		return pick(t, t.External)
	}
	return netip.AddrPortFrom(OutsideA, pick(t, trafficPorts))
}

// plain makes a packet that is no ICMP error.
func (t *Traffic) plain(src, dst netip.AddrPort) natmodels.Packet {
	switch t.IntN(4) {
	case 0:
		p := TCP(pick(t, []natmodels.TCPFlags{natmodels.SYN, natmodels.SYN | natmodels.ACK, natmodels.ACK, natmodels.ACK, natmodels.FIN | natmodels.ACK, natmodels.RST, 0}), src, dst)
		p.Seq, p.Ack = t.Uint32N(3), t.Uint32N(3)
		return p
	case 1:
		return Echo(pick(t, []uint8{natmodels.EchoRequest, natmodels.EchoReply}), src.Addr(), dst.Addr(), dst.Port())
	}
	return natmodels.Packet{Protocol: natmodels.UDP, Src: src, Dst: dst}
}

// Send lets some time pass and plays one packet to a NAT.
func (t *Traffic) Send(n natmodels.Box) natmodels.Verdict {
	if t.IntN(4) == 0 {
		t.Now = t.Now.Add(time.Duration(t.Int64N(int64(90 * time.Second))))
	}
	src, dst, send := t.inside(), t.remote(), n.Outbound
	outward := t.IntN(2) == 0
	if outward && t.IntN(6) == 0 {
		dst = t.outside() // hairpin
	}
	if !outward {
		src, dst, send = t.remote(), t.outside(), n.Inbound
	}
	p := t.plain(src, dst)
	if t.IntN(6) == 0 {
		quoted := t.plain(dst, src) // a packet that came the other way
		p = ICMPError(pick(t, []uint8{natmodels.DestUnreachable, natmodels.TimeExceeded}), 0, src.Addr(), dst.Addr(), quoted)
	}
	before := p
	v := send(p, t.Now)
	if !p.Equal(before) {
		panic("the packet was written to")
	}
	if outward && v.Action == natmodels.Forward && v.Packet.Quoted == nil {
		t.External = append(t.External, v.Packet.Src)
	}
	return v
}
