package vnet

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// onePipe is a direction of a link in a lab with a fixed seed, to which packets are put
// without a network around it.
func onePipe(t testing.TB, cfg LinkConfig) *pipe {
	t.Helper()
	if err := cfg.check(); err != nil {
		t.Fatal(err)
	}
	lab, err := New(Config{Seed: 5, DiscardTrace: true})
	if err != nil {
		t.Fatal(err)
	}
	lab.real, lab.settled = false, stopped() // no clock runs: tests take what is held out of the queue
	d := newLink(lab, "x", cfg, nil).up
	d.next = func(*packet) {}
	return d
}

// near fails unless got is within so many standard errors of want.
func near(t *testing.T, what string, got, want, standardError float64) {
	t.Helper()
	if math.Abs(got-want) > 4*standardError {
		t.Errorf("%s: %.6g, and theory has %.6g (standard error %.2g)", what, got, want, standardError)
	}
}

const draws = 1_000_000

func TestIndependentLoss(t *testing.T) {
	for _, p := range []float64{0.001, 0.07, 0.5, 1} {
		d, lost := onePipe(t, LinkConfig{Loss: p}), 0
		for range draws {
			if d.loses() {
				lost++
			}
		}
		near(t, "loss", float64(lost)/draws, p, math.Sqrt(p*(1-p)/draws))
	}
}

// The chain of Gilbert and Elliott: its stationary loss is (R*LossGood + P*LossBad)/(P+R);
// with LossBad 1 and LossGood 0 a burst has 1/R packets, and 1/P packets arrive between two.
func TestGilbertElliott(t *testing.T) {
	for _, g := range []GilbertElliott{
		{P: 0.01, R: 0.25, LossBad: 1},
		{P: 0.05, R: 0.5, LossBad: 0.7},
		{P: 0.02, R: 0.1, LossGood: 0.001, LossBad: 0.4},
		{P: 0.3, R: 0.6, LossBad: 1},
	} {
		d := onePipe(t, LinkConfig{Bursts: g})
		lost, bursts, last := 0, 0, false
		for range draws {
			now := d.loses()
			if now {
				lost++
				if !last {
					bursts++
				}
			}
			last = now
		}
		want := (g.R*g.LossGood + g.P*g.LossBad) / (g.P + g.R)
		// Correlated draws: the variance of the mean grows by (1+c)/(1-c), c = 1-P-R.
		c := 1 - g.P - g.R
		near(t, "mean loss", float64(lost)/draws, want, math.Sqrt(want*(1-want)/draws*(1+c)/(1-c)))
		if g.LossBad == 1 && g.LossGood == 0 {
			n := float64(bursts)
			near(t, "mean burst", float64(lost)/n, 1/g.R, math.Sqrt((1-g.R)/(g.R*g.R)/n))
			near(t, "mean gap", float64(draws-lost)/n, 1/g.P, math.Sqrt((1-g.P)/(g.P*g.P)/n))
		}
	}
}

