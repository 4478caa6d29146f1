package translate

import (
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// dial sends a SYN from the inside and returns its translated source.
func (n *natTest) dial(src, dst netip.AddrPort) netip.AddrPort {
	n.T.Helper()
	v := n.Outbound(boxtest.TCP(natmodels.SYN, src, dst), n.now)
	if v.Action != natmodels.Forward {
		n.T.Fatal(n.Explain(v))
	}
	return v.Packet.Src
}

// connect makes a connection and returns its external endpoint.
func (n *natTest) connect(src, dst netip.AddrPort) netip.AddrPort {
	n.T.Helper()
	external := n.dial(src, dst)
	n.want("SYN+ACK", n.inTCP(natmodels.SYN|natmodels.ACK, dst, external), natmodels.NotDropped)
	n.want("ACK", n.outTCP(natmodels.ACK, src, dst), natmodels.NotDropped)
	return external
}

func (n *natTest) outTCP(f natmodels.TCPFlags, src, dst netip.AddrPort) natmodels.Reason {
	return n.Outbound(boxtest.TCP(f, src, dst), n.now).Reason
}

func (n *natTest) inTCP(f natmodels.TCPFlags, src, dst netip.AddrPort) natmodels.Reason {
	return n.Inbound(boxtest.TCP(f, src, dst), n.now).Reason
}

// REQ-1: A NAT MUST have an "Endpoint-Independent Mapping" behavior for TCP.
//
// Deviation: the adm and apdm presets and symmetric, on purpose.
func TestTCP1_EndpointIndependentMapping(t *testing.T) {
	n := presetNAT(t, "port-restricted", func(c *setup) { c.PortChoice = natmodels.Random })
	n.want("another address", n.dial(boxtest.InsideA, boxtest.RemoteY1) == n.dial(boxtest.InsideA, boxtest.RemoteY2), true)
	n = presetNAT(t, "symmetric")
	n.want("another address", n.dial(boxtest.InsideA, boxtest.RemoteY1) == n.dial(boxtest.InsideA, boxtest.RemoteY2), false)
}

// REQ-2: A NAT MUST support all valid sequences of TCP packets for connections
// initiated both internally as well as externally when the connection is permitted by
// the NAT. In particular, a NAT MUST support the TCP simultaneous-open mode.
func TestTCP2_AllValidSequences(t *testing.T) {
	for _, name := range []string{"port-restricted", "symmetric", "linux"} {
		n := linuxNAT(t)
		if name != "linux" {
			n = presetNAT(t, name)
		}
		external := n.dial(boxtest.InsideA, boxtest.RemoteY1)
		n.want(name+": SYNs cross", n.inTCP(natmodels.SYN, boxtest.RemoteY1, external), natmodels.NotDropped)
		n.want(name+": SYN+ACK out", n.outTCP(natmodels.SYN|natmodels.ACK, boxtest.InsideA, boxtest.RemoteY1), natmodels.NotDropped)
		n.want(name+": SYN+ACK in", n.inTCP(natmodels.SYN|natmodels.ACK, boxtest.RemoteY1, external), natmodels.NotDropped)
		n.want(name+": data out", n.outTCP(natmodels.ACK, boxtest.InsideA, boxtest.RemoteY1), natmodels.NotDropped)
		n.want(name+": data in", n.inTCP(natmodels.ACK, boxtest.RemoteY1, external), natmodels.NotDropped)
		n.want(name+": FIN in", n.inTCP(natmodels.FIN|natmodels.ACK, boxtest.RemoteY1, external), natmodels.NotDropped)
		n.want(name+": data after it", n.outTCP(natmodels.ACK, boxtest.InsideA, boxtest.RemoteY1), natmodels.NotDropped)
		n.want(name+": FIN out", n.outTCP(natmodels.FIN|natmodels.ACK, boxtest.InsideA, boxtest.RemoteY1), natmodels.NotDropped)
		n.want(name+": last ACK", n.inTCP(natmodels.ACK, boxtest.RemoteY1, external), natmodels.NotDropped)
		n.want(name+": the same ports again", n.Outbound(boxtest.TCP(natmodels.SYN, boxtest.InsideA, boxtest.RemoteY1), n.now).Action, natmodels.Forward)
	}
	n := presetNAT(t, "full-cone")
	external := n.dial(boxtest.InsideA, boxtest.RemoteY1)
	n.want("SYN from anybody", n.inTCP(natmodels.SYN, boxtest.RemoteY2, external), natmodels.NotDropped)
	n.want("answer", n.outTCP(natmodels.SYN|natmodels.ACK, boxtest.InsideA, boxtest.RemoteY2), natmodels.NotDropped)
	n.want("data", n.inTCP(natmodels.ACK, boxtest.RemoteY2, external), natmodels.NotDropped)
}

// REQ-3: Endpoint-Independent or Address-Dependent Filtering as for UDP; b) the
// filtering behavior for UDP and TCP may differ.
func TestTCP3_Filtering(t *testing.T) {
	for _, c := range []struct {
		filtering                    natmodels.Dependence
		samePort, sameAddr, stranger natmodels.Reason
	}{
		{natmodels.EndpointIndependent, natmodels.NotDropped, natmodels.NotDropped, natmodels.NotDropped},
		{natmodels.AddressDependent, natmodels.NotDropped, natmodels.NotDropped, natmodels.Filtered},
		{natmodels.AddressAndPortDependent, natmodels.NotDropped, natmodels.Filtered, natmodels.Filtered},
	} {
		n := presetNAT(t, "full-cone", func(cfg *setup) { cfg.TCP = TCPConfig{OwnTCP: OwnTCP{Own: true, Filtering: c.filtering}} })
		external := n.dial(boxtest.InsideA, boxtest.RemoteY1)
		n.want("the same endpoint", n.inTCP(natmodels.SYN, boxtest.RemoteY1, external), c.samePort)
		n.want("another port", n.inTCP(natmodels.SYN, boxtest.RemoteY1p, external), c.sameAddr)
		n.want("another address", n.inTCP(natmodels.SYN, boxtest.RemoteY2, external), c.stranger)
		n.want("UDP", n.in(boxtest.RemoteY2, n.out(boxtest.InsideA, boxtest.RemoteY1)), natmodels.NotDropped)
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
	held := func(c *setup) { c.TCP.SYN = HoldSYN }
	n := presetNAT(t, "port-restricted", held)
	external := n.dial(boxtest.InsideA, boxtest.RemoteY1)
	n.want("dropped", n.inTCP(natmodels.SYN, boxtest.RemoteY2, external), natmodels.Filtered)
	n.wait(6*time.Second - 1)
	n.want("answers before 6 s", len(n.Due(n.now)), 0)
	n.wait(1)
	due := n.Due(n.now)
	n.want("answers at 6 s", len(due), 1)
	n.want("answer", due[0].Equal(boxtest.ICMPError(natmodels.DestUnreachable, natmodels.PortUnreachable, boxtest.OutsideA, boxtest.RemoteY2.Addr(), boxtest.TCP(natmodels.SYN, boxtest.RemoteY2, external))), true)

	n = presetNAT(t, "port-restricted", held)
	external = n.dial(boxtest.InsideA, boxtest.RemoteY1)
	n.inTCP(natmodels.SYN, boxtest.RemoteY2, external)
	if at, ok := n.NextDue(); !ok || !at.Equal(n.now.Add(6*time.Second)) {
		t.Errorf("next due: %v %v", at, ok)
	}
	late := n.Snapshot().Restore().(*NAT)
	late.Advance(n.now.Add(12 * time.Second))
	if at, ok := late.NextDue(); ok {
		t.Errorf("next due when the answer is lost: %v", at)
	}
	n.wait(3 * time.Second)
	n.dial(boxtest.InsideA, boxtest.RemoteY2)
	n.wait(3 * time.Second)
	n.want("answers after a crossing SYN", len(n.Due(n.now)), 0)

	n = presetNAT(t, "port-restricted", func(c *setup) { c.TCP.SYN = ResetSYN })
	v := n.Inbound(boxtest.TCP(natmodels.SYN, boxtest.RemoteY2, external), n.now)
	n.want("reset", v.Action == natmodels.Reply && v.Packet.Flags == natmodels.RST|natmodels.ACK, true)
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
		{"one FIN", func(n *natTest, e netip.AddrPort) { n.inTCP(natmodels.FIN|natmodels.ACK, boxtest.RemoteY1, e) }, 2*time.Hour + 4*time.Minute},
		{"both FINs", func(n *natTest, e netip.AddrPort) {
			n.inTCP(natmodels.FIN|natmodels.ACK, boxtest.RemoteY1, e)
			n.outTCP(natmodels.FIN|natmodels.ACK, boxtest.InsideA, boxtest.RemoteY1)
		}, 4 * time.Minute},
		{"RST", func(n *natTest, e netip.AddrPort) { n.outTCP(natmodels.RST, boxtest.InsideA, boxtest.RemoteY1) }, 4 * time.Minute},
	} {
		for _, offset := range []time.Duration{-1, 0} {
			n := presetNAT(t, "port-restricted")
			external := n.connect(boxtest.InsideA, boxtest.RemoteY1)
			c.after(n, external)
			n.wait(c.idle + offset)
			n.want(c.what+": alive", len(n.Mappings(n.now)) == 1, offset < 0)
			want := natmodels.Expired
			if offset < 0 {
				want = natmodels.NotDropped
			}
			n.want(c.what+": packet", n.inTCP(natmodels.ACK, boxtest.RemoteY1, external), want)
		}
	}
	n := presetNAT(t, "port-restricted")
	n.dial(boxtest.InsideA, boxtest.RemoteY1)
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
	twin := netip.AddrPortFrom(boxtest.InsideB.Addr(), boxtest.InsideA.Port())
	n := presetNAT(t, "port-restricted")
	n.want("shared", n.dial(boxtest.InsideA, boxtest.RemoteY1) == n.dial(twin, boxtest.RemoteY2), false)
	n = linuxNAT(t)
	n.want("shared by a conntrack", n.dial(boxtest.InsideA, boxtest.RemoteY1) == n.dial(twin, boxtest.RemoteY2), true)
}

// REQ-8: A NAT MUST support "Hairpinning" for TCP.
func TestTCP8_Hairpinning(t *testing.T) {
	n := presetNAT(t, "full-cone")
	a := n.dial(boxtest.InsideA, boxtest.RemoteY1)
	v := n.Outbound(boxtest.TCP(natmodels.SYN, boxtest.InsideB, a), n.now)
	n.want("SYN", v.Action, natmodels.Hairpin)
	n.want("to A", v.Packet.Dst, boxtest.InsideA)
	v = n.Outbound(boxtest.TCP(natmodels.SYN|natmodels.ACK, boxtest.InsideA, v.Packet.Src), n.now)
	n.want("SYN+ACK", v.Action, natmodels.Hairpin)
	n.want("to B", v.Packet.Dst, boxtest.InsideB)
	n.want("from A outside", v.Packet.Src, a)
}

// REQ-9: If a NAT translates TCP, it SHOULD translate ICMP Destination Unreachable
// (Type 3) messages. REQ-10: Receipt of any sort of ICMP message MUST NOT terminate the
// NAT mapping or TCP connection for which the ICMP was generated.
func TestTCP9_TCP10_ICMP(t *testing.T) {
	n := presetNAT(t, "port-restricted")
	external := n.connect(boxtest.InsideA, boxtest.RemoteY1)
	v := n.Inbound(boxtest.ICMPError(natmodels.DestUnreachable, natmodels.PortUnreachable, boxtest.RemoteY2.Addr(), boxtest.OutsideA, boxtest.TCP(natmodels.ACK, external, boxtest.RemoteY1)), n.now)
	n.want("translated", v.Action, natmodels.Forward)
	n.want("quoted", *v.Packet.Quoted, boxtest.TCP(natmodels.ACK, boxtest.InsideA, boxtest.RemoteY1))
	n.want("connection", n.inTCP(natmodels.ACK, boxtest.RemoteY1, external), natmodels.NotDropped)
}

// TestTCPSessionsEndOneByOne: a mapping lives as long as the last of its connections.
func TestTCPSessionsEndOneByOne(t *testing.T) {
	n := presetNAT(t, "full-cone")
	external := n.connect(boxtest.InsideA, boxtest.RemoteY1)
	n.connect(boxtest.InsideA, boxtest.RemoteY2)
	n.outTCP(natmodels.RST, boxtest.InsideA, boxtest.RemoteY1)
	n.wait(4 * time.Minute)
	n.want("ended connection", n.inTCP(natmodels.ACK, boxtest.RemoteY1, external), natmodels.Invalid)
	n.want("other connection", n.inTCP(natmodels.ACK, boxtest.RemoteY2, external), natmodels.NotDropped)
	n.outTCP(natmodels.RST, boxtest.InsideA, boxtest.RemoteY2)
	n.wait(4 * time.Minute)
	n.want("mappings", len(n.Mappings(n.now)), 0)
	if n.core().bySession.Len() != 0 {
		t.Errorf("%d sessions are left over", n.core().bySession.Len())
	}
}
