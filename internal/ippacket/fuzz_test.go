package ippacket

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/natproof/natproof/natmodels"
)

// seeds are packets of every kind.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	var all [][]byte
	for _, name := range []string{"udp4", "udp6", "tcp4", "echo4"} {
		b := benchPackets(f)[name]
		all = append(all, b)
		v := mustParse(f, b)
		from, kind := ap("192.0.2.9:0").Addr(), natmodels.DestUnreachable
		if v.Version == 6 {
			from, kind = ap("[2001:db8::9]:0").Addr(), natmodels.V6DestUnreachable
		}
		e, err := v.AppendICMPError(nil, Header{}, from, kind, 3, 0, b)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, e)
		if v.Version == 4 {
			all = append(all, fragments(f, b, 100)...)
			s := spec{P: v.Packet, TTL: 3, Options: true, Payload: []byte("with options")}
			all = append(all, s.bytes(f))
			continue
		}
		s := spec{P: v.Packet, TTL: 3, Options: true, Payload: make([]byte, 1300)}
		all = append(all, s.bytes(f))
		all = append(all, fragments(f, s.bytes(f), 1280)...)
	}
	return all
}

// FuzzParse: whatever the bytes, what is told lies within them; and everything else that can
// be done with a packet ends without a panic.
func FuzzParse(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = mended(b)
		v, err := Parse(b)
		if err != nil && err != BadQuote {
			return
		}
		if v.Len > len(b) || v.HeaderLen > v.PayloadAt || v.PayloadAt > v.PayloadEnd || v.PayloadEnd > v.Len {
			t.Fatalf("%+v of %d bytes", v, len(b))
		}
		before := bytes.Clone(b)
		_ = v.Verify(b)
		v.Payload(b)
		v.Quoted(b)
		from := netip.AddrFrom4([4]byte{192, 0, 2, 1})
		if v.Version == 6 {
			from = netip.AddrFrom16([16]byte{0x20, 1})
		}
		if e, err := v.AppendICMPError(nil, Header{}, from, 3, 1, 0, b); err == nil {
			ev, err := Parse(e)
			cut := err == BadQuote && v.HeaderLen > 1280-header6-2*icmpHeader // within extension headers (RFC 7112)
			if err != nil && !cut || ev.Verify(e) != nil || ev.Len > 1280 {
				t.Fatalf("error %v: % x", err, e)
			}
		}
		if e, err := v.AppendEchoReply(nil, Header{}, b); err == nil {
			if ev := mustParse(t, e); ev.Verify(e) != nil {
				t.Fatalf("reply % x", e)
			}
		}
		if _, err := v.Fragment(b, 1000); err == nil && v.Version == 6 && v.Len > 1000 {
			t.Fatal("a fragmented packet of IPv6")
		}
		if all, err := v.Fragment6(b, 1280, 1); err == nil {
			for _, p := range all {
				if _, again := Parse(p); again != nil && again != BadQuote {
					t.Fatalf("%v: % x", again, p)
				}
			}
		}
		if got, err := v.Translate(nil, 1, otherFamily(v.Packet), b); err == nil {
			if _, err := Parse(got); err != nil && err != BadQuote {
				t.Fatalf("%v: % x", err, got)
			}
		}
		if !bytes.Equal(b, before) {
			t.Fatal("the packet has changed")
		}
		_ = v.DecTTL(b)
		if long, err := v.ReplaceUDPPayload(b, make([]byte, 100)); err == nil {
			mustParse(t, long)
		}
	})
}

// otherFamily is a packet that one may become at a NAT64.
func otherFamily(p natmodels.Packet) natmodels.Packet {
	if p.Quoted != nil {
		q := otherFamily(*p.Quoted)
		p.Quoted = &q
	}
	a := netip.MustParseAddr("64:ff9b::1")
	if p.Src.Addr().Is6() {
		a = netip.MustParseAddr("192.0.2.7")
	}
	p.Src, p.Dst = netip.AddrPortFrom(a, p.Src.Port()), netip.AddrPortFrom(a, p.Dst.Port())
	p.Protocol = otherProtocol(p.Protocol)
	return p
}

// FuzzApply: endpoints written are endpoints read, and a checksum that was right is right.
func FuzzApply(f *testing.F) {
	for i, b := range seeds(f) {
		f.Add(b, uint64(i), uint16(5060), uint16(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, addr uint64, sport, dport uint16) {
		b = mended(b)
		v, err := Parse(b)
		if err != nil {
			return
		}
		right := v.Verify(b) == nil
		to := v.Packet
		if v.Offset > 0 {
			sport, dport = 0, 0 // it has none
		}
		moveEnds(&to, addr, sport, dport)
		if to.Quoted != nil {
			q := *to.Quoted
			if v.quote.later {
				sport, dport = 0, 0
			}
			moveEnds(&q, addr>>8, dport, sport)
			to.Quoted = &q
		}
		if err := v.Apply(b, to); err != nil {
			if err == SourceRouted {
				return
			}
			t.Fatalf("%v: %v", to, err)
		}
		again, err := Parse(b)
		if err != nil || !again.Packet.Equal(to) {
			t.Fatalf("%v, %v, want %v", err, again.Packet, to)
		}
		if right && again.Verify(b) != nil {
			t.Fatalf("%v: the checksum is no longer right", to)
		}
	})
}

// mended is a copy with the checksum of an IPv4 header made right, or hardly anything would
// get past it.
func mended(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) < header4 || b[0]>>4 != 4 {
		return b
	}
	if header := int(b[0]&15) * 4; header >= header4 && header <= len(b) {
		be.PutUint16(b[10:], 0)
		be.PutUint16(b[10:], Checksum(b[:header]))
	}
	return b
}

// moveEnds gives a packet endpoints that it may have.
func moveEnds(p *natmodels.Packet, addr uint64, sport, dport uint16) {
	src, dst := p.Src.Addr().AsSlice(), p.Dst.Addr().AsSlice()
	for i := range 8 {
		src[len(src)-1-i%4] ^= byte(addr >> (8 * i))
		dst[i%4] ^= byte(addr >> (8 * i))
	}
	version := uint8(4)
	if p.Src.Addr().Is6() {
		version = 6
	}
	switch request, reply := p.Echo(); {
	case (request || reply) && knows(version, p.Protocol):
		dport = sport
	case p.Protocol != natmodels.UDP && p.Protocol != natmodels.TCP:
		sport, dport = 0, 0
	}
	s, _ := netip.AddrFromSlice(src)
	d, _ := netip.AddrFromSlice(dst)
	p.Src, p.Dst = netip.AddrPortFrom(s, sport), netip.AddrPortFrom(d, dport)
}
