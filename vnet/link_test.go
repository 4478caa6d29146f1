package vnet_test

import (
	"encoding/binary"
	"fmt"
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
				return s.Sent + s.Duplicated + s.Answered + s.Fragments, out + s.Joined
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
