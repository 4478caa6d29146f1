package vnet_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/natproof/natproof/vnet"
)

func TestDropTailInPackets(t *testing.T) {
	var r *road
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) (err error) {
		if r, err = newRoad(lab, vnet.LinkConfig{BitRate: 8000, QueuePackets: 4}, nil); err != nil {
			return err
		}
		for i := range 10 {
			r.send(r.a, 0, i, 100+i) // a tenth of a second each, and of any size
		}
		time.Sleep(time.Microsecond)
		if n := lab.InFlight(); n != 4 {
			t.Errorf("%d in flight", n)
		}
		time.Sleep(time.Second)
		return r.end()
	})
	if got := r.numbers(); !slices.Equal(got, []int{0, 1, 2, 3}) || r.lab.Stats().Dropped[vnet.QueueFull] != 6 {
		t.Errorf("%v %+v", got, r.lab.Stats())
	}
	for i, want := range []time.Duration{100, 201, 303, 406} {
		if took := r.got()[i].took.Round(time.Millisecond); took != want*time.Millisecond {
			t.Errorf("packet %d took %v", i, took)
		}
	}
}

// besideABulkFlow sends a call's audio (a packet of 200 bytes each 20 ms, as G.711 does)
// and beside it more than the link carries, and returns what the audio's packets
// took, and the drops of each flow by reason.
func besideABulkFlow(t *testing.T, cfg vnet.LinkConfig) (voice []time.Duration, drops map[string]int) {
	t.Helper()
	drops = map[string]int{}
	onEvent := func(e vnet.Event) {
		if e.Kind == vnet.Dropped {
			drops[fmt.Sprintf("%d %s", e.Src.Port(), e.Reason)]++
		}
	}
	inLab(t, vnet.Config{Seed: 1, DiscardTrace: true, OnEvent: onEvent}, func(lab *vnet.Lab) error {
		r, err := newRoad(lab, cfg, nil)
		if err != nil {
			return err
		}
		bulk, err := r.host.ListenPacket("udp4", ":2000")
		if err != nil {
			return err
		}
		for ms := range 5000 { // 15 Mbit/s of bulk
			if ms%4 == 0 {
				for range 5 {
					r.send(bulk, 1, ms, 1500)
				}
			}
			if ms%20 == 0 {
				r.send(r.a, 0, ms, 200)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		for _, g := range r.got() {
			if g.flow == 0 {
				voice = append(voice, g.took)
			}
		}
		return r.end()
	})
	return voice, drops
}

// RFC 8290 section 1: a queue for each flow keeps the sparse one's delay short; CoDel keeps
// the bulk flow's queue short. In one long queue both wait: bufferbloat.
func TestFQCoDelKeepsAThinFlowShort(t *testing.T) {
	link := vnet.LinkConfig{BitRate: 10e6, Discipline: vnet.FQCoDel}
	voice, drops := besideABulkFlow(t, link)
	worst := slices.Max(voice)
	if len(voice) != 250 || worst >= 10*time.Millisecond {
		t.Errorf("%d of 250 audio packets arrived, the slowest after %v", len(voice), worst)
	}
	if drops["2000 codel"] == 0 || len(drops) != 1 {
		t.Errorf("dropped: %v", drops)
	}

	link = vnet.LinkConfig{BitRate: 10e6, Queue: 1 << 20}
	voice, drops = besideABulkFlow(t, link)
	if worst := slices.Max(voice); worst < 500*time.Millisecond {
		t.Errorf("beside a bulk flow in one queue of 1 MiB audio waited for %v only: %v", worst, drops)
	}
	if drops["2000 queue-full"] == 0 {
		t.Errorf("dropped: %v", drops)
	}
}

// RFC 8289 section 5: the first drop comes when the delay has been above target for an
// interval, the others interval/sqrt(n) after each other.
func TestCoDelDropsBySquareRoot(t *testing.T) {
	const packet, interval = 1200 * time.Microsecond, 100 * time.Millisecond // 1500 bytes at 10 Mbit/s
	var drops []time.Duration
	inLab(t, vnet.Config{DiscardTrace: true, OnEvent: func(e vnet.Event) {
		if e.Reason == vnet.CoDelDrop {
			drops = append(drops, e.At)
		}
	}}, func(lab *vnet.Lab) error {
		r, err := newRoad(lab, vnet.LinkConfig{BitRate: 10e6, Discipline: vnet.FQCoDel}, nil)
		if err != nil {
			return err
		}
		for i := range 1600 { // twice the rate
			r.send(r.a, 0, i, 1500)
			time.Sleep(packet / 2)
		}
		return r.end()
	})
	if len(drops) < 20 {
		t.Fatalf("%d drops", len(drops))
	}
	// The queue grows by half a packet's time in each: above target after 10 ms, told when the
	// packet that waited as long leaves.
	if first := drops[0]; first < interval+10*time.Millisecond || first > interval+25*time.Millisecond {
		t.Errorf("first drop at %v", first)
	}
	due := drops[0]
	for n := 1; n < 20; n++ {
		due += time.Duration(float64(interval) / math.Sqrt(float64(n)))
		if late := drops[n] - due; late < 0 || late > packet+time.Microsecond {
			t.Errorf("drop %d at %v, due at %v", n+1, drops[n], due)
		}
	}
}

// Flows share the rate by bytes, whatever the size of their packets (RFC 8290 section 4.2).
func TestFQCoDelSharesByBytes(t *testing.T) {
	sizes := []int{1500, 1000, 500, 250}
	bytes := make([]int, len(sizes))
	inLab(t, vnet.Config{DiscardTrace: true}, func(lab *vnet.Lab) error {
		r, err := newRoad(lab, vnet.LinkConfig{BitRate: 8e6, Discipline: vnet.FQCoDel}, nil)
		if err != nil {
			return err
		}
		from := make([]net.PacketConn, len(sizes))
		for f := range sizes {
			if from[f], err = r.host.ListenPacket("udp4", fmt.Sprintf(":%d", 2000+f)); err != nil {
				return err
			}
		}
		for range 1000 { // each flow sends 12 Mbit/s
			for f, size := range sizes {
				for range 3000 / size {
					r.send(from[f], f, 0, size)
				}
			}
			time.Sleep(2 * time.Millisecond)
		}
		for _, g := range r.got() {
			bytes[g.flow] += sizes[g.flow]
		}
		return r.end()
	})
	for f, n := range bytes { // of 2 MB in 2 s
		if n < 480_000 || n > 520_000 {
			t.Errorf("packets of %d bytes had %d bytes of %v", sizes[f], n, bytes)
		}
	}
}

// A flow whose queue is empty goes among the old ones, so that those which always come again
// as new leave room for others (RFC 8290 section 4.2).
func TestFQCoDelNewFlowsDoNotStarveOldOnes(t *testing.T) {
	const sparse = 4
	var bulk int
	inLab(t, vnet.Config{DiscardTrace: true}, func(lab *vnet.Lab) error {
		r, err := newRoad(lab, vnet.LinkConfig{BitRate: 10e6, Discipline: vnet.FQCoDel}, nil)
		if err != nil {
			return err
		}
		var from [sparse]net.PacketConn
		for f := range from {
			if from[f], err = r.host.ListenPacket("udp4", fmt.Sprintf(":%d", 2000+f)); err != nil {
				return err
			}
		}
		for i := range 2000 { // they come by turns, and fill 96 % of the link together
			r.send(r.a, 0, i, 1500)
			r.send(from[i%sparse], 1, i, 1500)
			time.Sleep(1250 * time.Microsecond) // a packet takes 1200
		}
		for _, g := range r.got() {
			if g.flow == 0 {
				bulk++
			}
		}
		return r.end()
	})
	if share := 2500 / 1.2 / (sparse + 1); float64(bulk) < 0.95*share {
		t.Errorf("%d packets of one flow got through beside %d others, its share is %.0f", bulk, sparse, share)
	}
}

// When all queues together are full, half of the longest is dropped, 64 packets at most,
// from its head.
func TestFQCoDelDropsFromTheFattestFlow(t *testing.T) {
	var drops []vnet.Event
	inLab(t, vnet.Config{OnEvent: func(e vnet.Event) {
		if e.Kind == vnet.Dropped {
			drops = append(drops, e)
		}
	}}, func(lab *vnet.Lab) error {
		r, err := newRoad(lab, vnet.LinkConfig{BitRate: 8000, Discipline: vnet.FQCoDel, QueuePackets: 20}, nil)
		if err != nil {
			return err
		}
		thin, err := r.host.ListenPacket("udp4", ":2000")
		if err != nil {
			return err
		}
		for i := range 4 {
			r.send(thin, 1, i, 200)
		}
		for i := range 18 { // one is in service: 21 wait
			r.send(r.a, 0, i, 200)
		}
		time.Sleep(time.Microsecond)
		if n := lab.InFlight(); n != 22-int(lab.Stats().Dropped[vnet.QueueFull]) {
			t.Errorf("%d in flight", n)
		}
		return nil
	})
	full := 0
	for i, e := range drops {
		if e.Reason != vnet.QueueFull {
			continue
		}
		full++
		if n := binary.BigEndian.Uint64(e.Payload[8:]); e.Src.Port() != 1000 || int(n) != i+1 && int(n) != i {
			t.Errorf("%v, number %d", e, n)
		}
	}
	if full < 8 || full > 9 {
		t.Errorf("%d dropped", full)
	}
}
