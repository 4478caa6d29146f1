package ippacket

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/conntrack"
)

// What a box of Linux answers by itself has bytes, and they are the verdict's.
func TestReplies(t *testing.T) {
	external := netip.MustParseAddr("198.51.100.1")
	place := natmodels.Place{External: []netip.Addr{external}}
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpec(t, true, true)
		s.P.Dst = netip.AddrPortFrom(external, s.P.Dst.Port())
		b := s.bytes(t)
		v := mustParse(t, b)
		box, err := conntrack.New(conntrack.Config{Unsolicited: natmodels.LocalEntry, PassInvalid: true}, place)
		if err != nil {
			t.Fatal(err)
		}
		verdict := box.Inbound(v.Packet, epoch)
		if verdict.Action != natmodels.Reply {
			t.Skip("no answer")
		}
		got, err := v.AppendReply([]byte("before"), Header{}, verdict.Packet, b)
		if errors.Is(err, NoAnswer) && !single(v.Packet.Src.Addr()) {
			return
		}
		if err != nil {
			t.Fatalf("%v: %v", verdict.Packet, err)
		}
		got = got[len("before"):]
		a, want := mustParse(t, got), verdict.Packet
		if want.Protocol == natmodels.TCP && v.Packet.Flags&natmodels.ACK == 0 {
			want.Ack += uint32(len(v.Payload(b)))
		}
		if !a.Packet.Equal(want) || a.Verify(got) != nil {
			t.Fatalf("%v, want %v", a.Packet, want)
		}
	})
}

// An answer about a packet that was translated before it was refused is about the
// translation.
func TestReplyQuotesTheVerdict(t *testing.T) {
	b, _ := AppendUDP(nil, Header{}, ap("10.0.0.1:1"), ap("192.0.2.1:2"), []byte("x"))
	v := mustParse(t, b)
	q := mustPacket("10.0.0.7:7", "192.0.2.8:8")
	p := natmodels.Packet{Protocol: natmodels.ICMP, Type: 3, Code: 3, Src: ap("192.0.2.8:0"), Dst: ap("10.0.0.7:0"), Quoted: &q}
	got, err := v.AppendReply(nil, Header{}, p, b)
	if err != nil {
		t.Fatal(err)
	}
	moved, _ := AppendUDP(nil, Header{}, q.Src, q.Dst, []byte("x"))
	if a := mustParse(t, got); !a.Packet.Equal(p) || a.Verify(got) != nil || !bytes.Equal(a.Quoted(got), moved) {
		t.Errorf("% x", got)
	}
	if same, err := v.AppendReply(nil, Header{}, v.Packet, b); err != nil || !bytes.Equal(same, b) {
		t.Errorf("as it came: %v", err)
	}
	if _, err := v.AppendReply(nil, Header{}, q, b); !errors.Is(err, OtherPacket) {
		t.Errorf("UDP is no answer: %v", err)
	}
}
