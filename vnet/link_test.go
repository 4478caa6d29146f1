package vnet_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/natproof/natproof/vnet"
)

// road is two hosts, each on a site of its own. The link of a is the one under test.
type road struct {
	lab  *vnet.Lab
	link *vnet.Link // of a
	host *vnet.Host // of a
	a, b net.PacketConn

	mu   sync.Mutex
	read []arrived // by b
	done chan struct{}
}

// arrived is a packet of the road that b read.
type arrived struct {
	flow, n int
	took    time.Duration // since it was sent
	at      time.Duration // since the lab began
}

func newRoad(lab *vnet.Lab, out vnet.LinkConfig, in *vnet.LinkConfig) (*road, error) {
	r := &road{lab: lab, done: make(chan struct{})}
	here, err := lab.Internet().AddSite("here", vnet.SiteConfig{Prefix: prefix("192.0.2.0/24"), Link: out, Inbound: in})
	if err != nil {
		return nil, err
	}
	there, err := lab.Internet().AddSite("there", vnet.SiteConfig{Prefix: prefix("198.51.100.0/24")})
	if err != nil {
		return nil, err
	}
	r.link = here.Link()
	a, err := here.AddHost("a")
	if err != nil {
		return nil, err
	}
	b, err := there.AddHost("b")
	if err != nil {
		return nil, err
	}
	if r.a, err = a.ListenPacket("udp4", ":1000"); err != nil {
		return nil, err
	}
	if r.b, err = b.ListenPacket("udp4", ":1000"); err != nil {
		return nil, err
	}
	r.host = a
	go r.reader()
	return r, nil
}

func (r *road) reader() {
	defer close(r.done)
	buf := make([]byte, 2000)
	for {
		n, _, err := r.b.ReadFrom(buf)
		if err != nil {
			return
		}
		if n < 24 {
			continue
		}
		now, sent := r.lab.Now(), time.Duration(binary.BigEndian.Uint64(buf[16:]))
		r.mu.Lock()
		r.read = append(r.read, arrived{int(binary.BigEndian.Uint64(buf)), int(binary.BigEndian.Uint64(buf[8:])), now - sent, now})
		r.mu.Unlock()
	}
}

// got is what b has read so far.
func (r *road) got() []arrived {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.read)
}

// send sends packet n of a flow, size being that of the IP packet.
func (r *road) send(from net.PacketConn, flow, n, size int) {
	b := make([]byte, size-28)
	binary.BigEndian.PutUint64(b, uint64(flow))
	binary.BigEndian.PutUint64(b[8:], uint64(n))
	binary.BigEndian.PutUint64(b[16:], uint64(r.lab.Now()))
	from.WriteTo(b, r.b.LocalAddr())
}

// end closes the lab and waits for the reader.
func (r *road) end() error {
	err := r.lab.Close()
	<-r.done
	return err
}

func (r *road) numbers() (n []int) {
	for _, g := range r.got() {
		n = append(n, g.n)
	}
	return n
}

// travel sends n packets of 100 bytes at an interval over a link and returns what arrived.
func travel(t *testing.T, cfg vnet.LinkConfig, n int, every time.Duration) (*road, vnet.Stats) {
	t.Helper()
	var r *road
	inLab(t, vnet.Config{Seed: 3, DiscardTrace: true}, func(lab *vnet.Lab) (err error) {
		if r, err = newRoad(lab, cfg, nil); err != nil {
			return err
		}
		for i := range n {
			r.send(r.a, 0, i, 100)
			time.Sleep(every)
		}
		time.Sleep(10 * time.Second)
		return r.end()
	})
	return r, r.lab.Stats()
}

// Held back by distance, a packet arrives right behind that many later ones.
func TestReorderingByDistance(t *testing.T) {
	const distance = 3
	cfg := vnet.LinkConfig{Latency: 5 * time.Millisecond, Reorder: 0.05, ReorderBy: time.Second, ReorderDistance: distance}
	for _, latency := range []time.Duration{0, 5 * time.Millisecond} {
		cfg.Latency = latency
		r, _ := travel(t, cfg, 1000, time.Millisecond)
		if len(r.got()) != 1000 {
			t.Fatalf("%d arrived", len(r.got()))
		}
		reordered := 0
		got := r.got()
		for at, g := range got {
			later := 0 // packets ahead of it that were sent after it
			for _, other := range got[:at] {
				if other.n > g.n {
					later++
				}
			}
			// Another one that is held back may be ahead of it too, or be the one overtaken.
			if later > 0 {
				reordered++
				if later < distance-2 || later > distance+2 || g.took > latency+(distance+4)*time.Millisecond {
					t.Errorf("packet %d: behind %d later ones after %v", g.n, later, g.took)
				}
			}
		}
		if reordered < 30 || reordered > 70 {
			t.Errorf("%d of 1000 reordered", reordered)
		}
	}
}

