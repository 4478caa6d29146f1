package natmodels

import (
	"net/netip"
	"testing"
	"time"
)

// One test for each requirement of RFC 5508 section 9 that an engine can meet that
// sees headers and not checksums.

func echo(kind uint8, src, dst netip.Addr, id uint16) Packet {
	return Packet{Protocol: ICMP, Type: kind, Src: netip.AddrPortFrom(src, id), Dst: netip.AddrPortFrom(dst, id)}
}

// ping sends an echo request and returns the external identifier.
func (n *natTest) ping(src, dst netip.Addr, id uint16) uint16 {
	n.T.Helper()
	v := n.Outbound(echo(EchoRequest, src, dst, id), n.now)
	if v.Action != Forward || v.Packet.Src.Port() != v.Packet.Dst.Port() {
		n.T.Fatal(n.Explain(v))
	}
	return v.Packet.Src.Port()
}

// REQ-1: A NAT device MUST permit ICMP Queries and their associated responses, when the
// Query is initiated from a private host to the external hosts. a) NAT mapping of ICMP
// Query Identifiers SHOULD be external host independent.
func TestICMP1_Queries(t *testing.T) {
	n := presetNAT(t, "port-restricted")
	a, b := insideA.Addr(), insideB.Addr()
	id := n.ping(a, remoteY1.Addr(), 7)
	n.want("another host", n.ping(a, remoteY2.Addr(), 7), id)
	other := n.ping(b, remoteY1.Addr(), 7)
	n.want("identifiers are shared", other == id, false)
	v := n.Inbound(echo(EchoReply, remoteY1.Addr(), outsideA, other), n.now)
	n.want("reply", v.Packet, echo(EchoReply, remoteY1.Addr(), b, 7))
}

// REQ-2: An ICMP Query session timer MUST NOT expire in less than 60 seconds. a) It is
// RECOMMENDED that the ICMP Query session timer be made configurable.
func TestICMP2_QueryTimer(t *testing.T) {
	for _, d := range []time.Duration{0, 90 * time.Second} {
		n := presetNAT(t, "port-restricted", func(c *Config) { c.ICMPTimeout = d })
		id := n.ping(insideA.Addr(), remoteY1.Addr(), 7)
		n.wait(n.Config().QueryTimeout() - 1)
		n.want("before", n.Inbound(echo(EchoReply, remoteY1.Addr(), outsideA, id), n.now).Reason, NotDropped)
		n.wait(1)
		n.want("after", n.Inbound(echo(EchoReply, remoteY1.Addr(), outsideA, id), n.now).Reason, Expired)
	}
}

// REQ-4: an ICMP Error from the external realm without a mapping is dropped; else the
// embedded packet is restored, type and code are kept, and the outer destination is the
// restored source.
func TestICMP4_ErrorsFromOutside(t *testing.T) {
	n := presetNAT(t, "port-restricted", func(c *Config) { c.PortChoice = Random })
	udp := n.out(insideA, remoteY1)
	dial := n.dial(insideA, remoteY1)
	id := n.ping(insideA.Addr(), remoteY1.Addr(), 7)
	for _, c := range []struct{ quoted, want Packet }{
		{Packet{Protocol: UDP, Src: udp, Dst: remoteY1}, Packet{Protocol: UDP, Src: insideA, Dst: remoteY1}},
		{tcp(SYN, dial, remoteY1), tcp(SYN, insideA, remoteY1)},
		{echo(EchoRequest, outsideA, remoteY1.Addr(), id), echo(EchoRequest, insideA.Addr(), remoteY1.Addr(), 7)},
	} {
		v := n.Inbound(icmpError(TimeExceeded, 0, remoteY2.Addr(), outsideA, c.quoted), n.now)
		want := icmpError(TimeExceeded, 0, remoteY2.Addr(), insideA.Addr(), c.want)
		if !v.Packet.Equal(want) {
			t.Errorf("got %v\nwant %v", v.Packet, want)
		}
	}
	stranger := Packet{Protocol: UDP, Src: netip.AddrPortFrom(outsideA, 9), Dst: remoteY1}
	n.want("no mapping", n.Inbound(icmpError(TimeExceeded, 0, remoteY2.Addr(), outsideA, stranger), n.now).Reason, NoMapping)
}

// REQ-5: the same from the private realm; c) the outer source is the NAT's own public
// address.
func TestICMP5_ErrorsFromInside(t *testing.T) {
	n := presetNAT(t, "full-cone", func(c *Config) { c.PortChoice = Random })
	external := n.out(insideA, remoteY1)
	router := netip.MustParseAddr("10.0.0.254")
	in := Packet{Protocol: UDP, Src: remoteY1, Dst: insideA}
	v := n.Outbound(icmpError(DestUnreachable, PortUnreachable, router, remoteY1.Addr(), in), n.now)
	want := icmpError(DestUnreachable, PortUnreachable, outsideA, remoteY1.Addr(), Packet{Protocol: UDP, Src: remoteY1, Dst: external})
	if !v.Packet.Equal(want) {
		t.Errorf("got %v\nwant %v", v.Packet, want)
	}
	in.Dst = insideB
	n.want("no mapping", n.Outbound(icmpError(DestUnreachable, PortUnreachable, router, remoteY1.Addr(), in), n.now).Reason, NoMapping)
}

