package certify_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/natproof/natproof/emulator/certify"
	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
)

// each is a setting of the settable phone that differs from the plain one.
var each = map[string]settings{
	"plain": {}, "rport": {rport: true}, "stun": {stun: true}, "strict": {strict: true}, "silent": {silent: true}, "a=rtcp": {names: true},
	"latch always": {latch: media.LatchAlways}, "latch once": {latch: media.LatchOnce}, "latch window": {latch: media.LatchWindow}, "latch same-address": {latch: media.LatchSameAddress},
	"crlf": {keepAlive: cell.KeepAliveCRLF, interval: 25 * time.Second}, "zeros": {keepAlive: cell.KeepAliveZero, interval: 8 * time.Second},
	"stun for media": {stunMedia: true}, "stun for media, rport": {stunMedia: true, rport: true}, "no reports": {noRTCP: true}, "stun for media, no reports": {stunMedia: true, noRTCP: true},
	"learns":         {learns: true, rport: true},
	"rport and stun": {rport: true, stun: true}, "stun and latch": {stun: true, latch: media.LatchAlways},
}

func (s settings) kept() settings {
	if s.keepAlive == "" {
		s.keepAlive = cell.KeepAliveNone
	}
	return s
}

// What is learned of a phone is what it is, and what changes in its certificate with a setting is
// what theory says, cell by cell: all that is played is as predicted.
func TestEachSetting(t *testing.T) {
	for name, s := range each {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := s.kept()
			phone := settable(s)
			choice := cell.Choice{"flow": {"register", "call", "called"}, "a": {"rfc4787", "linux-masquerade", "docker", "openbsd-pf"}}
			if s.interval > 0 {
				choice = cell.Choice{"flow": {"idle-then-called"}, "a": {"classic", "linux-masquerade"}}
			}
			if s.learns {
				choice["registrar"] = []string{"contact", "received", "ip-only"}
			}
			c, err := certify.Certify(t.Context(), phone, certify.Options{Choice: choice})
			if err != nil {
				t.Fatal(err)
			}
			if c.Learned.Traits != s.traits() {
				show(t, c.Learned)
				t.Errorf("learned %+v, and it is %+v", c.Learned.Traits, s.traits())
			}
			if got := c.Learned.Axes[cell.KeyKeepAlive]; got != string(s.keepAlive) {
				t.Errorf("keepalive %s", got)
			}
			if got := c.Learned.Axes[cell.KeyInterval]; s.interval > 0 && got != s.interval.String() {
				t.Errorf("interval %s", got)
			}
			for _, v := range c.Verdicts {
				if v.Status == certify.NotAsPredicted || v.Status == certify.Broken {
					t.Errorf("%s: %s %v", v.Cell, v.Why, v.Result.Surprises())
				}
			}
		})
	}
}

// A setting changes those cells of the certificate that theory says, and no others: the verdicts of
// the phone with the setting are those that the certificate of the plain phone names as its
// neighbours.
func TestASettingChangesWhatTheorySays(t *testing.T) {
	verdicts := func(s settings) map[string]certify.Verdict {
		c, err := certify.Certify(t.Context(), settable(s.kept()), certify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]certify.Verdict{}
		for _, v := range c.Verdicts {
			all[v.Cell.Flow.Name()+" "+v.Cell.A] = v
		}
		return all
	}
	plain := verdicts(settings{})
	for _, x := range []struct {
		settings
		axis, value string
	}{{settings{rport: true}, "rport", "true"}, {settings{stun: true}, "port-manager", "stun"}, {settings{latch: media.LatchAlways}, "latch", "a"}} {
		changed, promised := 0, 0
		for at, v := range verdicts(x.settings) {
			was := plain[at]
			if v.Status != was.Status {
				changed++
			}
			for _, s := range was.WouldWork {
				if len(s.Changes) == 1 && s.Changes[0].Axis == x.axis && s.Changes[0].Value == x.value {
					promised++
					if v.Status != certify.Works {
						t.Errorf("%s=%s at %s: %s, though it was said that it would work", x.axis, x.value, at, v.Status)
					}
				}
			}
			if was.Status == certify.Fails && v.Status == certify.Works && !names(was, x.axis, x.value) {
				t.Errorf("%s=%s at %s works, which nobody had said", x.axis, x.value, at)
			}
		}
		t.Logf("%s=%s: %d cells changed, %d were said to work", x.axis, x.value, changed, promised)
	}
}

func names(v certify.Verdict, axis, value string) bool {
	for _, s := range v.WouldWork {
		if len(s.Changes) == 1 && s.Changes[0].Axis == axis && s.Changes[0].Value == value {
			return true
		}
	}
	return false
}

// A phone of which something wrong was learned is found out.
func TestWrongTraitsAreNoticed(t *testing.T) {
	phone := settable(settings{}.kept())
	l := learn(t, phone)
	l.Traits.Rport = true
	l.Axes[cell.KeyRport] = "true"
	c, err := l.In(cell.Default(flows.Register, "symmetric", cell.NoNAT))
	if err != nil {
		t.Fatal(err)
	}
	r := scenarios.Run(t.Context(), c, scenarios.RunOptions{Seed: 1, Phones: stage.Phones{cell.A: l.Known(phone)}})
	if r.Err != nil || r.Expected {
		t.Error(fmt.Sprint(r.Expected), r.Err)
	}
}
