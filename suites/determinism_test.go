package suites_test

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/vnet"
)

// Each cell is played with many seeds and often with each: what goes wrong by
// the order of goroutines goes wrong only where two things meet at one instant,
// and the seed decides where.
const (
	seeds       = 25
	repetitions = 5
)

// rough is an access link on which nothing can be relied on.
var rough = vnet.LinkConfig{
	Latency: 20 * time.Millisecond, Jitter: 15 * time.Millisecond,
	Loss: 0.05, Duplicate: 0.02, Reorder: 0.02, ReorderBy: 30 * time.Millisecond,
}

var _ = ginkgo.Describe("The same seed", ginkgo.Label("determinism"), func() {
	cells := slices.Concat(
		plan(cell.Choice{"flow": {"register"}, "a": {"symmetric"}}),
		plan(cell.Choice{"flow": {"register"}, "a": {"eim-eif"}, "registrar": {"contact"}, "rport": {"false"}}),
		plan(cell.Choice{"flow": {"call"}, "a": {"apdm-adf"}, "b": {"port-restricted"}, "latch": {"both"}}),
		plan(cell.Choice{"flow": {"pc-to-phone"}, "a": {"port-restricted"}}),
	)
	for _, c := range cells {
		ginkgo.It(fmt.Sprintf("gives the same JSON and the same trace in %d repetitions over a lossy, jittery link: %s", seeds*repetitions, c.ID()), func(ctx context.Context) {
			traces, losses := map[string]bool{}, 0
			for seed := range uint64(seeds) {
				first := playRough(ctx, c, seed)
				losses += strings.Count(first.trace, string(vnet.LinkLoss))
				for i := range repetitions {
					again := playRough(ctx, c, seed)
					gomega.Expect(again.json).To(gomega.Equal(first.json), "JSON of seed %d, repetition %d", seed, i)
					if again.trace != first.trace {
						ginkgo.Fail(fmt.Sprintf("seed %d, repetition %d parts ways here:\n%s", seed, i, firstDifference(first.trace, again.trace)))
					}
				}
				traces[first.trace] = true
			}
			gomega.Expect(losses).To(gomega.BeNumerically(">", seeds), "the link is rough")
			gomega.Expect(traces).To(gomega.HaveLen(seeds), "another seed, another trace")
		})
	}
})

// playback is what one run leaves, in comparable form.
type playback struct{ json, trace string }

func playRough(ctx context.Context, c cell.Cell, seed uint64) playback {
	r := scenarios.Run(ctx, c, scenarios.RunOptions{Seed: seed, Access: &rough, MediaTime: 3 * time.Second, Trace: true})
	gomega.Expect(r.Err).NotTo(gomega.HaveOccurred())
	var doc bytes.Buffer
	gomega.Expect(scenarios.NewDocument(seed, []scenarios.Result{r}).Encode(&doc)).To(gomega.Succeed())
	return playback{json: doc.String(), trace: normalised(r.Events)}
}

// identifiers in SIP that come from crypto/rand: every run draws others.
var identifiers = regexp.MustCompile(`(branch=|;tag=|Call-ID: |[; ]d=)([^\s;,>]+)`)

// normalised writes a trace with every identifier replaced by a number, in the
// order of their first appearance.
func normalised(events []vnet.Event) string {
	numbers := map[string]int{}
	number := func(id string) string {
		if _, ok := numbers[id]; !ok {
			numbers[id] = len(numbers) + 1
		}
		return fmt.Sprintf("<%d>", numbers[id])
	}
	var out strings.Builder
	for _, e := range events {
		payload := e.Payload
		switch {
		case len(payload) >= 20 && payload[0] < 4: // STUN: the transaction id (RFC 8489 section 5)
			payload = append(append([]byte(nil), payload[:8]...), payload[20:]...)
			payload = append(payload, number(string(e.Payload[8:20]))...)
		case len(payload) > 0 && payload[0] >= 'A' && payload[0] <= 'Z':
			payload = identifiers.ReplaceAllFunc(payload, func(m []byte) []byte {
				at := identifiers.FindSubmatchIndex(m)
				return append(append([]byte(nil), m[:at[3]]...), number(string(m[at[4]:at[5]]))...)
			})
		}
		fmt.Fprintf(&out, "%v %v from %v %v parent %d %q\n", e, e.Packet, e.FromSrc, e.FromDst, e.Parent, payload)
	}
	return out.String()
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
