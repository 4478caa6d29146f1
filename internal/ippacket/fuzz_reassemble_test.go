package ippacket

import (
	"testing"
	"time"
)

// FuzzReassemble: any packets in any order, each after its own length; memory stays within
// its bound, what is joined is a packet, and at the end nothing is left.
func FuzzReassemble(f *testing.F) {
	for _, b := range seeds(f) {
		var script []byte
		for _, p := range append(fragmentsOrSelf(f, b), b) {
			script = append(script, byte(len(p)>>8), byte(len(p)), 1)
			script = append(script, p...)
		}
		f.Add(script, false, false)
		f.Add(script, true, true)
	}
	f.Fuzz(func(t *testing.T, script []byte, firstWins, inOrder bool) {
		const room = 20_000
		cfg := ReassemblerConfig{MaxBytes: room, Timeout: time.Second, InOrder: inOrder}
		if firstWins {
			cfg.Overlaps = FirstWins
		}
		r, err := NewReassembler(cfg)
		if err != nil {
			t.Fatal(err)
		}
		now := epoch
		for len(script) > 3 {
			n, wait := int(be.Uint16(script)), script[2]
			script = script[3:]
			n = min(n, len(script))
			b := script[:n]
			script = script[n:]
			now = now.Add(time.Duration(wait) * 10 * time.Millisecond)
			b = mended(b)
			v, err := Parse(b)
			if err != nil && err != BadQuote {
				continue
			}
			whole, err := r.Add(b, &v, now)
			if whole != nil && err == nil {
				if w, err := Parse(whole); v.Fragmented() && w.Fragmented() && err == nil && w.Offset > 0 {
					t.Fatalf("joined to a fragment: %+v", w)
				}
			}
			if _, held := r.Held(); held > room {
				t.Fatalf("%d bytes held", held)
			}
		}
		r.Expire(now.Add(time.Second))
		if n, held := r.Held(); n != 0 || held != 0 {
			t.Fatalf("%d datagrams and %d bytes left", n, held)
		}
	})
}

func fragmentsOrSelf(t tb, b []byte) [][]byte {
	v := mustParse(t, b)
	if all, err := v.Fragment(b, 100); err == nil {
		return all
	}
	if all, err := v.Fragment6(b, 1280, 9); err == nil {
		return all
	}
	return [][]byte{b}
}
