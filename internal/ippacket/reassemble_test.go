package ippacket

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
)

func mustPacket(src, dst string) natmodels.Packet {
	return natmodels.Packet{Protocol: natmodels.UDP, Src: ap(src), Dst: ap(dst)}
}

// piece is a fragment of a datagram of bytes that are their own offset, divided by eight.
type piece struct {
	at, end int // in units of eight bytes
	last    bool
	want    Problem
	whole   bool
}

func (p piece) packet(t *testing.T, v6 bool) []byte {
	var body []byte
	for i := p.at; i < p.end; i++ {
		body = append(body, bytes.Repeat([]byte{byte(i)}, 8)...)
	}
	src, dst := ap("10.0.0.1:0").Addr(), ap("10.0.0.2:0").Addr()
	if v6 {
		src, dst = ap("[2001:db8::1]:0").Addr(), ap("[2001:db8::2]:0").Addr()
		field := uint16(p.at * 8)
		if !p.last {
			field |= 1
		}
		body = append([]byte{253, 0, byte(field >> 8), byte(field), 0, 0, 0, 7}, body...)
		b, err := AppendIP(nil, Header{}, fragment, src, dst, body)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b, err := AppendIP(nil, Header{ID: 7}, 253, src, dst, body)
	if err != nil {
		t.Fatal(err)
	}
	field := uint16(p.at)
	if !p.last {
		field |= flagMF
	}
	be.PutUint16(b[6:], field)
	be.PutUint16(b[10:], 0)
	be.PutUint16(b[10:], Checksum(b[:20]))
	return b
}

func TestOverlaps(t *testing.T) {
	type c struct {
		name   string
		policy ReassemblerConfig
		v4, v6 bool
		pieces []piece
	}
	for _, x := range []c{
		{"in order", ReassemblerConfig{}, true, true, []piece{{0, 2, false, none, false}, {2, 3, true, none, true}}},
		{"last first", ReassemblerConfig{}, true, true, []piece{{2, 3, true, none, false}, {0, 2, false, none, true}}},
		{"a duplicate", ReassemblerConfig{}, true, true, []piece{{0, 2, false, none, false}, {0, 2, false, Duplicate, false}, {2, 3, true, none, true}}},
		{"within a run, a duplicate to Linux", ReassemblerConfig{}, true, true, []piece{{0, 1, false, none, false}, {1, 2, false, none, false}, {0, 2, false, Duplicate, false}, {2, 3, true, none, true}}},
		{"overlap, and what comes later begins anew", ReassemblerConfig{}, true, false, []piece{{0, 2, false, none, false}, {1, 3, true, Overlap, false}, {2, 3, true, none, false}, {0, 2, false, none, true}}},
		{"overlap, and what comes later is dropped too (RFC 5722)", ReassemblerConfig{}, false, true, []piece{{0, 2, false, none, false}, {1, 3, true, Overlap, false}, {2, 3, true, Overlap, false}, {0, 2, false, Overlap, false}}},
		{"overlap where the first wins", ReassemblerConfig{Overlaps: FirstWins}, true, false, []piece{{0, 2, false, none, false}, {1, 3, true, none, true}}},
		{"overlap on both ends where the first wins", ReassemblerConfig{Overlaps: FirstWins}, true, false, []piece{{1, 2, false, none, false}, {3, 4, false, none, false}, {0, 5, true, none, true}}},
		{"nothing new where the first wins", ReassemblerConfig{Overlaps: FirstWins}, true, false, []piece{{2, 3, false, none, false}, {1, 2, false, none, false}, {1, 3, false, Duplicate, false}, {0, 4, true, none, true}}},
		{"IPv6 whatever the policy", ReassemblerConfig{Overlaps: FirstWins}, false, true, []piece{{0, 2, false, none, false}, {1, 3, true, Overlap, false}}},
		{"in order, as it has to be", ReassemblerConfig{InOrder: true}, true, true, []piece{{0, 1, false, none, false}, {1, 2, false, none, false}, {0, 1, false, Duplicate, false}, {2, 3, true, none, true}}},
		{"not in order, which it has to be", ReassemblerConfig{InOrder: true}, true, true, []piece{{1, 2, false, OutOfOrder, false}, {0, 1, false, none, false}, {2, 3, true, OutOfOrder, false}, {1, 2, false, none, false}, {2, 3, true, none, true}}},
		{"two ends", ReassemblerConfig{}, true, true, []piece{{2, 3, true, none, false}, {4, 5, true, Contradiction, false}}},
		{"beyond the end", ReassemblerConfig{}, true, true, []piece{{2, 3, true, none, false}, {4, 5, false, Contradiction, false}}},
		{"an end before what is here", ReassemblerConfig{}, true, true, []piece{{4, 5, false, none, false}, {1, 2, true, Contradiction, false}}},
		{"nothing in it", ReassemblerConfig{}, true, true, []piece{{2, 2, false, BadFragment, false}}},
	} {
		for _, v6 := range []bool{false, true} {
			if v6 && !x.v6 || !v6 && !x.v4 {
				continue
			}
			r, err := NewReassembler(x.policy)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range x.pieces {
				b := p.packet(t, v6)
				v := mustParse(t, b)
				whole, err := r.Add(b, &v, epoch)
				if !errors.Is(err, p.want.err()) || (whole != nil) != p.whole {
					t.Errorf("%s, IPv6 %v, piece %d: %v and %d bytes, want %v", x.name, v6, i+1, err, len(whole), p.want.err())
				}
				if whole == nil {
					continue
				}
				w := mustParse(t, whole)
				for j, got := range w.Payload(whole) {
					if int(got) != j/8 {
						t.Errorf("%s, IPv6 %v: byte %d is %d", x.name, v6, j, got)
						break
					}
				}
			}
		}
	}
}

func TestReassemblyTimesOut(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		r, _ := NewReassembler(ReassemblerConfig{Timeout: 30 * time.Second})
		first := piece{at: 0, end: 2}.packet(t, v6)
		v := mustParse(t, first)
		if _, err := r.Add(first, &v, epoch); err != nil {
			t.Fatal(err)
		}
		due, ok := r.Next()
		if !ok || !due.Equal(epoch.Add(30*time.Second)) {
			t.Errorf("due at %v, %v", due, ok)
		}
		if got := r.Expire(due.Add(-1)); len(got) != 0 {
			t.Errorf("expired too soon: %v", got)
		}
		last := piece{at: 2, end: 3, last: true}.packet(t, v6)
		v = mustParse(t, last)
		if whole, err := r.Add(last, &v, due); whole != nil || err != nil {
			t.Errorf("joined to what is over: %v", err)
		}
		got := r.Expire(due)
		if len(got) != 1 || !bytes.Equal(got[0].First, first) || got[0].ID != 7 {
			t.Errorf("expired %+v", got)
		}
		got = r.Expire(due.Add(30 * time.Second))
		if len(got) != 1 || got[0].First != nil {
			t.Errorf("expired %+v", got)
		}
		if n, bytes := r.Held(); n != 0 || bytes != 0 {
			t.Errorf("%d datagrams, %d bytes are left", n, bytes)
		}
		if _, ok := r.Next(); ok {
			t.Error("something is due")
		}
	}
}

func TestReassemblyIsBounded(t *testing.T) {
	const room = 2000
	r, _ := NewReassembler(ReassemblerConfig{MaxBytes: room})
	refused := 0
	for id := range 100 {
		b := piece{at: 0, end: 4}.packet(t, false)
		be.PutUint16(b[4:], uint16(id))
		be.PutUint16(b[10:], 0)
		be.PutUint16(b[10:], Checksum(b[:20]))
		v := mustParse(t, b)
		_, err := r.Add(b, &v, epoch)
		if err != nil && !errors.Is(err, NoRoom) {
			t.Fatal(err)
		}
		if err != nil {
			refused++
		}
		if _, bytes := r.Held(); bytes > room {
			t.Fatalf("%d bytes are held", bytes)
		}
	}
	n, _ := r.Held()
	if n == 0 || n+refused != 100 {
		t.Errorf("%d held, %d refused", n, refused)
	}
	if _, err := NewReassembler(ReassemblerConfig{MaxBytes: -1}); err == nil {
		t.Error("a negative bound is taken")
	}
}
