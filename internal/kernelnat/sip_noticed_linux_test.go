//go:build kernel

package kernelnat

import (
	"net/netip"
	"regexp"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/sipalg"
)

// wrongHelper is a rule of the helper that a model gets wrong.
type wrongHelper struct {
	name   string
	expect func(*natmodels.Expectation) // changes what the ALG asks the NAT for
	edit   func(before, after []byte) []byte
	forget bool // nothing ends what is expected
	paused bool // it takes pauses to notice
}

var (
	rtcpLine   = regexp.MustCompile(`(a=rtcp:\d+ IN IP4 )10\.[\d.]+`)
	lengthLine = regexp.MustCompile(`(Content-Length|\nl): \d+`)
	rportParam = regexp.MustCompile(`rport=\d+`)
)

// kept writes back what a pattern finds in the message as it came.
func kept(pattern *regexp.Regexp) func(before, after []byte) []byte {
	return func(before, after []byte) []byte {
		if found := pattern.Find(before); found != nil {
			return pattern.ReplaceAllLiteral(after, found)
		}
		return after
	}
}

var wrongHelpers = []wrongHelper{
	{name: "expected from anybody", expect: func(e *natmodels.Expectation) { e.Remote = netip.Addr{} }},
	{name: "media is not used up", expect: func(e *natmodels.Expectation) { e.Tracked.Permanent = true }},
	{name: "signalling is used up", expect: func(e *natmodels.Expectation) { e.Tracked.Permanent = false }},
	{name: "signalling before the response", expect: func(e *natmodels.Expectation) { e.Tracked.Inactive = false }},
	{name: "no RTCP", expect: func(e *natmodels.Expectation) { e.Tracked.Pair = false }},
	{name: "no limit", expect: func(e *natmodels.Expectation) { e.Tracked.Limit = 0 }},
	{name: "no master", expect: func(e *natmodels.Expectation) { e.Tracked.Master = 1 << 60 }},
	{name: "the answer opens nothing", expect: func(e *natmodels.Expectation) {
		if e.Tracked.Outward {
			e.Remote = RouterInside
		}
	}},
	{name: "expected signalling is not read", expect: func(e *natmodels.Expectation) { e.Tracked.Signalling = false }},
	{name: "the wanted port is that of the phone", expect: func(e *natmodels.Expectation) { e.Tracked.Port = 0 }},
	{name: "media is expected for a second", paused: true, expect: func(e *natmodels.Expectation) { e.Lifetime = time.Second }},
	{name: "BYE ends nothing", forget: true},
	{name: "a=rtcp is rewritten", edit: func(_, after []byte) []byte {
		return rtcpLine.ReplaceAll(after, []byte("${1}192.0.2.1"))
	}},
	{name: "Content-Length is stale", edit: kept(lengthLine)},
	{name: "rport stays", edit: kept(rportParam)},
}

// forgetful ends nothing that is expected.
type forgetful struct{ sipalg.Gate }

func (forgetful) Forget(sipalg.Class) {}

// TestSIPNoticed makes sure that the test with SIP messages would notice a wrong rule.
func TestSIPNoticed(t *testing.T) {
	t.Parallel()
	const each, eachPaused = 1500, 300
	runs := make(map[bool][]*Run)
	rs := sipRuleset(t)
	for _, paused := range []bool{false, true} {
		k, g, n := newKernel(t, rs), newSIPGenerator(paused), each
		if paused {
			n = eachPaused
			shortenTimers(t, k)
		}
		for len(runs[paused]) < n {
			batch, err := k.Run(g.sequences(min(sipBatch, n)))
			if err != nil {
				t.Fatal(err)
			}
			if err := k.Flush(); err != nil {
				t.Fatal(err)
			}
			runs[paused] = append(runs[paused], batch...)
		}
	}
	for _, wrong := range wrongHelpers {
		timers := KernelTimers
		if wrong.paused {
			timers = ShortTimers
		}
		make := helpedMaker(rs, timers, *seed)
		n := noticed(t, runs[wrong.paused], func() (Box, error) {
			box, err := make()
			if err != nil {
				return nil, err
			}
			h := box.(*Helped)
			h.alg.Asked, h.edit = wrong.expect, wrong.edit
			if wrong.forget {
				h.alg.Wrap = func(g sipalg.Gate) sipalg.Gate { return forgetful{g} }
			}
			return h, nil
		})
		t.Logf("%s: %d of %d sequences", wrong.name, n, len(runs[wrong.paused]))
		if n == 0 {
			t.Errorf("%s: not noticed", wrong.name)
		}
	}
}
