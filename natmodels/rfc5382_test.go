package natmodels

import (
	"net/netip"
	"testing"
	"time"
)

// One test for each requirement of RFC 5382 section 7, except REQ-6 (ALGs), and the
// parts of RFC 7857 that update them.

func tcp(flags TCPFlags, src, dst netip.AddrPort) Packet {
	return Packet{Protocol: TCP, Flags: flags, Src: src, Dst: dst}
}

// dial sends a SYN from the inside and returns its translated source.
func (n *natTest) dial(src, dst netip.AddrPort) netip.AddrPort {
	n.T.Helper()
	v := n.Outbound(tcp(SYN, src, dst), n.now)
	if v.Action != Forward {
		n.T.Fatal(n.Explain(v))
	}
	return v.Packet.Src
}

// connect makes a connection and returns its external endpoint.
func (n *natTest) connect(src, dst netip.AddrPort) netip.AddrPort {
	n.T.Helper()
	external := n.dial(src, dst)
	n.want("SYN+ACK", n.inTCP(SYN|ACK, dst, external), NotDropped)
	n.want("ACK", n.outTCP(ACK, src, dst), NotDropped)
	return external
}

func (n *natTest) outTCP(f TCPFlags, src, dst netip.AddrPort) Reason {
	return n.Outbound(tcp(f, src, dst), n.now).Reason
}

func (n *natTest) inTCP(f TCPFlags, src, dst netip.AddrPort) Reason {
	return n.Inbound(tcp(f, src, dst), n.now).Reason
}

// REQ-1: A NAT MUST have an "Endpoint-Independent Mapping" behavior for TCP.
//
// Deviation: the adm and apdm presets and symmetric, on purpose.
func TestTCP1_EndpointIndependentMapping(t *testing.T) {
	n := presetNAT(t, "port-restricted", func(c *Config) { c.PortChoice = Random })
	n.want("another address", n.dial(insideA, remoteY1) == n.dial(insideA, remoteY2), true)
	n = presetNAT(t, "symmetric")
	n.want("another address", n.dial(insideA, remoteY1) == n.dial(insideA, remoteY2), false)
}

// REQ-2: A NAT MUST support all valid sequences of TCP packets for connections
// initiated both internally as well as externally when the connection is permitted by
// the NAT. In particular, a NAT MUST support the TCP simultaneous-open mode.
func TestTCP2_AllValidSequences(t *testing.T) {
	for _, name := range []string{"port-restricted", "symmetric", "linux-masquerade"} {
		n := presetNAT(t, name)
		external := n.dial(insideA, remoteY1)
		n.want(name+": SYNs cross", n.inTCP(SYN, remoteY1, external), NotDropped)
		n.want(name+": SYN+ACK out", n.outTCP(SYN|ACK, insideA, remoteY1), NotDropped)
		n.want(name+": SYN+ACK in", n.inTCP(SYN|ACK, remoteY1, external), NotDropped)
		n.want(name+": data out", n.outTCP(ACK, insideA, remoteY1), NotDropped)
		n.want(name+": data in", n.inTCP(ACK, remoteY1, external), NotDropped)
		n.want(name+": FIN in", n.inTCP(FIN|ACK, remoteY1, external), NotDropped)
		n.want(name+": data after it", n.outTCP(ACK, insideA, remoteY1), NotDropped)
		n.want(name+": FIN out", n.outTCP(FIN|ACK, insideA, remoteY1), NotDropped)
		n.want(name+": last ACK", n.inTCP(ACK, remoteY1, external), NotDropped)
		n.want(name+": the same ports again", n.Outbound(tcp(SYN, insideA, remoteY1), n.now).Action, Forward)
	}
	n := presetNAT(t, "full-cone")
	external := n.dial(insideA, remoteY1)
	n.want("SYN from anybody", n.inTCP(SYN, remoteY2, external), NotDropped)
	n.want("answer", n.outTCP(SYN|ACK, insideA, remoteY2), NotDropped)
	n.want("data", n.inTCP(ACK, remoteY2, external), NotDropped)
}

