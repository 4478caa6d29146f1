package suites_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/vnet"
)

// How much is played: a little in every test run, all of it with make determinism. What
// goes wrong by the order of goroutines goes wrong only where two things meet at one
// nanosecond; cell, link and seed decide where.
var (
	sameCells = flag.Int("same.cells", 6, "cells that are played on each link profile")
	sameSeeds = flag.Int("same.seeds", 2, "seeds with which each is played")
	sameRough = flag.Int("same.rough", 4, "how many times as many seeds on the rough link")
	sameRuns  = flag.Int("same.runs", 4, "runs with each seed, in turn with 1, 2 and 4 processors")
	sameBusy  = flag.Int("same.busy", 0, "goroutines that keep the processors busy meanwhile")
	sameHosts = flag.Int("same.hosts", 24, "cells of the matrix that are played on each kind of hosts")
	sameMedia = flag.Duration("same.media", 3*time.Second, "how long calls talk")
)

// sameness are the cells, most different first: every flow, port manager, routing policy,
// and what adds packets of its own (latching, ALGs, retransmissions of what is lost).
var sameness = []string{
	"call/stun[a=apdm-adf,b=port-restricted,latch=both]",
	"register/stun[a=symmetric]",
	"pc-to-phone/stun[a=port-restricted]",
	"call/local[a=none,b=none,rport=true]",
	"register/local[a=eim-eif]",
	"call/stun[a=docker,b=none,registrar=received,rport=true]",
	"call/stun[a=symmetric,b=full-cone,registrar=received,rport=true,latch=both]",
	"call/static[a=symmetric,b=port-restricted]",
	"call/stun[a=symmetric,b=symmetric,registrar=received,rport=true,latch=both]",
	"call/stun[a=linux-masquerade,b=linux-masquerade,registrar=received,rport=true,alg=linux]",
	"call/stun[a=full-cone,b=full-cone,registrar=received,rport=true,alg=full]",
	"call/local[a=address-restricted,b=none,registrar=received,rport=true,latch=b,alg=double]",
	"call/stun[a=eim-eif,b=eim-eif,strict=both,silent=a]",
	"register/static[a=port-restricted]",
	"register/stun[a=port-restricted,registrar=received,rport=true,alg=any-port]",
	"register/stun[a=adm-adf,filter-scope=endpoint]",
	"pc-to-phone/local[a=symmetric,registrar=received,rport=true,latch=both]",
	"pc-to-phone/stun[a=full-cone,alg=full]",
	"pc-to-phone/static[a=apdm-apdf,latch=b]",
	"pc-to-phone/stun[a=aws-nat-gateway,registrar=received,rport=true]",
	"attended-transfer/stun[a=port-restricted,b=full-cone,registrar=received,rport=true]",
	"blind-transfer/local[a=port-restricted,b=none,rport=true]",
	"early-media/stun[a=apdm-adf,b=port-restricted,latch=both]",
}

// rough is an access link on which nothing can be relied on.
var rough = vnet.LinkConfig{
	Latency: 20 * time.Millisecond, Jitter: 15 * time.Millisecond,
	Loss: 0.05, Duplicate: 0.02, Reorder: 0.02, ReorderBy: 30 * time.Millisecond,
}

// enoughForLoss is how many seeds lose a packet somewhere, even of a cell that sends a few dozen.
const enoughForLoss = 8

// links are the links of a world: of the two sides, and all others.
type links struct{ access, others vnet.LinkConfig }

func delay(d time.Duration) vnet.LinkConfig { return vnet.LinkConfig{Latency: d} }

// profiles bring things together at one instant in different ways. Media is sent every
// 20 ms, so latencies that are a multiple of it let packets arrive when others leave.
var profiles = []struct {
	name string
	links
}{
	{"the default link", links{access: stage.DefaultLink}},
	{"zero latency", links{}},
	{"equal latencies on all links", links{delay(10 * time.Millisecond), delay(10 * time.Millisecond)}},
	{"multiples of 20 ms", links{delay(20 * time.Millisecond), delay(40 * time.Millisecond)}},
	{"a rough link", links{access: rough}},
}

var _ = ginkgo.Describe("The same seed", ginkgo.Label("determinism"), func() {
	for _, profile := range profiles {
		for _, id := range sameness[:min(*sameCells, len(sameness))] {
			ginkgo.It(fmt.Sprintf("gives the same JSON and the same trace in every run over %s: %s", profile.name, id), func(ctx context.Context) {
				c, err := scenarios.ParseID(id)
				gomega.Expect(err).NotTo(gomega.HaveOccurred())
				defer keepBusy(*sameBusy)()
				traces, losses := map[string]bool{}, 0
				seeds := *sameSeeds
				if profile.access.Loss > 0 {
					seeds *= *sameRough
				}
				for seed := range uint64(seeds) {
					first := playAll(ctx, c, seed, profile.links, *sameRuns)
					losses += strings.Count(first, string(vnet.LinkLoss))
					traces[first] = true
				}
				if profile.access.Loss > 0 {
					if seeds >= enoughForLoss {
						gomega.Expect(losses).To(gomega.BeNumerically(">", 0), "the link is rough")
					}
					gomega.Expect(traces).To(gomega.HaveLen(seeds), "another seed, another trace")
				}
			})
		}
	}
})

