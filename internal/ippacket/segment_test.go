package ippacket

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/natmodels"
)

// Segments carry what the whole carried, one after the other, each with its number and checksum;
// what only the last or the first may say only that one says.
func TestSegments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpec(t, rapid.Bool().Draw(t, "v4"), false)
		s.P.Protocol, s.P.Type, s.P.Code = natmodels.TCP, 0, 0
		s.P.Flags = natmodels.TCPFlags(rapid.Byte().Draw(t, "flags"))
		s.Payload = drawBytes(t, 0, 5000, "long payload")
		b := s.bytes(t)
		v := mustParse(t, b)
		if v.Packet.Protocol != natmodels.TCP || v.Fragmented() {
			return
		}
		size := rapid.IntRange(1, 1600).Draw(t, "size")
		all, err := v.Segments(b, size)
		if err != nil {
			t.Fatal(err)
		}
		var body []byte
		for i, p := range all {
			w := mustParse(t, p)
			if err := w.Verify(p); err != nil || w.Len != len(p) {
				t.Fatalf("segment %d: %v, %d bytes of %d", i, err, w.Len, len(p))
			}
			if w.Packet.Seq != v.Packet.Seq+uint32(len(body)) || w.Packet.Ack != v.Packet.Ack {
				t.Fatalf("segment %d: %v of %v", i, w.Packet, v.Packet)
			}
			want := v.Packet.Flags
			if i > 0 {
				want &^= flagCWR
			}
			if i < len(all)-1 {
				want &^= flagFIN | flagPSH
			}
			if w.Packet.Flags != want {
				t.Fatalf("segment %d of %d: flags %v of %v", i, len(all), w.Packet.Flags, v.Packet.Flags)
			}
			body = append(body, w.Payload(p)...)
		}
		if !bytes.Equal(body, v.Payload(b)) {
			t.Fatal("another payload")
		}
	})
}

func TestSegmentsOfSomethingElse(t *testing.T) {
	b, _ := AppendUDP(nil, Header{}, ap("10.0.0.1:1"), ap("192.0.2.1:2"), make([]byte, 100))
	v := mustParse(t, b)
	if _, err := v.Segments(b, 10); !errors.Is(err, OtherPacket) {
		t.Error(err)
	}
	b, _ = AppendTCP(nil, Header{}, natmodels.Packet{Protocol: natmodels.TCP, Src: ap("10.0.0.1:1"), Dst: ap("192.0.2.1:2")}, 1, make([]byte, 100))
	v = mustParse(t, b)
	if _, err := v.Segments(b, 0); !errors.Is(err, BadMTU) {
		t.Error(err)
	}
}

// The sum of the pseudo-header and that of the rest are the checksum.
func TestPartialChecksum(t *testing.T) {
	b, _ := AppendUDP(nil, Header{}, ap("10.0.0.1:1"), ap("192.0.2.1:2"), []byte("natproof"))
	v := mustParse(t, b)
	be.PutUint16(b[v.HeaderLen+6:], PartialChecksum(b, natmodels.UDP, v.Len-v.HeaderLen))
	be.PutUint16(b[v.HeaderLen+6:], Checksum(b[v.HeaderLen:]))
	if err := v.Verify(b); err != nil {
		t.Error(err)
	}
}
