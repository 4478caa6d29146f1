package translate

import (
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
	"github.com/natproof/natproof/natmodels/stateless"
)

// ping sends an echo request and returns the external identifier.
func (n *natTest) ping(src, dst netip.Addr, id uint16) uint16 {
	n.T.Helper()
	v := n.Outbound(boxtest.Echo(natmodels.EchoRequest, src, dst, id), n.now)
	if v.Action != natmodels.Forward || v.Packet.Src.Port() != v.Packet.Dst.Port() {
		n.T.Fatal(n.Explain(v))
	}
	return v.Packet.Src.Port()
}

// REQ-1: A NAT device MUST permit ICMP Queries and their associated responses, when the
// Query is initiated from a private host to the external hosts. a) NAT mapping of ICMP
// Query Identifiers SHOULD be external host independent.
func TestICMP1_Queries(t *testing.T) {
	n := presetNAT(t, "port-restricted")
	a, b := boxtest.InsideA.Addr(), boxtest.InsideB.Addr()
	id := n.ping(a, boxtest.RemoteY1.Addr(), 7)
	n.want("another host", n.ping(a, boxtest.RemoteY2.Addr(), 7), id)
	other := n.ping(b, boxtest.RemoteY1.Addr(), 7)
	n.want("identifiers are shared", other == id, false)
	v := n.Inbound(boxtest.Echo(natmodels.EchoReply, boxtest.RemoteY1.Addr(), boxtest.OutsideA, other), n.now)
	n.want("reply", v.Packet, boxtest.Echo(natmodels.EchoReply, boxtest.RemoteY1.Addr(), b, 7))
}

// REQ-2: An ICMP Query session timer MUST NOT expire in less than 60 seconds. a) It is
// RECOMMENDED that the ICMP Query session timer be made configurable.
func TestICMP2_QueryTimer(t *testing.T) {
	for _, d := range []time.Duration{0, 90 * time.Second} {
		n := presetNAT(t, "port-restricted", func(c *setup) { c.ICMPTimeout = d })
		id := n.ping(boxtest.InsideA.Addr(), boxtest.RemoteY1.Addr(), 7)
		n.wait(n.core().Config().QueryTimeout() - 1)
		n.want("before", n.Inbound(boxtest.Echo(natmodels.EchoReply, boxtest.RemoteY1.Addr(), boxtest.OutsideA, id), n.now).Reason, natmodels.NotDropped)
		n.wait(1)
		n.want("after", n.Inbound(boxtest.Echo(natmodels.EchoReply, boxtest.RemoteY1.Addr(), boxtest.OutsideA, id), n.now).Reason, natmodels.Expired)
	}
}

// REQ-4: an ICMP Error from the external realm without a mapping is dropped; else the
// embedded packet is restored, type and code are kept, and the outer destination is the
// restored source.
func TestICMP4_ErrorsFromOutside(t *testing.T) {
	n := presetNAT(t, "port-restricted", func(c *setup) { c.PortChoice = natmodels.Random })
	udp := n.out(boxtest.InsideA, boxtest.RemoteY1)
	dial := n.dial(boxtest.InsideA, boxtest.RemoteY1)
	id := n.ping(boxtest.InsideA.Addr(), boxtest.RemoteY1.Addr(), 7)
	for _, c := range []struct{ quoted, want natmodels.Packet }{
		{natmodels.Packet{Protocol: natmodels.UDP, Src: udp, Dst: boxtest.RemoteY1}, natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideA, Dst: boxtest.RemoteY1}},
		{boxtest.TCP(natmodels.SYN, dial, boxtest.RemoteY1), boxtest.TCP(natmodels.SYN, boxtest.InsideA, boxtest.RemoteY1)},
		{boxtest.Echo(natmodels.EchoRequest, boxtest.OutsideA, boxtest.RemoteY1.Addr(), id), boxtest.Echo(natmodels.EchoRequest, boxtest.InsideA.Addr(), boxtest.RemoteY1.Addr(), 7)},
	} {
		v := n.Inbound(boxtest.ICMPError(natmodels.TimeExceeded, 0, boxtest.RemoteY2.Addr(), boxtest.OutsideA, c.quoted), n.now)
		want := boxtest.ICMPError(natmodels.TimeExceeded, 0, boxtest.RemoteY2.Addr(), boxtest.InsideA.Addr(), c.want)
		if !v.Packet.Equal(want) {
			t.Errorf("got %v\nwant %v", v.Packet, want)
		}
	}
	stranger := natmodels.Packet{Protocol: natmodels.UDP, Src: netip.AddrPortFrom(boxtest.OutsideA, 9), Dst: boxtest.RemoteY1}
	n.want("no mapping", n.Inbound(boxtest.ICMPError(natmodels.TimeExceeded, 0, boxtest.RemoteY2.Addr(), boxtest.OutsideA, stranger), n.now).Reason, natmodels.NoMapping)
}

// REQ-5: the same from the private realm; c) the outer source is the NAT's own public
// address.
func TestICMP5_ErrorsFromInside(t *testing.T) {
	n := presetNAT(t, "full-cone", func(c *setup) { c.PortChoice = natmodels.Random })
	external := n.out(boxtest.InsideA, boxtest.RemoteY1)
	router := netip.MustParseAddr("10.0.0.254")
	in := natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.RemoteY1, Dst: boxtest.InsideA}
	v := n.Outbound(boxtest.ICMPError(natmodels.DestUnreachable, natmodels.PortUnreachable, router, boxtest.RemoteY1.Addr(), in), n.now)
	want := boxtest.ICMPError(natmodels.DestUnreachable, natmodels.PortUnreachable, boxtest.OutsideA, boxtest.RemoteY1.Addr(), natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.RemoteY1, Dst: external})
	if !v.Packet.Equal(want) {
		t.Errorf("got %v\nwant %v", v.Packet, want)
	}
	in.Dst = boxtest.InsideB
	n.want("no mapping", n.Outbound(boxtest.ICMPError(natmodels.DestUnreachable, natmodels.PortUnreachable, router, boxtest.RemoteY1.Addr(), in), n.now).Reason, natmodels.NoMapping)
}