// REQ-3: Endpoint-Independent or Address-Dependent Filtering as for UDP; b) the
// filtering behavior for UDP and TCP may differ.
func TestTCP3_Filtering(t *testing.T) {
	for _, c := range []struct {
		filtering                    Dependence
		samePort, sameAddr, stranger Reason
	}{
		{EndpointIndependent, NotDropped, NotDropped, NotDropped},
		{AddressDependent, NotDropped, NotDropped, Filtered},
		{AddressAndPortDependent, NotDropped, Filtered, Filtered},
	} {
		n := presetNAT(t, "full-cone", func(cfg *Config) { cfg.TCP = TCPConfig{Own: true, Filtering: c.filtering} })
		external := n.dial(insideA, remoteY1)
		n.want("the same endpoint", n.inTCP(SYN, remoteY1, external), c.samePort)
		n.want("another port", n.inTCP(SYN, remoteY1p, external), c.sameAddr)
		n.want("another address", n.inTCP(SYN, remoteY2, external), c.stranger)
		n.want("UDP", n.in(remoteY2, n.out(insideA, remoteY1)), NotDropped)
	}
}

// REQ-4: A NAT MUST NOT respond to an unsolicited inbound SYN packet for at least 6
// seconds after the packet is received. If during this interval the NAT receives and
// translates an outbound SYN for the connection the NAT MUST silently drop the original
// unsolicited inbound SYN packet. Otherwise, the NAT SHOULD send an ICMP Port
// Unreachable error (Type 3, Code 3) for the original SYN, unless REQ-4a applies.
//
// Deviation: DropSYN (REQ-4a), which is the default, and ResetSYN.
func TestTCP4_UnsolicitedSYN(t *testing.T) {
	held := func(c *Config) { c.TCP.SYN = HoldSYN }
	n := presetNAT(t, "port-restricted", held)
	external := n.dial(insideA, remoteY1)
	n.want("dropped", n.inTCP(SYN, remoteY2, external), Filtered)
	n.wait(6*time.Second - 1)
	n.want("answers before 6 s", len(n.Due(n.now)), 0)
	n.wait(1)
	due := n.Due(n.now)
	n.want("answers at 6 s", len(due), 1)
	n.want("answer", due[0].Equal(icmpError(DestUnreachable, PortUnreachable, outsideA, remoteY2.Addr(), tcp(SYN, remoteY2, external))), true)

	n = presetNAT(t, "port-restricted", held)
	external = n.dial(insideA, remoteY1)
	n.inTCP(SYN, remoteY2, external)
	if at, ok := n.NextDue(); !ok || !at.Equal(n.now.Add(6*time.Second)) {
		t.Errorf("next due: %v %v", at, ok)
	}
	late := n.Snapshot().Restore()
	late.Advance(n.now.Add(12 * time.Second))
	if at, ok := late.NextDue(); ok {
		t.Errorf("next due when the answer is lost: %v", at)
	}
	n.wait(3 * time.Second)
	n.dial(insideA, remoteY2)
	n.wait(3 * time.Second)
	n.want("answers after a crossing SYN", len(n.Due(n.now)), 0)

	n = presetNAT(t, "port-restricted", func(c *Config) { c.TCP.SYN = ResetSYN })
	v := n.Inbound(tcp(SYN, remoteY2, external), n.now)
	n.want("reset", v.Action == Reply && v.Packet.Flags == RST|ACK, true)
}