// The last packet has nobody to overtake it: it is let go by time.
func TestReorderingByDistanceEnds(t *testing.T) {
	r, _ := travel(t, vnet.LinkConfig{Reorder: 1, ReorderBy: 40 * time.Millisecond, ReorderDistance: 2}, 5, time.Millisecond)
	if len(r.got()) != 5 {
		t.Fatalf("%+v", r.got())
	}
	for _, g := range r.got() {
		if g.took.Round(time.Millisecond) != 40*time.Millisecond {
			t.Errorf("%+v", g)
		}
	}
}

func TestUnorderedJitterOvertakes(t *testing.T) {
	cfg := vnet.LinkConfig{Latency: 20 * time.Millisecond, Jitter: 5 * time.Millisecond, Distribution: vnet.Normal}
	if r, _ := travel(t, cfg, 500, time.Millisecond); !slices.IsSorted(r.numbers()) || len(r.got()) != 500 {
		t.Error("order is not kept")
	}
	cfg.Unordered = true
	if r, _ := travel(t, cfg, 500, time.Millisecond); slices.IsSorted(r.numbers()) || len(r.got()) != 500 {
		t.Error("nothing overtakes")
	}
}

func TestCorruptedPacketsAreDroppedWhereTheyArrive(t *testing.T) {
	var drops []vnet.Event
	inLab(t, vnet.Config{OnEvent: func(e vnet.Event) {
		if e.Kind == vnet.Dropped {
			drops = append(drops, e)
		}
	}}, func(lab *vnet.Lab) error {
		r, err := newRoad(lab, vnet.LinkConfig{Latency: 10 * time.Millisecond, Rate: 1000, BitErrors: 1}, nil)
		if err != nil {
			return err
		}
		r.send(r.a, 0, 0, 100) // takes 100 ms
		time.Sleep(time.Second)
		return r.end()
	})
	if len(drops) != 1 || drops[0].Reason != vnet.Corrupted || drops[0].At.Round(time.Millisecond) != 110*time.Millisecond || drops[0].Box != "here.link" {
		t.Error(drops)
	}
}

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
		if n := lab.InFlight(); n != 22-len(drops) {
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

// Under everything at once, whenever one looks: what was sent is delivered, dropped or on its way.
func TestNothingIsUnaccountedFor(t *testing.T) {
	for name, cfg := range map[string]vnet.LinkConfig{
		"drop-tail": {Latency: 5 * time.Millisecond, Jitter: 4 * time.Millisecond, Distribution: vnet.Pareto, Unordered: true,
			Bursts: vnet.GilbertElliott{P: 0.1, R: 0.5, LossBad: 1}, Duplicate: 0.1, Reorder: 0.1, ReorderBy: 50 * time.Millisecond,
			ReorderDistance: 2, BitErrors: 1e-5, BitRate: 500e3, Queue: 4000, MTU: 1000},
		"fq-codel": {Latency: 5 * time.Millisecond, Duplicate: 0.3, BitRate: 500e3, Discipline: vnet.FQCoDel, QueuePackets: 50},
	} {
		t.Run(name, func(t *testing.T) {
			var final vnet.Stats
			check := func(lab *vnet.Lab) (in, out uint64) {
				s := lab.Stats()
				out = s.Delivered + uint64(lab.InFlight())
				for _, n := range s.Dropped {
					out += n
				}
				return s.Sent + s.Duplicated + s.Answered, out
			}
			inLab(t, vnet.Config{Seed: 2, DiscardTrace: true}, func(lab *vnet.Lab) error {
				r, err := newRoad(lab, cfg, nil)
				if err != nil {
					return err
				}
				for i := range 1000 {
					r.send(r.a, 0, i, 100+i*37%1000)
					time.Sleep(5 * time.Millisecond)
					if in, out := check(lab); in != out {
						t.Fatalf("after %d: %d came in, %d are accounted for", i, in, out)
					}
				}
				for i := range 20 {
					r.send(r.a, 0, i, 100)
				}
				time.Sleep(time.Microsecond)
				if lab.InFlight() == 0 {
					t.Error("nothing waits when the lab closes")
				}
				err = r.end()
				final = lab.Stats()
				if err := r.link.Set(vnet.LinkConfig{Rate: 10}); err != nil { // of no use, and no harm
					t.Error(err)
				}
				if in, out := check(lab); in != out || lab.InFlight() != 0 {
					t.Errorf("closed: %d came in, %d are accounted for, %d in flight", in, out, lab.InFlight())
				}
				return err
			})
			if final.Dropped[vnet.HostDown] == 0 {
				t.Errorf("%+v", final)
			}
		})
	}
}

// impaired plays two flows over a link that does everything, with changes while it runs.
func impaired(t *testing.T, seed uint64, cfg vnet.LinkConfig, extra int) string {
	t.Helper()
	var out strings.Builder
	inLab(t, vnet.Config{Seed: seed, DiscardTrace: true, OnEvent: func(e vnet.Event) { fmt.Fprintln(&out, e) }}, func(lab *vnet.Lab) error {
		r, err := newRoad(lab, cfg, nil)
		if err != nil {
			return err
		}
		other, err := r.host.ListenPacket("udp4", ":2000")
		if err != nil {
			return err
		}
		for i := range 100 {
			for range 4 {
				go r.send(r.a, 0, i, 300)
			}
			go r.send(other, 1, i, 100)
			if i == 50 {
				faster := cfg
				faster.BitRate *= 3
				if err := r.link.SetOutbound(faster); err != nil {
					return err
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
		for range extra {
			r.b.WriteTo([]byte("back"), r.a.LocalAddr())
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		return r.end()
	})
	return out.String()
}

func TestImpairmentsAreTheSameWithTheSameSeed(t *testing.T) {
	base := vnet.LinkConfig{
		Latency: 10 * time.Millisecond, Jitter: 4 * time.Millisecond, Distribution: vnet.ParetoNormal,
		Bursts: vnet.GilbertElliott{P: 0.05, R: 0.5, LossBad: 1}, Duplicate: 0.05,
		Reorder: 0.05, ReorderBy: 30 * time.Millisecond, ReorderDistance: 3, BitErrors: 1e-5, BitRate: 600e3,
	}
	fq := base
	fq.Discipline = vnet.FQCoDel
	for _, cfg := range []vnet.LinkConfig{base, fq} {
		first := impaired(t, 1, cfg, 0)
		for _, why := range []vnet.Reason{vnet.LinkLoss, vnet.Corrupted} {
			if !strings.Contains(first, string(why)) {
				t.Errorf("nothing was dropped as %s", why)
			}
		}
		for i := range 50 {
			if again := impaired(t, 1, cfg, 0); again != first {
				t.Fatalf("run %d differs", i+2)
			}
		}
		if other := impaired(t, 2, cfg, 0); other == first {
			t.Error("another seed, the same trace")
		}
	}
}

// anyConfig draws a configuration that is valid.
func anyConfig(rng *rand.Rand) vnet.LinkConfig {
	c := vnet.LinkConfig{}
	maybe := func(set func()) {
		if rng.IntN(2) == 0 {
			set()
		}
	}
	some := func(most time.Duration) time.Duration { return 1 + time.Duration(rng.Int64N(int64(most))) }
	maybe(func() { c.Latency = some(50 * time.Millisecond) })
	maybe(func() {
		c.Jitter = some(20 * time.Millisecond)
		c.Distribution = []vnet.Distribution{vnet.Uniform, vnet.Normal, vnet.Pareto, vnet.ParetoNormal}[rng.IntN(4)]
		c.Unordered = rng.IntN(2) == 0
	})
	maybe(func() { c.Loss = rng.Float64() / 4 })
	if c.Loss == 0 {
		maybe(func() { c.Bursts = vnet.GilbertElliott{P: rng.Float64() + 0.001, R: 1, LossBad: 1} })
		c.Bursts.P = min(c.Bursts.P, 1)
	}
	maybe(func() { c.Duplicate = rng.Float64() / 4 })
	maybe(func() {
		c.Reorder, c.ReorderBy, c.ReorderDistance = rng.Float64()/2+0.001, some(50*time.Millisecond), rng.IntN(4)
	})
	maybe(func() { c.BitErrors = rng.Float64() / 1e4 })
	maybe(func() {
		c.BitRate = 1000 + rng.Int64N(1e6)
		switch rng.IntN(3) {
		case 0:
			c.Queue = 500 + rng.IntN(5000)
		case 1:
			c.QueuePackets = 1 + rng.IntN(20)
		case 2:
			c.Discipline, c.QueuePackets = vnet.FQCoDel, 1+rng.IntN(50)
			c.CoDel = vnet.CoDel{Flows: 1 + rng.IntN(4), Quantum: 100 + rng.IntN(2000)}
		}
	})
	maybe(func() { c.MTU = 400 + rng.IntN(1000) })
	return c
}

// Whatever a link is set to, and to whatever it is changed while it runs, the account is
// right at every time, and two runs leave one trace.
func TestAnyLinkChangedToAnyOther(t *testing.T) {
	play := func(seed uint64) string {
		var out strings.Builder
		inLab(t, vnet.Config{Seed: seed, DiscardTrace: true, OnEvent: func(e vnet.Event) { fmt.Fprintln(&out, e) }}, func(lab *vnet.Lab) error {
			rng := rand.New(rand.NewPCG(seed, 1))
			r, err := newRoad(lab, anyConfig(rng), nil)
			if err != nil {
				return err
			}
			other, err := r.host.ListenPacket("udp4", ":2000")
			if err != nil {
				return err
			}
			for i := range 120 {
				for range rng.IntN(4) {
					r.send(r.a, 0, i, 100+rng.IntN(900))
					r.send(other, 1, i, 100+rng.IntN(100))
					r.b.WriteTo(make([]byte, rng.IntN(900)), r.a.LocalAddr())
				}
				if i%20 == 19 {
					if err := r.link.Set(anyConfig(rng)); err != nil {
						return err
					}
				}
				s := lab.Stats()
				out := s.Delivered + uint64(lab.InFlight())
				for _, n := range s.Dropped {
					out += n
				}
				if time.Sleep(time.Duration(rng.IntN(8)) * time.Millisecond); i > 0 && s.Sent+s.Duplicated != out {
					return fmt.Errorf("seed %d, packet %d: %d came in, %d are accounted for: %+v", seed, i, s.Sent+s.Duplicated, out, s)
				}
			}
			return r.end()
		})
		return out.String()
	}
	for seed := range uint64(200) {
		if first, again := play(seed), play(seed); first != again {
			t.Fatalf("seed %d: two traces", seed)
		}
	}
}

// Streams of randomness are apart: what one direction or one stage draws changes nothing
// for another.
func TestStreamsAreApart(t *testing.T) {
	lost := func(cfg vnet.LinkConfig, back int) (numbers []int) {
		inLab(t, vnet.Config{Seed: 9}, func(lab *vnet.Lab) error {
			r, err := newRoad(lab, cfg, nil)
			if err != nil {
				return err
			}
			for i := range 200 {
				r.send(r.a, 0, i, 100)
				for range back {
					r.b.WriteTo([]byte("back"), r.a.LocalAddr())
				}
				time.Sleep(time.Second)
			}
			for _, e := range lab.Trace() {
				if e.Reason == vnet.LinkLoss && e.Src.Addr() == addr("192.0.2.2") {
					numbers = append(numbers, int(binary.BigEndian.Uint64(e.Payload[8:])))
				}
			}
			return r.end()
		})
		return numbers
	}
	alone := lost(vnet.LinkConfig{Loss: 0.2}, 0)
	if len(alone) == 0 || !slices.Equal(alone, lost(vnet.LinkConfig{Loss: 0.2}, 3)) {
		t.Error("what comes back changes what is lost")
	}
	if !slices.Equal(alone, lost(vnet.LinkConfig{Loss: 0.2, Jitter: time.Millisecond, Reorder: 0.5, ReorderBy: time.Millisecond, BitErrors: 1e-5}, 0)) {
		t.Error("jitter changes what is lost")
	}
}

func TestDirectionsMayDiffer(t *testing.T) {
	in := vnet.LinkConfig{Latency: 30 * time.Millisecond}
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		r, err := newRoad(lab, vnet.LinkConfig{Latency: 10 * time.Millisecond}, &in)
		if err != nil {
			return err
		}
		r.send(r.a, 0, 0, 100)
		time.Sleep(time.Second)
		if len(r.got()) != 1 || r.got()[0].took.Round(time.Millisecond) != 10*time.Millisecond {
			return fmt.Errorf("out: %+v", r.got())
		}
		start := lab.Now()
		r.b.WriteTo([]byte("back"), r.a.LocalAddr())
		if _, _, err := recv(r.a); err != nil || (lab.Now()-start).Round(time.Millisecond) != in.Latency {
			return fmt.Errorf("in: %v, %v", lab.Now()-start, err)
		}
		bad := vnet.LinkConfig{Loss: 2}
		_, err = lab.Internet().AddSite("s", vnet.SiteConfig{Prefix: prefix("203.0.113.0/24"), Inbound: &bad})
		if err == nil || err.Error() != `vnet: site "s": inbound: link: loss 2: want a probability from 0 to 1` {
			return fmt.Errorf("%v", err)
		}
		if err := r.link.Set(bad); err == nil || !strings.HasPrefix(err.Error(), "vnet: here.link: link: loss 2") {
			return fmt.Errorf("%v", err)
		}
		return r.end()
	})
}

// A changed link loses nothing that waits, and a changed rate is for what waits too.
func TestChangingALinkWithAQueue(t *testing.T) {
	slow := vnet.LinkConfig{BitRate: 8000} // a tenth of a second for each packet
	with := func(change func(*vnet.LinkConfig)) vnet.LinkConfig {
		c := slow
		change(&c)
		return c
	}
	for _, c := range []struct {
		name string
		to   vnet.LinkConfig
		// when each arrives: the change comes at 150 ms, half of packet 1 being sent
		want []time.Duration
	}{
		{"ten times the rate", with(func(c *vnet.LinkConfig) { c.BitRate = 80000 }), []time.Duration{100, 155, 165, 175, 185}},
		{"half the rate", with(func(c *vnet.LinkConfig) { c.BitRate = 4000 }), []time.Duration{100, 250, 450, 650, 850}},
		{"no limit", vnet.LinkConfig{}, []time.Duration{100, 150, 150, 150, 150}},
		{"latency", with(func(c *vnet.LinkConfig) { c.Latency = time.Second }), []time.Duration{100, 1200, 1300, 1400, 1500}},
		{"fq-codel", with(func(c *vnet.LinkConfig) { c.Discipline = vnet.FQCoDel }), []time.Duration{100, 200, 300, 400, 500}},
		{"a limit below what waits", with(func(c *vnet.LinkConfig) { c.QueuePackets = 1 }), []time.Duration{100, 200, 300, 400, 500}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r *road
			inLab(t, vnet.Config{}, func(lab *vnet.Lab) (err error) {
				if r, err = newRoad(lab, slow, nil); err != nil {
					return err
				}
				for i := range 5 {
					r.send(r.a, 0, i, 100)
				}
				time.Sleep(150 * time.Millisecond)
				if err := r.link.SetOutbound(c.to); err != nil {
					return err
				}
				if n := lab.InFlight(); n != 4 {
					t.Errorf("%d in flight after the change", n)
				}
				time.Sleep(10 * time.Second)
				return r.end()
			})
			if !slices.Equal(r.numbers(), []int{0, 1, 2, 3, 4}) {
				t.Fatalf("%+v", r.got())
			}
			for i, g := range r.got() {
				if g.at.Round(time.Millisecond) != c.want[i]*time.Millisecond {
					t.Errorf("packet %d at %v, want %v", i, g.at, c.want[i]*time.Millisecond)
				}
			}
		})
	}
}

// Without a rate there is no queue to be kept short: what has waited for too long arrives too.
func TestARateThatGoesDropsNothing(t *testing.T) {
	var drops []vnet.Event
	inLab(t, vnet.Config{OnEvent: func(e vnet.Event) {
		if e.Kind == vnet.Dropped {
			drops = append(drops, e)
		}
	}}, func(lab *vnet.Lab) error {
		r, err := newRoad(lab, vnet.LinkConfig{BitRate: 8000, Discipline: vnet.FQCoDel}, nil)
		if err != nil {
			return err
		}
		for i := range 30 {
			r.send(r.a, 0, i, 1000) // a second each
		}
		time.Sleep(2500 * time.Millisecond)
		before := len(drops)
		if err := r.link.SetOutbound(vnet.LinkConfig{}); err != nil {
			return err
		}
		time.Sleep(time.Second)
		if before == 0 || len(drops) != before || len(r.got())+before != 30 {
			return fmt.Errorf("%d dropped before, then %v; %d arrived", before, drops[before:], len(r.got()))
		}
		return r.end()
	})
}

// With one queue instead of many what waits leaves as it came.
func TestFewerFlowsAreForWhatWaitsToo(t *testing.T) {
	fq := vnet.LinkConfig{BitRate: 800000, Discipline: vnet.FQCoDel}
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		r, err := newRoad(lab, fq, nil)
		if err != nil {
			return err
		}
		other, err := r.host.ListenPacket("udp4", ":2000")
		if err != nil {
			return err
		}
		for i := range 5 {
			r.send(r.a, 0, i, 1000)
			time.Sleep(time.Microsecond)
		}
		for i := range 5 {
			r.send(other, 1, 5+i, 1000)
			time.Sleep(time.Microsecond)
		}
		one := fq
		one.CoDel.Flows = 1
		if err := r.link.SetOutbound(one); err != nil {
			return err
		}
		time.Sleep(time.Second)
		if got := r.numbers(); !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
			return fmt.Errorf("%v", got)
		}
		return r.end()
	})
}

