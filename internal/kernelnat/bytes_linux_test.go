//go:build kernel

package kernelnat

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// fragmentTime is how long the kernel keeps fragments here (net.ipv4.ipfrag_time, in seconds).
const fragmentTime = time.Second

// keepFragments is long enough for random sequences never to see the end of it.
const keepFragments = time.Hour

var (
	byteCount  = flag.Int("bytes", 1500, "random sequences that are compared in bytes, for each NAT")
	transcribe = flag.Bool("transcribe", false, "write down what the kernel makes of the cases in bytes")
)

// bytesNATs are entries of the catalogue.
var bytesNATs = []string{"linux-masquerade", "linux-masquerade-open"}

// bytesRulesets are the rulesets that entries of the catalogue model.
var bytesRulesets = map[string]string{
	"linux-masquerade":      "masquerade-guarded",
	"linux-masquerade-open": "masquerade",
}

// bytesRouter is the kernel as a router of packets in bytes.
type bytesRouter struct {
	*Router
	mtu int
}

func newBytesRouter(t testing.TB, nat string, keep time.Duration) *bytesRouter {
	t.Helper()
	r := &bytesRouter{Router: newRouter(t), mtu: defaultMTU}
	err := r.Install(mustRuleset(t, bytesRulesets[nat]).Text())
	if err == nil {
		err = r.Sysctl(fmt.Sprintf("net.ipv4.ipfrag_time=%d", keep/time.Second))
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// record puts a case through the kernel.
func (r *bytesRouter) record(c byteCase) (recording, error) {
	rec := recording{name: c.name, nat: c.nat, mtu: c.mtu}
	if err := r.Flush(); err != nil {
		return rec, err
	}
	if r.mtu != c.mtu {
		err := r.within(func() error {
			return run("ip", fmt.Sprintf("link set out0 mtu %d\n", c.mtu), "-batch", "-")
		})
		if err != nil {
			return rec, err
		}
		r.mtu = c.mtu
	}
	for _, s := range c.steps {
		step := sending{giveUp: s.giveUp}
		var err error
		if s.giveUp {
			time.Sleep(fragmentTime + fragmentTime/2)
			step.got, err = r.drained(step.side)
		} else {
			step.side, step.b = s.side, s.make(rec.steps)
			if step.b != nil {
				step.got, err = r.SendBytes(s.side, step.b)
			}
		}
		if err != nil {
			return rec, err
		}
		rec.steps = append(rec.steps, step)
	}
	return rec, nil
}

// SendBytes lets a packet arrive at the router; see Send.
func (r *bytesRouter) SendBytes(from Side, b []byte) ([]wire, error) {
	if err := r.tuns[from].write(b); err != nil {
		return nil, err
	}
	return r.drained(from)
}

// drained returns all that the router sends, across it first, up to a sentinel sent now.
func (r *bytesRouter) drained(from Side) ([]wire, error) {
	guard := r.guard(from)
	if err := r.tuns[from].write(guard.Marshal()); err != nil {
		return nil, err
	}
	var all []wire
	for {
		b, err := r.tuns[from.Other()].read(patience)
		if err != nil {
			return nil, err
		}
		if b == nil {
			return nil, fmt.Errorf("kernelnat: the sentinel did not pass the router within %v", patience)
		}
		if p, err := Parse(b); err == nil && p.Src == guard.Src && p.Dst == guard.Dst && p.Tag == guard.Tag {
			break
		}
		if b[0]>>4 == 4 {
			all = append(all, wire{from.Other(), bytes.Clone(b)})
		}
	}
	for {
		b, err := r.tuns[from].read(0)
		if err != nil || b == nil {
			return all, err
		}
		if b[0]>>4 == 4 {
			all = append(all, wire{from, bytes.Clone(b)})
		}
	}
}

// differs puts a case through the kernel and the lab, and says where they do not agree.
func (r *bytesRouter) differs(t *testing.T, c byteCase) string {
	t.Helper()
	rec, err := r.record(c)
	if err != nil {
		t.Fatal(err)
	}
	lab, err := inLab(rec)
	if err != nil {
		t.Fatal(err)
	}
	return compareBytes(rec, lab)
}

// TestKernelBytes holds the lab to the kernel in bytes, case by case.
func TestKernelBytes(t *testing.T) {
	var all []recording
	for _, nat := range bytesNATs {
		r := newBytesRouter(t, nat, fragmentTime)
		for _, c := range byteCases() {
			if c.guarded && nat == "linux-masquerade-open" {
				continue
			}
			c.nat = nat
			rec, err := r.record(c)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, rec)
		}
	}
	if *transcribe {
		if err := os.WriteFile(filepath.FromSlash(transcriptFile), []byte(transcript(all)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, rec := range all {
		t.Run(rec.nat+"/"+rec.name, func(t *testing.T) {
			lab, err := inLab(rec)
			if err != nil {
				t.Fatal(err)
			}
			if text := compareBytes(rec, lab); text != "" {
				t.Error(text)
			}
		})
	}
}

// TestKernelBytesRandom does so with random sequences.
func TestKernelBytesRandom(t *testing.T) {
	for i, nat := range bytesNATs {
		t.Run(nat, func(t *testing.T) {
			t.Parallel()
			var r *bytesRouter
			g := newByteGenerator(*seed*1000 + uint64(i))
			packets := 0
			for n := range *byteCount {
				if n%500 == 0 { // what is left of fragments takes memory
					r = newBytesRouter(t, nat, keepFragments)
				}
				c := g.sequence(n)
				c.nat = nat
				packets += len(c.steps)
				if text := r.differs(t, c); text != "" {
					t.Fatalf("-seed %d, %s of %s:\n%s", *seed, c.name, nat, shortest(t, c, text))
				}
			}
			t.Logf("%d sequences, %d packets", *byteCount, packets)
		})
	}
}

// shortest leaves out steps as long as the difference, which it returns, is there.
func shortest(t *testing.T, c byteCase, text string) string {
	c.steps = slices.Clone(c.steps)
	for i := len(c.steps) - 1; i >= 0; i-- {
		step := c.steps[i]
		c.steps[i].make = func([]sending) []byte { return nil }
		if shorter := newBytesRouter(t, c.nat, keepFragments).differs(t, c); shorter != "" {
			text = shorter
		} else {
			c.steps[i] = step
		}
	}
	return fmt.Sprintf("mtu %d\n%s", c.mtu, text)
}