var _ = ginkgo.Describe("Pion hosts and native ones", ginkgo.Label("determinism"), func() {
	ginkgo.It("leave one trace", func(ctx context.Context) {
		cells, err := scenarios.Plan(cell.Choice{
			"a": {"rfc4787", "devices"}, "b": {"none", "symmetric", "docker"}, "port-manager": {"local", "stun"},
			"registrar": {"received"}, "rport": {"true"}, "alg": {"off", "full", "linux"}, "latch": {"none", "both"},
		})
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
		covered, on := 0, links{access: stage.DefaultLink}
		step := max(1, len(cells) / *sameHosts)
		for i := 0; i < len(cells) && covered < *sameHosts; i++ {
			c := cells[(i*step+i*step/len(cells))%len(cells)] // far apart first
			if _, err := scenarios.Predict(c, nil); err != nil {
				continue
			}
			covered++
			pion, err := playOnce(ctx, c, 1, on)
			gomega.Expect(err).NotTo(gomega.HaveOccurred())
			c.Hosts = cell.HostsNative
			native, err := playOnce(ctx, c, 1, on)
			gomega.Expect(err).NotTo(gomega.HaveOccurred())
			if native != pion {
				ginkgo.Fail(fmt.Sprintf("%s:\n%s", c.ID(), firstDifference(pion, native)))
			}
		}
		gomega.Expect(covered).To(gomega.Equal(*sameHosts))
	})
})

// playAll plays a cell with one seed a number of times, by turns with 1, 2 and 4 processors and
// on one kind of hosts and the other, two at a time, and gives the trace that all of them left.
func playAll(ctx context.Context, c cell.Cell, seed uint64, on links, runs int) string {
	first, err := playOnce(ctx, c, seed, on)
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	turns := []int{1, 2, 4}
	for i, processors := range turns {
		runtime.GOMAXPROCS(processors)
		var wg sync.WaitGroup
		errs := make([]error, 2)
		share := (runs - 1 + i) / len(turns) // they add up to all but the first
		for half := range errs {
			wg.Go(func() {
				for run := half; run < share && errs[half] == nil; run += len(errs) {
					c := c
					c.Hosts = []cell.Hosts{cell.HostsPion, cell.HostsNative}[(i+run)%2]
					again, err := playOnce(ctx, c, seed, on)
					if err == nil && again != first {
						err = fmt.Errorf("seed %d, run %d with %d processors and %s hosts parts ways here:\n%s", seed, run+1, processors, c.Hosts, firstDifference(first, again))
					}
					errs[half] = err
				}
			})
		}
		wg.Wait()
		gomega.Expect(errors.Join(errs...)).NotTo(gomega.HaveOccurred())
	}
	return first
}

// playOnce is everything that a run leaves, in comparable form: all but what hosts are made of.
func playOnce(ctx context.Context, c cell.Cell, seed uint64, on links) (string, error) {
	r := scenarios.Run(ctx, c, scenarios.RunOptions{
		Seed: seed, Access: &on.access, MediaTime: *sameMedia, Trace: true, Setup: on.set,
	})
	if r.Err != nil {
		return "", r.Err
	}
	r.Cell.Hosts = cell.HostsPion
	var out bytes.Buffer
	doc := scenarios.NewDocumentWriter(&out, seed)
	doc.Add(r)
	err := errors.Join(doc.Close(), report.Trace(&out, r.Events))
	return out.String() + mediaDigest(r.Events), err
}

// set gives every link but the access links the latency of the others.
func (on links) set(w *stage.World) error {
	hosts := []*vnet.Host{w.Proxy}
	if w.NATA != nil {
		hosts = append(hosts, w.A)
	}
	if w.NATB != nil {
		hosts = append(hosts, w.B)
	}
	for _, h := range hosts {
		if err := h.Site().Link().Set(on.others); err != nil {
			return err
		}
	}
	return nil
}

// mediaDigest is of RTP and RTCP as they are. All of what they draw at random comes from
// the seed, so here nothing is replaced by a number.
func mediaDigest(events []vnet.Event) string {
	sum := sha256.New()
	for _, e := range events {
		if len(e.Payload) > 0 && e.Payload[0]>>6 == 2 {
			sum.Write(e.Payload)
		}
	}
	return fmt.Sprintf("media %x\n", sum.Sum(nil))
}

// keepBusy has goroutines use up the processors, in slices too short for a run to starve.
func keepBusy(goroutines int) (stop func()) {
	quit := make(chan struct{})
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for {
				select {
				case <-quit:
					return
				default:
				}
				for range 2000 {
				}
				runtime.Gosched()
			}
		})
	}
	return func() { close(quit); wg.Wait() }
}

// firstDifference shows where two traces part, with what came before.
func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return strings.Join(x[max(0, i-5):i], "\n") + "\nfirst: " + x[i] + "\nagain: " + y[i]
		}
	}
	return fmt.Sprintf("one has %d lines, the other %d", len(x), len(y))
}