// From FQ-CoDel to one queue and back, with many flows waiting: nothing is lost, and each flow
// keeps its order.
func TestChangingTheDisciplineKeepsAll(t *testing.T) {
	fq := vnet.LinkConfig{BitRate: 80000, Discipline: vnet.FQCoDel, CoDel: vnet.CoDel{Target: time.Second, Interval: time.Minute}}
	fewer := fq
	fewer.CoDel.Flows = 2
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		r, err := newRoad(lab, fq, nil)
		if err != nil {
			return err
		}
		for f := range 8 {
			from, err := r.host.ListenPacket("udp4", fmt.Sprintf(":%d", 2000+f))
			if err != nil {
				return err
			}
			for n := range 10 {
				r.send(from, f, n, 100)
			}
		}
		for i, c := range []vnet.LinkConfig{{BitRate: 80000}, fewer, fq, {}} {
			time.Sleep(50 * time.Millisecond)
			if err := r.link.SetOutbound(c); err != nil {
				return err
			}
			if n := lab.InFlight() + len(r.got()); n != 80 {
				return fmt.Errorf("change %d: %d are left", i, n)
			}
		}
		time.Sleep(time.Second)
		next := make([]int, 8)
		for _, g := range r.got() {
			if g.n != next[g.flow] {
				return fmt.Errorf("flow %d: packet %d, want %d", g.flow, g.n, next[g.flow])
			}
			next[g.flow]++
		}
		if len(r.got()) != 80 {
			return fmt.Errorf("%d of 80 arrived", len(r.got()))
		}
		return r.end()
	})
}