func TestMeanBursts(t *testing.T) {
	for _, want := range []struct{ loss, length float64 }{{0.03, 3}, {0.2, 1.5}, {0.001, 20}} {
		g, err := MeanBursts(want.loss, want.length)
		if err != nil {
			t.Fatal(err)
		}
		if loss := g.P / (g.P + g.R); math.Abs(loss-want.loss) > 1e-12 || math.Abs(1/g.R-want.length) > 1e-9 || g.check() != nil {
			t.Errorf("%+v: %+v", want, g)
		}
	}
	for _, bad := range []struct {
		loss, length float64
		says         string
	}{
		{0, 3, "mean loss 0"}, {1, 3, "mean loss 1"}, {-1, 3, "mean loss -1"}, {math.NaN(), 3, "mean loss NaN"},
		{0.1, 0.5, "at least 1 packet"}, {0.1, math.Inf(1), "at least 1 packet"}, {0.9, 2, "needs bursts of at least 9 packets"},
	} {
		if _, err := MeanBursts(bad.loss, bad.length); err == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// A packet of n bits arrives whole with (1-BER)^n.
func TestBitErrors(t *testing.T) {
	for _, c := range []struct {
		ber     float64
		payload int
	}{{1e-5, 172}, {1e-5, 1400}, {1e-3, 10}, {1e-7, 1400}, {1, 0}} {
		d, hit := onePipe(t, LinkConfig{BitErrors: c.ber}), 0
		bits := uint64((headerIPv4+headerUDP)+c.payload) * 8
		const n = 200_000
		for range n {
			first, struck := d.noise.strike(d, c.ber, bits)
			if struck {
				hit++
			}
			if struck && first >= bits {
				t.Fatalf("bit %d of %d", first, bits)
			}
		}
		p := 1 - math.Pow(1-c.ber, float64(bits))
		near(t, "corrupted", float64(hit)/n, p, math.Sqrt(p*(1-p)/n)+1e-12)
	}
}

// The moments of the distributions. A Pareto variable Y of exponent 3, cut off at c, has the
// mean 3/2 - 1/(2c^2) and the second moment 3 - 2/c; the tables of netem are cut off at 4,
// where Y is 4.5.
func TestDistributions(t *testing.T) {
	const c = 4.5
	mean := (1.5 - 1/(2*c*c) - 1.5) * 4 / 3
	paretoSD := math.Sqrt(3-2./c-math.Pow(1.5-1/(2*c*c), 2)) * 4 / 3
	// A quarter of one and three quarters of the other at the same quantile.
	var sum, squares float64
	for i := range draws {
		u := (float64(i) + 0.5) / draws
		v := math.Max(-4, math.Min(4, math.Sqrt2*math.Erfinv(2*u-1)))/4 + 3*(math.Min(c, math.Pow(1-u, -1./3))-1.5)*4/3/4
		sum, squares = sum+v, squares+v*v
	}
	mixedMean := sum / draws
	mixedSD := math.Sqrt(squares/draws - mixedMean*mixedMean)

	table, err := DistributionTable("three", []float64{-1, 0, 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		shape    Distribution
		mean, sd float64
	}{
		{Uniform, 0.5, 1 / math.Sqrt(12)},
		{Normal, 0, 1},
		{Pareto, mean, paretoSD},
		{ParetoNormal, mixedMean, mixedSD},
		{table, 1, math.Sqrt(14. / 3)},
	} {
		t.Run(want.shape.String(), func(t *testing.T) {
			const jitter = 7 * time.Millisecond
			d := onePipe(t, LinkConfig{Latency: time.Second, Jitter: jitter, Distribution: want.shape})
			var sum, squares float64
			for range draws {
				v := float64(d.jitter()) / float64(jitter)
				sum, squares = sum+v, squares+v*v
			}
			mean := sum / draws
			near(t, "mean", mean, want.mean, want.sd/1000)
			if sd := math.Sqrt(squares/draws - mean*mean); math.Abs(sd/want.sd-1) > 0.01 {
				t.Errorf("standard deviation %.4f, want %.4f", sd, want.sd)
			}
		})
	}
}

// What netem's tables have at their ends and in the middle (pareto.c of iproute2: the first
// entry is that of 1, the last is cut off).
func TestQuantilesAreThoseOfNetem(t *testing.T) {
	for _, c := range []struct {
		u, pareto, normal float64
	}{{1e-12, -2. / 3, -4}, {0.5, (math.Cbrt(2) - 1.5) * 4 / 3, 0}, {1 - 1e-12, 4, 4}} {
		if p, n := Pareto.shape.quantile(c.u), Normal.shape.quantile(c.u); math.Abs(p-c.pareto) > 1e-6 || math.Abs(n-c.normal) > 1e-6 {
			t.Errorf("at %v: pareto %v, normal %v", c.u, p, n)
		}
	}
}

func TestDistributionTablesThatCannotBe(t *testing.T) {
	for says, table := range map[string]func() (Distribution, error){
		"needs a name":   func() (Distribution, error) { return DistributionTable("", []float64{1}) },
		"is empty":       func() (Distribution, error) { return DistributionTable("x", nil) },
		"value 2 is NaN": func() (Distribution, error) { return DistributionTable("x", []float64{1, math.NaN()}) },
		"value 1 is -1e": func() (Distribution, error) { return DistributionTable("x", []float64{-1e9}) },
	} {
		if _, err := table(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// Two directions, and two links, draw apart.
func TestDirectionsDrawApart(t *testing.T) {
	up := onePipe(t, LinkConfig{Loss: 0.5})
	down := newLink(up.link.lab, "x", LinkConfig{Loss: 0.5}, nil).down
	other := newLink(up.link.lab, "y", LinkConfig{Loss: 0.5}, nil).up
	var same, sameOther int
	for range 1000 {
		lost := up.loses()
		if lost == down.loses() {
			same++
		}
		if lost == other.loses() {
			sameOther++
		}
	}
	near(t, "agreement of up and down", float64(same)/1000, 0.5, 0.016)
	near(t, "agreement of two links", float64(sameOther)/1000, 0.5, 0.016)
}

// What comes when the rate has just gone does not overtake what still waits.
func TestNothingOvertakesAQueueThatEmpties(t *testing.T) {
	d := onePipe(t, LinkConfig{Rate: 1})
	var got []uint64
	next := func(p *packet) { got = append(got, p.id) }
	d.send(&packet{id: 1}, next)
	d.send(&packet{id: 2}, next)
	d.set(LinkConfig{})
	d.send(&packet{id: 3}, next)
	for d.link.lab.queue.len() > 0 {
		w := d.link.lab.queue.pop()
		w.next(w.p)
	}
	if !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Error(got)
	}
}

// A packet over a perfect link costs nothing, and over a delaying one what holding costs.
func TestLinksDoNotAllocate(t *testing.T) {
	wait := LinkConfig{Latency: time.Millisecond, Jitter: time.Millisecond, Distribution: Normal, Loss: 0.01, BitErrors: 1e-9}
	for name, c := range map[string]struct {
		cfg   LinkConfig
		rules []Rule
	}{
		"perfect": {},
		"latency": {cfg: LinkConfig{Latency: time.Millisecond}},
		"rough":   {cfg: wait},
		"rule":    {rules: []Rule{func(Packet) Verdict { return Pass }}},
		"rate":    {cfg: LinkConfig{BitRate: 1e9}},
		"fq":      {cfg: LinkConfig{BitRate: 1e9, Discipline: FQCoDel}},
	} {
		t.Run(name, func(t *testing.T) {
			d := onePipe(t, c.cfg)
			d.rules = c.rules
			d.refresh()
			p, next := &packet{payload: make([]byte, 172)}, func(*packet) {}
			pass := func() {
				d.send(p, next)
				for d.link.lab.queue.len() > 0 {
					w := d.link.lab.queue.pop()
					w.next(w.p)
				}
			}
			pass()                                              // makes what is made once
			if n := testing.AllocsPerRun(1000, pass); n > 0.1 { // a loss allocates: it is an event
				t.Errorf("%v allocations a packet", n)
			}
		})
	}
}

// BenchmarkPipe is what a direction of a link costs for a packet, by what it does.
func BenchmarkPipe(b *testing.B) {
	for _, c := range []struct {
		name string
		cfg  LinkConfig
	}{
		{"perfect", LinkConfig{}},
		{"latency", LinkConfig{Latency: time.Millisecond}},
		{"rough", LinkConfig{Latency: time.Millisecond, Jitter: time.Millisecond, Distribution: ParetoNormal, Bursts: GilbertElliott{P: 1e-9, R: 0.5, LossBad: 1}, BitErrors: 1e-12}},
		{"drop-tail", LinkConfig{BitRate: 1e9}},
		{"fq-codel", LinkConfig{BitRate: 1e9, Discipline: FQCoDel}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			d := onePipe(b, c.cfg)
			p, next := &packet{payload: make([]byte, 172)}, func(*packet) {}
			for b.Loop() {
				d.send(p, next)
				for d.link.lab.queue.len() > 0 {
					w := d.link.lab.queue.pop()
					w.next(w.p)
				}
			}
		})
	}
}
