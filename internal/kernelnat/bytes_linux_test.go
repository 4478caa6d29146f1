//go:build kernel

package kernelnat

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// fragmentTime is how long the kernel keeps fragments here (net.ipv4.ipfrag_time, in seconds).
const fragmentTime = time.Second

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

func newBytesRouter(t testing.TB, nat string) *bytesRouter {
	t.Helper()
	r := &bytesRouter{Router: newRouter(t), mtu: defaultMTU}
	err := r.Install(mustRuleset(t, bytesRulesets[nat]).Text())
	if err == nil {
		err = r.Sysctl(fmt.Sprintf("net.ipv4.ipfrag_time=%d", fragmentTime/time.Second))
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
			if step.b == nil {
				continue
			}
			step.got, err = r.SendBytes(s.side, step.b)
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

// compare puts a case through the kernel and the lab.
func (r *bytesRouter) compare(t *testing.T, c byteCase) {
	t.Helper()
	rec, err := r.record(c)
	if err != nil {
		t.Fatal(err)
	}
	lab, err := inLab(rec)
	if err != nil {
		t.Fatal(err)
	}
	if text := compareBytes(rec, lab); text != "" {
		t.Errorf("%s through %s:\n%s", c.name, c.nat, text)
	}
}

// TestKernelBytes holds the lab to the kernel in bytes, case by case.
func TestKernelBytes(t *testing.T) {
	for _, nat := range []string{"linux-masquerade", "linux-masquerade-open"} {
		r := newBytesRouter(t, nat)
		for _, c := range byteCases() {
			if c.guarded && nat == "linux-masquerade-open" {
				continue
			}
			t.Run(nat+"/"+c.name, func(t *testing.T) {
				c.nat = nat
				r.compare(t, c)
			})
		}
	}
}
