package vnet_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/vnet"
)

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
				if time.Sleep(time.Duration(rng.IntN(8)) * time.Millisecond); i > 0 && s.Sent+s.Duplicated+s.Answered+s.Fragments != out+s.Joined {
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
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		r, err := newRoad(lab, vnet.LinkConfig{BitRate: 8000, Discipline: vnet.FQCoDel}, nil)
		if err != nil {
			return err
		}
		for i := range 30 {
			r.send(r.a, 0, i, 1000) // a second each
		}
		time.Sleep(2500 * time.Millisecond)
		before := lab.Stats().Dropped[vnet.CoDelDrop]
		if err := r.link.SetOutbound(vnet.LinkConfig{}); err != nil {
			return err
		}
		time.Sleep(time.Second)
		after := lab.Stats().Dropped
		if before == 0 || after[vnet.CoDelDrop] != before || len(after) != 1 || len(r.got())+int(before) != 30 {
			return fmt.Errorf("%d dropped before, then %v; %d arrived", before, after, len(r.got()))
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

// On the real clock too: a rate, and a change while packets wait.
func TestALinkWithARateOnTheRealClock(t *testing.T) {
	const n = 10
	delivered := make(chan struct{}, n)
	lab, err := vnet.New(vnet.Config{DiscardTrace: true, OnEvent: func(e vnet.Event) {
		if e.Kind == vnet.Delivered {
			delivered <- struct{}{}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRoad(lab, vnet.LinkConfig{BitRate: 1e6, Discipline: vnet.FQCoDel}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n { // 8 ms
		r.send(r.a, 0, i, 100)
	}
	<-delivered
	if err := r.link.SetOutbound(vnet.LinkConfig{BitRate: 1}); err != nil { // 800 s
		t.Fatal(err)
	}
	if err := r.link.SetOutbound(vnet.LinkConfig{}); err != nil {
		t.Fatal(err)
	}
	for range n - 1 {
		<-delivered
	}
	if err := r.end(); err != nil || !slices.IsSorted(r.numbers()) {
		t.Error(r.numbers(), err)
	}
}
