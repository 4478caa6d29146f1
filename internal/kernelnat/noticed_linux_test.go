//go:build kernel

package kernelnat

import (
	"testing"
	"time"
)

// TestNoticed makes sure that the test would notice: what the kernel does with one
// ruleset must not pass for another.
func TestNoticed(t *testing.T) {
	const each = 1000
	for i, rs := range Rulesets {
		k := newKernel(t, rs)
		runs, err := k.Run(sequences(rs.Generator(*seed+uint64(i)), each))
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range Rulesets {
			if !alike(rs, other) && noticed(t, runs, engineMaker(other, KernelTimers, *seed)) == 0 {
				t.Errorf("the kernel with %s passes for %s", rs.Name, other.Name)
			}
		}
	}
}

// alike reports whether two rulesets do the same without pauses.
func alike(a, b Ruleset) bool {
	return a.Choice == b.Choice && a.Ports == b.Ports && a.Guarded == b.Guarded
}

// TestTimersNoticed makes sure that a timer that is wrong by a second is noticed,
// every one of them.
func TestTimersNoticed(t *testing.T) {
	const each = 1000
	rs := Rulesets[0]
	k := newKernel(t, rs)
	shortenTimers(t, k)
	g := rs.Generator(*seed)
	g.Pauses, g.Patience = pauses, pausesInAll
	runs, err := k.Run(sequences(g, each))
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range wrongTimers() {
		n := noticed(t, runs, engineMaker(rs, wrong.Timers, *seed))
		t.Logf("%s: %d of %d sequences", wrong.name, n, each)
		if n == 0 {
			t.Errorf("%s: not noticed", wrong.name)
		}
	}
}

type wrongTimer struct {
	name string
	Timers
}

// wrongTimers returns timers of which one is a second too long.
func wrongTimers() []wrongTimer {
	var all []wrongTimer
	add := func(name string, change func(*Timers) *time.Duration) {
		w := wrongTimer{name + " a second longer", ShortTimers}
		*change(&w.Timers) += time.Second
		all = append(all, w)
	}
	add("udp", func(t *Timers) *time.Duration { return &t.UDP })
	add("udp stream", func(t *Timers) *time.Duration { return &t.UDPStream })
	add("icmp", func(t *Timers) *time.Duration { return &t.ICMP })
	add("tcp unacknowledged", func(t *Timers) *time.Duration { return &t.TCPUnacked })
	for s, name := range tcpTimerNames {
		if name != "" {
			add("tcp "+name, func(t *Timers) *time.Duration { return &t.TCP[s] })
		}
	}
	return all
}

// noticed returns how many runs of the kernel a model does not agree with.
func noticed(t *testing.T, runs []*Run, model Maker) int {
	t.Helper()
	found, err := Difference{Runner: Virtual{Label: "kernel"}, Model: model}.against(runs)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range found {
		if f != nil {
			n++
		}
	}
	return n
}