// REQ-5: If a NAT cannot determine whether the endpoints of a TCP connection are
// active, it MAY abandon the session if it has been idle for some time. In such cases,
// the value of the "established connection idle-timeout" MUST NOT be less than 2 hours 4
// minutes. The value of the "transitory connection idle-timeout" MUST NOT be less than 4
// minutes. RFC 7857 section 2.2: a session that saw a RST stays for 4 minutes.
func TestTCP5_Timers(t *testing.T) {
	for _, c := range []struct {
		what  string
		after func(n *natTest, external netip.AddrPort)
		idle  time.Duration
	}{
		{"established", func(n *natTest, e netip.AddrPort) {}, 2*time.Hour + 4*time.Minute},
		{"one FIN", func(n *natTest, e netip.AddrPort) { n.inTCP(FIN|ACK, remoteY1, e) }, 2*time.Hour + 4*time.Minute},
		{"both FINs", func(n *natTest, e netip.AddrPort) {
			n.inTCP(FIN|ACK, remoteY1, e)
			n.outTCP(FIN|ACK, insideA, remoteY1)
		}, 4 * time.Minute},
		{"RST", func(n *natTest, e netip.AddrPort) { n.outTCP(RST, insideA, remoteY1) }, 4 * time.Minute},
	} {
		for _, offset := range []time.Duration{-1, 0} {
			n := presetNAT(t, "port-restricted")
			external := n.connect(insideA, remoteY1)
			c.after(n, external)
			n.wait(c.idle + offset)
			n.want(c.what+": alive", len(n.Mappings(n.now)) == 1, offset < 0)
			want := Expired
			if offset < 0 {
				want = NotDropped
			}
			n.want(c.what+": packet", n.inTCP(ACK, remoteY1, external), want)
		}
	}
	n := presetNAT(t, "port-restricted")
	n.dial(insideA, remoteY1)
	n.wait(4*time.Minute - 1)
	n.want("partially open", len(n.Mappings(n.now)), 1)
	n.wait(1)
	n.want("partially open for 4 min", len(n.Mappings(n.now)), 0)
}

// REQ-7: A NAT MUST NOT have a "Port assignment" behavior of "Port overloading" for
// TCP.
//
// Deviation: Conntrack.
func TestTCP7_NoPortOverloading(t *testing.T) {
	twin := netip.AddrPortFrom(insideB.Addr(), insideA.Port())
	n := presetNAT(t, "port-restricted")
	n.want("shared", n.dial(insideA, remoteY1) == n.dial(twin, remoteY2), false)
	n = presetNAT(t, "linux-masquerade")
	n.want("shared by a conntrack", n.dial(insideA, remoteY1) == n.dial(twin, remoteY2), true)
}

// REQ-8: A NAT MUST support "Hairpinning" for TCP.
func TestTCP8_Hairpinning(t *testing.T) {
	n := presetNAT(t, "full-cone")
	a := n.dial(insideA, remoteY1)
	v := n.Outbound(tcp(SYN, insideB, a), n.now)
	n.want("SYN", v.Action, Hairpin)
	n.want("to A", v.Packet.Dst, insideA)
	v = n.Outbound(tcp(SYN|ACK, insideA, v.Packet.Src), n.now)
	n.want("SYN+ACK", v.Action, Hairpin)
	n.want("to B", v.Packet.Dst, insideB)
	n.want("from A outside", v.Packet.Src, a)
}

// REQ-9: If a NAT translates TCP, it SHOULD translate ICMP Destination Unreachable
// (Type 3) messages. REQ-10: Receipt of any sort of ICMP message MUST NOT terminate the
// NAT mapping or TCP connection for which the ICMP was generated.
func TestTCP9_TCP10_ICMP(t *testing.T) {
	n := presetNAT(t, "port-restricted")
	external := n.connect(insideA, remoteY1)
	v := n.Inbound(icmpError(DestUnreachable, PortUnreachable, remoteY2.Addr(), outsideA, tcp(ACK, external, remoteY1)), n.now)
	n.want("translated", v.Action, Forward)
	n.want("quoted", *v.Packet.Quoted, tcp(ACK, insideA, remoteY1))
	n.want("connection", n.inTCP(ACK, remoteY1, external), NotDropped)
}

// TestTCPSessionsEndOneByOne: a mapping lives as long as the last of its connections.
func TestTCPSessionsEndOneByOne(t *testing.T) {
	n := presetNAT(t, "full-cone")
	external := n.connect(insideA, remoteY1)
	n.connect(insideA, remoteY2)
	n.outTCP(RST, insideA, remoteY1)
	n.wait(4 * time.Minute)
	n.want("ended connection", n.inTCP(ACK, remoteY1, external), Invalid)
	n.want("other connection", n.inTCP(ACK, remoteY2, external), NotDropped)
	n.outTCP(RST, insideA, remoteY2)
	n.wait(4 * time.Minute)
	n.want("mappings", len(n.Mappings(n.now)), 0)
	if n.bySession.count != 0 {
		t.Errorf("%d sessions are left over", n.bySession.count)
	}
}