func TestRules(t *testing.T) {
	ms := time.Millisecond
	var seen []vnet.Packet
	var drops []vnet.Event
	var r *road
	inLab(t, vnet.Config{OnEvent: func(e vnet.Event) {
		if e.Kind == vnet.Dropped {
			drops = append(drops, e)
		}
	}}, func(lab *vnet.Lab) (err error) {
		if r, err = newRoad(lab, vnet.LinkConfig{Latency: 10 * ms}, nil); err != nil {
			return err
		}
		number := func(p vnet.Packet) int { return int(binary.BigEndian.Uint64(p.Payload[8:])) }
		err = r.link.SetOutboundRules(
			func(p vnet.Packet) vnet.Verdict {
				seen = append(seen, p)
				return map[int]vnet.Verdict{
					1: vnet.Drop("third-party", "it is the second"),
					2: vnet.Delay(30 * ms),
					3: vnet.Duplicate(2),
					5: vnet.Delay(-ms),
					6: {Drop: "x", Delay: ms},
					7: vnet.Duplicate(17),
					8: {Detail: "why"},
					9: vnet.Duplicate(10),
				}[number(p)]
			},
			func(p vnet.Packet) vnet.Verdict {
				switch number(p) {
				case 1:
					t.Error("a dropped packet goes to the next rule")
				case 2:
					return vnet.Delay(5 * ms)
				case 9:
					return vnet.Duplicate(10)
				}
				return vnet.Pass
			})
		if err != nil {
			return err
		}
		for i := range 10 {
			r.send(r.a, 0, i, 100)
			time.Sleep(ms)
		}
		time.Sleep(time.Second)
		if err := r.link.SetOutboundRules(); err != nil {
			return err
		}
		r.send(r.a, 0, 1, 100)
		time.Sleep(time.Second)
		if err := r.link.SetInboundRules(nil); err == nil || err.Error() != "vnet: here.link: inbound rule 1 is nil: to take rules away set none" {
			return fmt.Errorf("%v", err)
		}
		return r.end()
	})
	if got := r.numbers(); !slices.Equal(got, []int{0, 3, 3, 3, 4, 2, 1}) {
		t.Errorf("arrived: %v", got)
	}
	for _, g := range r.got() {
		if g.n == 2 && g.took.Round(ms) != 45*ms {
			t.Errorf("delayed: %+v", g)
		}
	}
	if len(seen) != 10 || seen[0].Size != 100 || seen[0].Src.String() != "192.0.2.2:1000" || seen[0].Dst.String() != "198.51.100.2:1000" || seen[3].ID != 4 || seen[3].At.Round(ms) != 3*ms {
		t.Errorf("%d seen: %+v", len(seen), seen[0])
	}
	wants := []string{
		"third-party: it is the second",
		"bad-verdict: rule 1 of the link: delay -1ms: want 0 to 24h0m0s",
		`bad-verdict: rule 1 of the link: drop as "x", and delay or duplicate: want one or the other`,
		"bad-verdict: rule 1 of the link: duplicate 17: want 0 to 16 copies",
		`bad-verdict: rule 1 of the link: detail "why" without a reason to drop`,
		"bad-verdict: the rules of the link together: duplicate 20: want 0 to 16 copies",
	}
	if len(drops) != len(wants) {
		t.Fatal(drops)
	}
	for i, want := range wants {
		if !strings.HasSuffix(drops[i].String(), want) {
			t.Errorf("%v, want %s", drops[i], want)
		}
	}
	if n := r.lab.Stats().Dropped["third-party"]; n != 1 {
		t.Error(n)
	}
}