// REQ-6: While processing an ICMP Error packet pertaining to an ICMP Query or Query
// response message, a NAT device MUST NOT refresh or delete the NAT session that
// pertains to the embedded payload within the ICMP Error packet.
func TestICMP6_ErrorsLeaveTheSession(t *testing.T) {
	n := presetNAT(t, "full-cone")
	id := n.ping(boxtest.InsideA.Addr(), boxtest.RemoteY1.Addr(), 7)
	n.wait(59 * time.Second)
	v := n.Inbound(boxtest.ICMPError(natmodels.DestUnreachable, natmodels.HostUnreachable, boxtest.RemoteY2.Addr(), boxtest.OutsideA, boxtest.Echo(natmodels.EchoRequest, boxtest.OutsideA, boxtest.RemoteY1.Addr(), id)), n.now)
	n.want("translated", v.Action, natmodels.Forward)
	n.want("not deleted", n.Inbound(boxtest.Echo(natmodels.EchoReply, boxtest.RemoteY1.Addr(), boxtest.OutsideA, id), n.now).Action, natmodels.Forward)
	n.wait(time.Second)
	n.want("not refreshed", len(n.Mappings(n.now)), 0)
}

// REQ-7: NAT devices enforcing Basic NAT MUST support the traversal of hairpinned ICMP
// Query sessions. All NAT devices MUST support the traversal of hairpinned ICMP Error
// messages. a) the outer destination is the translated embedded source.
func TestICMP7_Hairpinning(t *testing.T) {
	n := presetNAT(t, "full-cone")
	b := n.out(boxtest.InsideB, boxtest.RemoteY1)
	v := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideA, Dst: b}, n.now)
	v = n.Outbound(boxtest.ICMPError(natmodels.DestUnreachable, natmodels.PortUnreachable, boxtest.InsideB.Addr(), boxtest.OutsideA, v.Packet), n.now)
	want := boxtest.ICMPError(natmodels.DestUnreachable, natmodels.PortUnreachable, boxtest.OutsideA, boxtest.InsideA.Addr(), natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideA, Dst: b})
	if v.Action != natmodels.Hairpin || !v.Packet.Equal(want) {
		t.Errorf("got %v\nwant %v", v.Packet, want)
	}

	basicNAT := stateless.PrefixTranslator{Prefixes: []natmodels.PrefixMapping{
		{Internal: netip.MustParsePrefix("10.0.0.0/24"), External: netip.MustParsePrefix("198.51.100.0/24")},
	}}
	basic, err := basicNAT.New(natmodels.Place{})
	if err != nil {
		t.Fatal(err)
	}
	v = basic.Outbound(boxtest.Echo(natmodels.EchoRequest, boxtest.InsideA.Addr(), netip.MustParseAddr("198.51.100.3"), 7), n.now)
	n.want("query", v.Action, natmodels.Hairpin)
	n.want("query", v.Packet, boxtest.Echo(natmodels.EchoRequest, netip.MustParseAddr("198.51.100.2"), boxtest.InsideB.Addr(), 7))
}

// REQ-8: When a NAT device is unable to establish a NAT session for a new transport-layer
// flow due to resource constraints or administrative restrictions, the NAT device SHOULD
// send an ICMP Destination Unreachable message, with a code of 13, and drop the packet.
//
// Deviation: for TCP and UDP the code is 1 of RFC 6888 REQ-11, and nothing is sent unless
// WhenFull is RefuseICMP.
func TestICMP8_NoResources(t *testing.T) {
	n := presetNAT(t, "full-cone", func(c *setup) { c.Limits.Total, c.WhenFull = 1, RefuseICMP })
	n.out(boxtest.InsideA, boxtest.RemoteY1)
	v := n.Outbound(boxtest.Echo(natmodels.EchoRequest, boxtest.InsideB.Addr(), boxtest.RemoteY1.Addr(), 7), n.now)
	n.want("query", v.Action == natmodels.Reply && v.Packet.Code == natmodels.AdminProhibited, true)
	v = n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideB, Dst: boxtest.RemoteY1}, n.now)
	n.want("udp", v.Action == natmodels.Reply && v.Packet.Code == natmodels.HostUnreachable, true)
}

// REQ-10: the ICMP messages that must be supported: Destination Unreachable, Time
// Exceeded, Echo Request and Reply.
func TestICMP10_Messages(t *testing.T) {
	n := presetNAT(t, "full-cone")
	quoted := natmodels.Packet{Protocol: natmodels.UDP, Src: n.out(boxtest.InsideA, boxtest.RemoteY1), Dst: boxtest.RemoteY1}
	for kind, want := range map[uint8]natmodels.Action{natmodels.DestUnreachable: natmodels.Forward, natmodels.TimeExceeded: natmodels.Forward, natmodels.ParamProblem: natmodels.Forward} {
		n.want("error", n.Inbound(boxtest.ICMPError(kind, 0, boxtest.RemoteY1.Addr(), boxtest.OutsideA, quoted), n.now).Action, want)
	}
	n.ping(boxtest.InsideA.Addr(), boxtest.RemoteY1.Addr(), 7)
	timestamp := boxtest.Echo(13, boxtest.InsideA.Addr(), boxtest.RemoteY1.Addr(), 7) // REQ-11: may be dropped
	n.want("timestamp", n.Outbound(timestamp, n.now).Reason, natmodels.UnsupportedProtocol)
}
