package conntrack

import (
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// A packet with a wrong checksum makes no connection, is not translated, and does not pass where
// what makes no sense is dropped.
func TestSpoiled(t *testing.T) {
	at, addr := netip.MustParseAddrPort, netip.MustParseAddr
	now := time.Unix(1_000_000, 0)
	out := natmodels.Packet{Protocol: natmodels.UDP, Src: at("10.0.0.2:4000"), Dst: at("203.0.113.9:53")}
	in := natmodels.Packet{Protocol: natmodels.UDP, Src: out.Dst, Dst: at("198.51.100.1:4000")}
	for _, pass := range []bool{false, true} {
		k, err := New(Config{PassInvalid: pass, Unsolicited: natmodels.LocalEntry}, natmodels.Place{External: []netip.Addr{addr("198.51.100.1")}})
		if err != nil {
			t.Fatal(err)
		}
		v := k.Spoiled(out, true, now)
		if passed := v.Action == natmodels.Forward; passed != pass || pass && !v.Packet.Equal(out) || !pass && v.Reason != natmodels.Invalid {
			t.Errorf("pass invalid %v: %+v", pass, v)
		}
		if v := k.Spoiled(in, false, now); v.Action != natmodels.Drop || v.Reason != natmodels.Invalid {
			t.Errorf("to the box: %+v", v)
		}
		if n := k.Mappings(now); len(n) != 0 {
			t.Errorf("connections: %v", n)
		}
		if v := k.Spoiled(natmodels.Packet{Protocol: natmodels.UDP}, true, now); v.Action != natmodels.Drop || v.Reason != natmodels.BadPacket {
			t.Errorf("a packet that is none: %+v", v)
		}
	}
}

// A redirect is not translated (nf_nat_icmp_reply_translation), nor does it pass.
func TestRedirect(t *testing.T) {
	at := netip.MustParseAddrPort
	now := time.Unix(1_000_000, 0)
	k, err := New(Config{PassInvalid: true}, natmodels.Place{External: []netip.Addr{netip.MustParseAddr("198.51.100.1")}})
	if err != nil {
		t.Fatal(err)
	}
	out := natmodels.Packet{Protocol: natmodels.UDP, Src: at("10.0.0.2:4000"), Dst: at("203.0.113.9:53")}
	sent := k.Outbound(out, now).Packet
	e := natmodels.Packet{
		Protocol: natmodels.ICMP, Type: natmodels.Redirect, Code: 1, Quoted: &sent,
		Src: at("203.0.113.1:0"), Dst: at("198.51.100.1:0"),
	}
	if v := k.Inbound(e, now); v.Action != natmodels.Drop || v.Reason != natmodels.Invalid {
		t.Errorf("%+v", v)
	}
	e.Type, e.Code = natmodels.DestUnreachable, natmodels.PortUnreachable
	if v := k.Inbound(e, now); v.Action != natmodels.Forward || !v.Packet.Quoted.Equal(out) {
		t.Errorf("%+v", v)
	}
}