// REQ-6: While processing an ICMP Error packet pertaining to an ICMP Query or Query
// response message, a NAT device MUST NOT refresh or delete the NAT session that
// pertains to the embedded payload within the ICMP Error packet.
func TestICMP6_ErrorsLeaveTheSession(t *testing.T) {
	n := presetNAT(t, "full-cone")
	id := n.ping(insideA.Addr(), remoteY1.Addr(), 7)
	n.wait(59 * time.Second)
	v := n.Inbound(icmpError(DestUnreachable, HostUnreachable, remoteY2.Addr(), outsideA, echo(EchoRequest, outsideA, remoteY1.Addr(), id)), n.now)
	n.want("translated", v.Action, Forward)
	n.want("not deleted", n.Inbound(echo(EchoReply, remoteY1.Addr(), outsideA, id), n.now).Action, Forward)
	n.wait(time.Second)
	n.want("not refreshed", len(n.Mappings(n.now)), 0)
}

// REQ-7: NAT devices enforcing Basic NAT MUST support the traversal of hairpinned ICMP
// Query sessions. All NAT devices MUST support the traversal of hairpinned ICMP Error
// messages. a) the outer destination is the translated embedded source.
func TestICMP7_Hairpinning(t *testing.T) {
	n := presetNAT(t, "full-cone")
	b := n.out(insideB, remoteY1)
	v := n.Outbound(Packet{Protocol: UDP, Src: insideA, Dst: b}, n.now)
	v = n.Outbound(icmpError(DestUnreachable, PortUnreachable, insideB.Addr(), outsideA, v.Packet), n.now)
	want := icmpError(DestUnreachable, PortUnreachable, outsideA, insideA.Addr(), Packet{Protocol: UDP, Src: insideA, Dst: b})
	if v.Action != Hairpin || !v.Packet.Equal(want) {
		t.Errorf("got %v\nwant %v", v.Packet, want)
	}

	cfg := Config{Kind: PrefixTranslator, Prefixes: []PrefixMapping{{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("198.51.100.0/24")}}}
	basic, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	v = basic.Outbound(echo(EchoRequest, insideA.Addr(), netip.MustParseAddr("198.51.100.3"), 7), n.now)
	n.want("query", v.Action, Hairpin)
	n.want("query", v.Packet, echo(EchoRequest, netip.MustParseAddr("198.51.100.2"), insideB.Addr(), 7))
}

// REQ-8: When a NAT device is unable to establish a NAT session for a new transport-layer
// flow due to resource constraints or administrative restrictions, the NAT device SHOULD
// send an ICMP Destination Unreachable message, with a code of 13, and drop the packet.
//
// Deviation: for TCP and UDP the code is 1 of RFC 6888 REQ-11, and nothing is sent unless
// WhenFull is RefuseICMP.
func TestICMP8_NoResources(t *testing.T) {
	n := presetNAT(t, "full-cone", func(c *Config) { c.Limits.Total, c.WhenFull = 1, RefuseICMP })
	n.out(insideA, remoteY1)
	v := n.Outbound(echo(EchoRequest, insideB.Addr(), remoteY1.Addr(), 7), n.now)
	n.want("query", v.Action == Reply && v.Packet.Code == AdminProhibited, true)
	v = n.Outbound(Packet{Protocol: UDP, Src: insideB, Dst: remoteY1}, n.now)
	n.want("udp", v.Action == Reply && v.Packet.Code == HostUnreachable, true)
}

// REQ-10: the ICMP messages that must be supported: Destination Unreachable, Time
// Exceeded, Echo Request and Reply.
func TestICMP10_Messages(t *testing.T) {
	n := presetNAT(t, "full-cone")
	quoted := Packet{Protocol: UDP, Src: n.out(insideA, remoteY1), Dst: remoteY1}
	for kind, want := range map[uint8]Action{DestUnreachable: Forward, TimeExceeded: Forward, ParamProblem: Forward} {
		n.want("error", n.Inbound(icmpError(kind, 0, remoteY1.Addr(), outsideA, quoted), n.now).Action, want)
	}
	n.ping(insideA.Addr(), remoteY1.Addr(), 7)
	timestamp := echo(13, insideA.Addr(), remoteY1.Addr(), 7) // REQ-11: may be dropped
	n.want("timestamp", n.Outbound(timestamp, n.now).Reason, UnsupportedProtocol)
}
