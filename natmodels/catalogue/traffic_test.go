package catalogue_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// inPlace puts a NAT of the catalogue between two external addresses, where it has any.
func inPlace(t testing.TB, name string, seed uint64) natmodels.Box {
	t.Helper()
	e, err := catalogue.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	place := natmodels.Place{Seed: seed}
	if e.Addresses() > 0 {
		place.External = []netip.Addr{boxtest.OutsideA, boxtest.OutsideB}
	}
	n, err := e.Model.New(place)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// eachNAT calls f for every NAT of the catalogue but none.
func eachNAT(t *testing.T, f func(t *testing.T, name string)) {
	for _, name := range catalogue.Names()[1:] {
		t.Run(name, func(t *testing.T) { f(t, name) })
	}
}

// TestConservation: counters add up, nothing is shared that
// must not be, for every device and any mixture of protocols.
func TestConservation(t *testing.T) {
	eachNAT(t, func(t *testing.T, name string) {
		for seed := range uint64(5) {
			n := inPlace(t, name, 0)
			tr := &boxtest.Traffic{Rand: rand.New(rand.NewPCG(seed, 1)), Now: boxtest.Start}
			for range 2000 {
				p := tr.Send(n)
				if n.Explain(p) == "" {
					t.Fatalf("%+v: no explanation", p)
				}
			}
			boxtest.Conserved(t, n, tr.Now)
			tr.Now = tr.Now.Add(6 * 24 * time.Hour)
			boxtest.Conserved(t, n, tr.Now)
			if left := n.Mappings(tr.Now); len(left) > 0 {
				t.Fatalf("%v outlive everything", left)
			}
		}
	})
}

// TestSnapshot: saved and restored, a NAT has the same future, and the future of one
// is nothing to the other.
func TestSnapshot(t *testing.T) {
	eachNAT(t, func(t *testing.T, name string) {
		n := inPlace(t, name, 0)
		past := &boxtest.Traffic{Rand: rand.New(rand.NewPCG(1, 2)), Now: boxtest.Start}
		for range 300 {
			past.Send(n)
		}
		saved := n.Snapshot()
		future := func(n natmodels.Box) (list []string) {
			tr := &boxtest.Traffic{Rand: rand.New(rand.NewPCG(3, 4)), Now: past.Now, External: slices.Clone(past.External)}
			for range 300 {
				v := tr.Send(n)
				list = append(list, v.Packet.String()+" "+n.Explain(v))
			}
			for _, m := range n.Mappings(tr.Now) {
				list = append(list, m.String())
			}
			return list
		}
		first := future(n)
		for range 2 {
			if again := future(saved.Restore()); !slices.Equal(first, again) {
				for i := range first {
					if i < len(again) && first[i] != again[i] {
						t.Fatalf("step %d: %s\nrestored: %s", i, first[i], again[i])
					}
				}
				t.Fatal("different futures")
			}
		}
	})
}

// FuzzTraffic is TestConservation under the control of the fuzzer.
func FuzzTraffic(f *testing.F) {
	for i := range uint8(4) {
		f.Add(uint64(i), i*9)
	}
	names := catalogue.Names()[1:]
	f.Fuzz(func(t *testing.T, seed uint64, device uint8) {
		n := inPlace(t, names[int(device)%len(names)], seed)
		tr := &boxtest.Traffic{Rand: rand.New(rand.NewPCG(seed, 1)), Now: boxtest.Start}
		for range 200 {
			tr.Send(n)
		}
		boxtest.Conserved(t, n, tr.Now)
	})
}

// A packet on a mapping that is there costs no allocation, whatever its fate.
func TestNoAllocations(t *testing.T) {
	for _, name := range catalogue.PresetNames() {
		n := inPlace(t, name, 0)
		external := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideA, Dst: boxtest.RemoteY1}, boxtest.Start).Packet.Src
		n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideA, Dst: boxtest.RemoteY2}, boxtest.Start)
		n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideB, Dst: external}, boxtest.Start)
		now := boxtest.Start
		got := testing.AllocsPerRun(100, func() {
			now = now.Add(time.Millisecond)
			n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideA, Dst: boxtest.RemoteY1}, now)
			n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideA, Dst: boxtest.RemoteY2}, now)
			n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideB, Dst: external}, now)
			n.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.RemoteY1, Dst: external}, now)
			n.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.RemoteY1p, Dst: external}, now)
			n.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.RemoteY2, Dst: external}, now)
			n.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.RemoteY2, Dst: netip.AddrPortFrom(boxtest.OutsideA, 9)}, now)
			n.Inbound(natmodels.Packet{Protocol: 47, Src: boxtest.RemoteY2, Dst: external}, now)
		})
		if got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

// The packets of a flow cost none either, whatever the box.
func TestNoAllocationsInAFlow(t *testing.T) {
	for _, name := range catalogue.Names() {
		n, now := inPlace(t, name, 0), boxtest.Start
		external := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideA, Dst: boxtest.RemoteY1}, now).Packet.Src
		got := testing.AllocsPerRun(100, func() {
			now = now.Add(time.Millisecond)
			n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideA, Dst: boxtest.RemoteY1}, now)
			n.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.RemoteY1, Dst: external}, now)
		})
		if got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}