// A copy is of the packet as it came to the link, not as the NAT behind the link has made it.
func TestCopiesAreMadeBeforeWhatFollows(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		w, err := build(lab, "symmetric")
		if err != nil {
			return err
		}
		s, _ := w.server.ListenPacket("udp4", "203.0.113.10:5060")
		p, _ := w.phone.ListenPacket("udp4", "10.0.0.2:5060")
		if err := errors.Join(
			w.home.Link().SetOutboundRules(func(vnet.Packet) vnet.Verdict { return vnet.Duplicate(1) }),
			w.home.Link().SetOutbound(vnet.LinkConfig{Duplicate: 1}),
		); err != nil {
			return err
		}
		p.WriteTo([]byte("x"), s.LocalAddr())
		froms := map[string]int{}
		for range 4 {
			_, from, err := recv(s)
			if err != nil {
				return err
			}
			froms[from]++
		}
		if len(froms) != 1 {
			return fmt.Errorf("copies came by %v", froms)
		}
		return nil
	})
}

// A call's worth of packets over each preset: they pass, and none is unaccounted for.
func TestAPacketOverEachPreset(t *testing.T) {
	for _, name := range vnet.LinkPresetNames() {
		up, down, err := vnet.LinkPreset(name)
		if err != nil {
			t.Fatal(err)
		}
		inLab(t, vnet.Config{Seed: 4, DiscardTrace: true}, func(lab *vnet.Lab) error {
			r, err := newRoad(lab, up, &down)
			if err != nil {
				return err
			}
			for i := range 500 {
				r.send(r.a, 0, i, 200)
				time.Sleep(20 * time.Millisecond)
			}
			time.Sleep(5 * time.Second)
			if len(r.got()) < 450 || len(r.got()) > 510 {
				return fmt.Errorf("%s: %d of 500 arrived", name, len(r.got()))
			}
			return r.end()
		})
	}
}
