package suites_test

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/vnet"
)

// repetitions of each cell. Any difference between two of them is a failure.
const repetitions = 100

// rough is an access link on which nothing can be relied on.
var rough = vnet.LinkConfig{
	Latency: 20 * time.Millisecond, Jitter: 15 * time.Millisecond,
	Loss: 0.05, Duplicate: 0.02, Reorder: 0.02, ReorderBy: 30 * time.Millisecond,
}

var _ = ginkgo.Describe("The same seed", ginkgo.Label("determinism"), func() {
	for _, c := range []scenarios.Cell{
		plan(func(x *scenarios.Axes) {
			x.Flows, x.A = []scenarios.Flow{scenarios.FlowRegister}, []string{"symmetric"}
		})[0],
		plan(func(x *scenarios.Axes) {
			x.Flows, x.A, x.B = []scenarios.Flow{scenarios.FlowCall}, []string{"apdm-adf"}, []string{"port-restricted"}
			x.Latches = []scenarios.Sides{scenarios.BothSides}
		})[0],
		plan(func(x *scenarios.Axes) {
			x.Flows, x.A = []scenarios.Flow{scenarios.FlowPCToPhone}, []string{"port-restricted"}
		})[0],
	} {
		ginkgo.It(fmt.Sprintf("gives the same JSON and the same trace %d times over a lossy, jittery link: %s", repetitions, c.ID()), func(ctx context.Context) {
			first := playRough(ctx, c, 7)
			gomega.Expect(first.trace).To(gomega.ContainSubstring(string(vnet.LinkLoss)), "the link is rough")
			for i := range repetitions {
				again := playRough(ctx, c, 7)
				gomega.Expect(again.json).To(gomega.Equal(first.json), "JSON of repetition %d", i)
				if again.trace != first.trace {
					ginkgo.Fail(fmt.Sprintf("repetition %d parts ways here:\n%s", i, firstDifference(first.trace, again.trace)))
				}
			}
		})
		ginkgo.It("and another seed another trace: "+c.ID(), func(ctx context.Context) {
			gomega.Expect(playRough(ctx, c, 8).trace).NotTo(gomega.Equal(playRough(ctx, c, 7).trace))
		})
	}
})

// playback is what one run leaves, in comparable form.
type playback struct{ json, trace string }

func playRough(ctx context.Context, c scenarios.Cell, seed uint64) playback {
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
