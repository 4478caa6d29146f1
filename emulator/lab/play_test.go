package lab_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/emulator/lab"
	"github.com/natproof/natproof/vnet"
)

// public is a lab of two phones without a NAT, to which a test adds.
const public = `title: two phones
sites:
  public: {prefix: 203.0.113.0/24, link: latency=10ms, hosts: {proxy: 203.0.113.10, alice: 203.0.113.40, bob: 203.0.113.41, carol: 203.0.113.42}}
servers:
  proxy: {kind: registrar}
endpoints:
  alice: {}
  bob: {}
  carol: {}
script:
  - {at: 0s, register: bob}
  - {register: carol}
`

func parsed(t *testing.T, text string) *lab.File {
	t.Helper()
	f, err := lab.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// verdicts are what came of the expectations: the saying of each that does not hold.
func wrong(r *lab.Result) (all []string) {
	for _, v := range r.Verdicts {
		if !v.Holds {
			all = append(all, v.Says+": "+v.Saw+": "+strings.Join(v.Cause, "; "))
		}
	}
	for _, l := range r.Failures {
		all = append(all, l.Text)
	}
	return all
}

// Each step does what it says, and each expectation is judged both ways.
func TestStepsAndExpectations(t *testing.T) {
	for _, x := range []struct {
		name, with, rest string
		fails            []string // what the sayings of those that do not hold contain, in their order
	}{
		{"a call", "", `
  - {at: 1s, call: alice, to: bob}
  - {at: 5s, hangup: bob}
expect:
  - {answered: alice, within: 100ms}
  - {in-call: bob, at: 3s}
  - {media: alice, with: bob, from: 2s, until: 5s, share: 100%}
  - {ended: alice, with: normal, from: 5s, until: 6s}
  - {ended: bob, with: normal}
  - {unanswered: alice}
  - {in-call: alice, at: 6s}
  - {unheard: alice, by: bob, until: 5s}
  - {heard: alice, by: bob, from: 6s}
  - {ended: alice, with: timeout}
  - {registered: alice}
  - {unregistered: bob}
`, []string{"is not answered: it was", "call at 6s", "is not heard", "from 6s on", "ends with timeout", "registered: it never was", "never registered: it was"}},
		{"nobody picks up, and the caller gives up", "bob: {answer: {never: true}}", `
  - {at: 1s, call: alice, to: bob}
  - {at: 11s, hangup: alice}
expect:
  - {unanswered: alice}
  - {ended: alice, with: canceled}
  - {ended: bob, with: canceled}
`, nil},
		{"a refusal", "bob: {answer: {refuse: 486}}", `
  - {at: 1s, call: alice, to: bob}
expect:
  - {unanswered: alice, status: 486}
  - {ended: alice, with: busy}
  - {unanswered: alice, status: 603}
`, []string{"603"}},
		{"it rings with early media, then it is answered", "bob: {answer: {rings: 3s, early-media: true}}", `
  - {at: 1s, call: alice, to: bob}
  - {at: 8s, hangup: alice}
expect:
  - {answered: alice, within: 3100ms}
  - {heard: bob, by: alice, from: 2s, until: 4s}
  - {answered: alice, within: 2s}
`, []string{"within 2s: it took 3"}},
		{"a message", "", `
  - {at: 1s, message: alice, to: bob, text: "good morning"}
  - {at: 2s, message: alice, to: nobody@x, text: "lost"}
expect:
  - {received: bob, text: "good morning", until: 2s}
`, nil},
		{"keys and a transfer", "", `
  - {at: 1s, call: alice, to: bob}
  - {at: 3s, press: alice, digits: "1#"}
  - {at: 5s, transfer: alice, to: carol}
  - {at: 12s, hangup: carol}
expect:
  - {media: bob, with: carol, from: 7s, until: 11s}
  - {ended: alice, with: normal, until: 8s}
`, nil},
		{"a link that is down for a while", "", `
  - {at: 1s, call: alice, to: bob}
  - {at: 3s, link: public, is: down, until: 5s}
  - {at: 9s, hangup: alice}
expect:
  - {drop: public, reason: link-down, from: 3s, until: 5s}
`, []string{"public drops packets, link-down"}}, // both are on it: nothing crosses
		{"a step that means nothing", "", `
  - {at: 1s, hangup: alice}
  - {at: 1s, resume: bob}
  - {at: 2s, register: bob}
  - {at: 3s, call: alice, to: "sip:"}
  - {at: 9s, idle: 1s}
`, []string{"hangs up: that cannot be done now: it has no call", "resumes its call: that", "registers: that cannot be done now", "calls sip:: that cannot be done now"}},
		{"unregistered again", "", `
  - {at: 1s, unregister: bob}
  - {at: 3s, call: alice, to: bob}
expect:
  - {registered: bob, at: 500ms}
  - {unregistered: bob, at: 2s}
  - {unanswered: alice}
  - {registered: bob, at: 2s}
`, []string{"registered at 2s: it is not"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			text := public
			if x.with != "" {
				text = strings.Replace(text, "bob: {}", x.with, 1)
			}
			rest := strings.Replace(x.rest, "to: nobody@x", "to: sip:nobody@example.com", 1)
			r := played(t, parsed(t, text+strings.TrimPrefix(rest, "\n")), lab.Options{})
			got := append([]string{}, wrong(r)...)
			if len(got) != len(x.fails) {
				t.Fatalf("do not hold:\n%s\nwant %q\n%v", strings.Join(got, "\n"), x.fails, r.Lines)
			}
			for i, want := range x.fails {
				if !strings.Contains(got[i], want) {
					t.Errorf("%s\nwant %s", got[i], want)
				}
			}
		})
	}
}

// The messages that a link loses are those that the script names, as many as it says.
func TestLose(t *testing.T) {
	r := played(t, parsed(t, `title: a lost ACK
sites:
  home: {prefix: 198.51.100.0/24, hosts: {alice: 198.51.100.2}}
  public: {prefix: 203.0.113.0/24, link: latency=10ms, hosts: {proxy: 203.0.113.10, bob: 203.0.113.41}}
servers:
  proxy: {kind: registrar}
endpoints: {alice: {}, bob: {}}
script:
  - {at: 0s, register: bob}
  - {at: 1s, lose: ACK, on: home, count: 2}
  - {at: 1s, lose: RTP, on: home, until: 3s}
  - {at: 1s, call: alice, to: bob}
  - {at: 6s, hangup: alice}
expect:
  - {drop: home, reason: lost-as-scripted, of: ACK, least: 2}
  - {drop: home, reason: lost-as-scripted, of: RTP, least: 150}
  - {unheard: bob, by: alice, from: 1s, until: 3s}
  - {media: alice, with: bob, from: 3s, until: 6s}
  - {no-drop: home, reason: lost-as-scripted, from: 4s}
  - {ended: bob, with: normal}
`), lab.Options{Trace: true})
	if bad := wrong(r); bad != nil {
		t.Error(strings.Join(bad, "\n"))
	}
	n := 0
	for _, e := range r.Events {
		if e.Kind == vnet.Dropped && strings.HasPrefix(string(e.Payload), "ACK ") {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d ACKs were lost, want 2", n)
	}
}

// A link that changes for a time is afterwards what it was before, not what it was at first.
func TestLinkAsBefore(t *testing.T) {
	r := played(t, parsed(t, `title: a link
sites:
  home: {prefix: 198.51.100.0/24, link: latency=5ms, hosts: {alice: 198.51.100.2}}
  public: {prefix: 203.0.113.0/24, hosts: {proxy: 203.0.113.10, bob: 203.0.113.41}}
servers:
  proxy: {kind: registrar}
endpoints: {alice: {}, bob: {}}
script:
  - {at: 0s, register: bob}
  - {at: 1s, call: alice, to: bob}
  - {at: 2s, link: home, is: loss=100%}
  - {at: 4s, link: home, is: perfect, until: 6s}
  - {at: 8s, link: home, is: {up: loss=0, down: latency=50ms loss=0}}
  - {at: 10s, hangup: alice}
expect:
  - {media: alice, with: bob, from: 1500ms, until: 2s}
  - {unheard: alice, by: bob, from: 2s, until: 4s}
  - {media: alice, with: bob, from: 4s, until: 6s}
  - {unheard: alice, by: bob, from: 6s, until: 8s}
  - {media: alice, with: bob, from: 8s, until: 10s}
`), lab.Options{})
	if bad := wrong(r); bad != nil {
		t.Error(strings.Join(bad, "\n"))
	}
}

// A phone behind two NATs is reached by the ports that both forward, and a password is asked for.
func TestForwardsThroughTwoNATs(t *testing.T) {
	f := parsed(t, `title: two boxes
nats:
  outer:
    model: port-restricted
    external: 198.51.100.1
    forwards:
      - {external: 198.51.100.1:5060, internal: 192.168.1.2:5060}
      - {external: 198.51.100.1:40000, internal: 192.168.1.2:40000}
      - {external: 198.51.100.1:40001, internal: 192.168.1.2:40001}
  inner:
    model: symmetric
    behind: outer
    external: 192.168.1.2
    forwards:
      - {external: 192.168.1.2:5060, internal: 10.0.0.2:5060}
      - {external: 192.168.1.2:40000, internal: 10.0.0.2:40000}
      - {external: 192.168.1.2:40001, internal: 10.0.0.2:40001}
sites:
  home: {prefix: 10.0.0.0/24, behind: inner, hosts: {alice: 10.0.0.2}}
  public: {prefix: 203.0.113.0/24, link: latency=10ms, hosts: {proxy: 203.0.113.10, bob: 203.0.113.41, eve: 203.0.113.66}}
servers:
  proxy: {kind: registrar, users: {alice: secret, eve: right}}
endpoints:
  alice: {ports: static, password: secret}
  bob: {}
  eve: {password: wrong}
script:
  - {at: 0s, register: alice}
  - {register: eve}
  - {at: 2m, call: bob, to: alice}
  - {after: 5s, hangup: bob}
expect:
  - {registered: alice}
  - {answered: bob, within: 1s}
  - {media: alice, with: bob, from: 121s, until: 125s}
  - {unregistered: eve}
`)
	if bad := wrong(played(t, f, lab.Options{})); bad != nil {
		t.Error(strings.Join(bad, "\n"))
	}
}

// The same file plays on the clock of the machine, tells as it goes, and ends when it is told to.
func TestRealClock(t *testing.T) {
	short := strings.Replace(public, "  - {register: carol}\n", `  - {at: 100ms, call: alice, to: bob}
  - {at: 400ms, hangup: alice}
expect:
  - {answered: alice, within: 5s}
  - {ended: bob, with: normal}
`, 1)
	f := parsed(t, short)
	var told []string
	r := played(t, f, lab.Options{Clock: lab.Real, OnLine: func(l lab.Line) { told = append(told, l.Who+" "+l.Text) }})
	if bad := wrong(r); bad != nil {
		t.Error(strings.Join(bad, "\n"))
	}
	if !slices.Contains(told, "alice calls bob") {
		t.Errorf("%q", told)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	long := parsed(t, strings.Replace(public, "script:", "lasts: 1h\nscript:", 1))
	r, err := long.Play(ctx, lab.Options{Clock: lab.Real, OnLine: func(lab.Line) { cancel() }})
	if !errors.Is(err, context.Canceled) || r == nil || len(r.Lines) == 0 {
		t.Errorf("%v, %+v", err, r)
	}
}

// Who needs what there is not is told so.
func TestCannotPlay(t *testing.T) {
	f := parsed(t, `title: a program
sites:
  public: {prefix: 203.0.113.0/24, hosts: {alice: 203.0.113.40}}
endpoints:
  alice: {kind: program, run: "true"}
`)
	if _, err := f.Play(t.Context(), lab.Options{Clock: lab.Virtual}); !errors.Is(err, lab.ErrClock) {
		t.Error(err)
	}
	if _, err := f.Play(t.Context(), lab.Options{}); !errors.Is(err, lab.ErrNoPrograms) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := parsed(t, public).Play(ctx, lab.Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// In virtual time too a lab ends when it is told to, with what has happened so far.
func TestInterruptedInVirtualTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := parsed(t, strings.Replace(public, "script:\n", "lasts: 700h\nscript:\n  - {at: 1s, call: alice, to: bob}\n", 1))
	r, err := f.Play(ctx, lab.Options{OnLine: func(l lab.Line) {
		if l.Who+" "+l.Text == "alice calls bob" { // at 1 s
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || r == nil || r.Lasted < time.Second {
		t.Errorf("%v, %+v", err, r)
	}
}
