//go:build kernel

package kernelnat

import (
	"flag"
	"math/rand/v2"
	"testing"
)

var (
	sipCount  = flag.Int("sip", 3000, "sequences of SIP messages without pauses")
	sipPaused = flag.Int("sip-paused", 300, "sequences of SIP messages with pauses")
)

// sipBatch is how many sequences go through the kernel before it forgets everything:
// it keeps 4096 expectations at most (nf_conntrack_expect_max).
const sipBatch = 300

// TestKernelSIPMessages puts SIP messages and media through the kernel and through the
// engine with the ALG beside it: both must send the same bytes.
func TestKernelSIPMessages(t *testing.T) {
	for _, paused := range []bool{false, true} {
		name := "unpaused"
		if paused {
			name = "paused"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rs := sipRuleset(t)
			k, g := newKernel(t, rs), newSIPGenerator(paused)
			timers, n := KernelTimers, *sipCount
			if paused {
				shortenTimers(t, k)
				timers, n = ShortTimers, *sipPaused
			}
			rs.Name += ", SIP messages"
			f := figure{Ruleset: rs, sequences: n, paused: paused}
			d := Difference{Runner: k, Model: helpedMaker(rs, timers, *seed)}
			for n > 0 {
				batch := min(n, sipBatch)
				n -= batch
				if err := k.Flush(); err != nil {
					t.Fatal(err)
				}
				runs, err := k.Run(g.sequences(batch))
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range runs {
					f.packets += r.Packets()
				}
				found, err := d.Judge(runs)
				if err != nil {
					t.Fatal(err)
				}
				f.divergences += len(found)
				report(t, d, found)
			}
			t.Logf("%d sequences, %d packets, %d divergences", f.sequences, f.packets, f.divergences)
			f.note()
		})
	}
}

func newSIPGenerator(paused bool) *SIPGenerator {
	g := &SIPGenerator{Rand: rand.New(rand.NewPCG(*seed, 0x736970))}
	if paused {
		g.Rand = rand.New(rand.NewPCG(*seed, 0x70736970))
		g.Pauses, g.Patience = pauses, pausesInAll
	}
	return g
}
