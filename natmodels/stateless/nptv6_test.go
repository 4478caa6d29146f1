package stateless

import (
	"math/big"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// A second prefix translator: RFC 6296 section 3 as arithmetic modulo 65535, in which a
// checksum is the address itself, taken for a number (RFC 1071).

func number(a netip.Addr) *big.Int {
	b := a.As16()
	return new(big.Int).SetBytes(b[:])
}

// checksum is what an address adds to the checksum of a packet.
func checksum(a netip.Addr) int64 {
	return new(big.Int).Mod(number(a), big.NewInt(0xffff)).Int64()
}

func wordsOf(a netip.Addr) (words [8]int64) {
	b := a.As16()
	for i := range words {
		words[i] = int64(b[2*i])<<8 | int64(b[2*i+1])
	}
	return words
}

func addressOf(words [8]int64) netip.Addr {
	var b [16]byte
	for i, w := range words {
		b[2*i], b[2*i+1] = byte(w>>8), byte(w)
	}
	return netip.AddrFrom16(b)
}

// modelPrefix puts an address of one prefix into another, or says that it cannot be: the word
// that makes up for the difference (section 3.4, 3.5) would have to be 0xffff.
func modelPrefix(a netip.Addr, to netip.Prefix) (netip.Addr, bool) {
	host := new(big.Int).Mod(number(a), new(big.Int).Lsh(big.NewInt(1), uint(128-to.Bits())))
	var b [16]byte
	now := netip.AddrFrom16([16]byte(new(big.Int).Add(number(to.Addr()), host).FillBytes(b[:])))
	words := wordsOf(now)
	at := 3
	if to.Bits() > 48 {
		for at = 4; at < 8 && words[at] == 0xffff; {
			at++
		}
	}
	if at == 8 || words[at] == 0xffff {
		return a, false
	}
	words[at] = (words[at] + checksum(a) - checksum(now) + 0xffff) % 0xffff
	return addressOf(words), true
}

func drawPrefix(t *rapid.T, name string, bits int, top byte) netip.Prefix {
	var b [16]byte
	copy(b[:], rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0xd5, 0xff}), 8, 8).Draw(t, name))
	b[0] = top
	return netip.PrefixFrom(netip.AddrFrom16(b), bits).Masked()
}

// TestPrefixTranslatorMatchesModel: addresses come out as the formula has them, in both
// directions and in what errors quote; the checksum stays; what came out comes back.
func TestPrefixTranslatorMatchesModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(16, 64).Draw(t, "bits")
		in, out := drawPrefix(t, "internal", bits, 0xfd), drawPrefix(t, "external", bits, 0x20)
		n, err := PrefixTranslator{Prefixes: []natmodels.PrefixMapping{{Internal: in, External: out}}}.New(natmodels.Place{})
		if err != nil {
			t.Fatal(err)
		}
		host := in.Addr().As16()
		for i, b := range rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0x7f, 0xff, 0xff}), 16, 16).Draw(t, "host") {
			host[i] |= b & ^prefixMask(bits, i)
		}
		inside, far := netip.AddrFrom16(host), netip.MustParseAddr("3fff::1")
		p := natmodels.Packet{Protocol: natmodels.UDP, Src: netip.AddrPortFrom(inside, 5060), Dst: netip.AddrPortFrom(far, 3478)}
		v := n.Outbound(p, boxtest.Start)
		want, ok := modelPrefix(inside, out)
		if !ok {
			if v.Action != natmodels.Drop || v.Reason != natmodels.NotExternal || !v.Packet.Equal(p) {
				t.Fatalf("%v: %+v, but it cannot be translated", p, v)
			}
			return
		}
		outside := v.Packet.Src.Addr()
		if v.Action != natmodels.Forward || outside != want || v.Packet.Src.Port() != 5060 || v.Packet.Dst != p.Dst || checksum(inside) != checksum(outside) {
			t.Fatalf("%v: %+v, want %v, with checksum %#x for %#x", p, v, want, checksum(outside), checksum(inside))
		}
		comesBack(t, n, p, v.Packet)
	})
}

// prefixMask is a byte of the mask of a prefix.
func prefixMask(bits, at int) byte {
	switch left := bits - 8*at; {
	case left >= 8:
		return 0xff
	case left <= 0:
		return 0
	default:
		return ^byte(0) << (8 - left)
	}
}

// comesBack sends the answer to a packet, an error about it, and the same from inside.
func comesBack(t *rapid.T, n natmodels.Box, sent, out natmodels.Packet) {
	answer := natmodels.Packet{Protocol: natmodels.UDP, Src: out.Dst, Dst: out.Src}
	if v := n.Inbound(answer, boxtest.Start); v.Action != natmodels.Forward || v.Packet.Dst != sent.Src || v.Packet.Src != answer.Src {
		t.Fatalf("%v: %+v, want it at %v", answer, v, sent.Src)
	}
	router := netip.AddrPortFrom(netip.MustParseAddr("3fff::9"), 0)
	e := natmodels.Packet{Protocol: natmodels.ICMPv6, Type: natmodels.V6TimeExceeded, Src: router, Dst: netip.AddrPortFrom(out.Src.Addr(), 0), Quoted: &out}
	if v := n.Inbound(e, boxtest.Start); v.Action != natmodels.Forward || !v.Packet.Quoted.Equal(sent) || v.Packet.Dst.Addr() != sent.Src.Addr() || v.Packet.Src != router {
		t.Fatalf("%v: %+v, want it about %v", e, v, sent)
	}
	sent.Dst = out.Src
	if v := n.Outbound(sent, boxtest.Start); v.Action != natmodels.Hairpin || v.Packet.Src != out.Src || v.Packet.Dst != sent.Src {
		t.Fatalf("%v: %+v", sent, v)
	}
}
