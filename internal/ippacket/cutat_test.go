package ippacket

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// What was joined is cut as it came, whatever the sizes, the order and DF, which is gone.
func TestCutAt(t *testing.T) {
	for _, df := range []bool{false, true} {
		b, err := AppendUDP(nil, Header{ID: 9, DF: df}, ap("10.0.0.1:1"), ap("10.0.0.2:2"), make([]byte, 1000))
		if err != nil {
			t.Fatal(err)
		}
		v, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		want := []int{400, 16, 592}
		parts, err := v.CutAt(b, want)
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewReassembler(ReassemblerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		var whole []byte
		for _, i := range []int{2, 0, 1} {
			p, err := Parse(parts[i])
			if err != nil || p.DF {
				t.Fatalf("%+v: %v", p, err)
			}
			if whole, err = r.Add(parts[i], &p, time.Unix(0, 0)); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.Cuts(); !bytes.Equal(whole[20:], b[20:]) || len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
			t.Errorf("df %v: cut at %v, want %v; %x", df, got, want, whole)
		}
		for _, bad := range [][]int{nil, {1008, 0}, {400, 15, 593}, {400, 16, 600}, {-8, 1016}} {
			if _, err := v.CutAt(b, bad); !errors.Is(err, BadFragment) {
				t.Errorf("%v: %v", bad, err)
			}
		}
	}
}
