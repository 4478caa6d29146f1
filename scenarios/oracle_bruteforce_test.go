package scenarios

import (
	"testing"

	"github.com/natproof/natproof/natmodels"
)

const rtpPort = 4000

// phone is one end of the simulated media.
type phone struct {
	at                    *place
	announced             addr
	target                addr
	latch, strict, silent bool
	got                   bool
	box                   string // what stops its packets
	rule                  Rule
}

// send moves one packet from x to wherever x sends now.
func (x *phone) send(y *phone) {
	if x.silent {
		x.box, x.rule = x.at.name, RuleNotSent
		return
	}
	from := x.at.leaves(rtpPort, x.target)
	port, box, rule := y.at.enters(from, x.target)
	if rule == "" && port != rtpPort {
		box, rule = y.at.name, RuleNoSocket
	}
	if rule == "" && y.strict && from != x.announced {
		box, rule = y.at.name, RuleStrict
	}
	x.box, x.rule = box, rule
	if rule != "" {
		return
	}
	y.got = true
	if y.latch {
		y.target = from
	}
}

// playMedia sends in turn, through the tiny models, until the state is steady
// and says what arrives then.
func playMedia(c Cell, first Side) (a, b *phone) {
	return playMediaWith(c, first, func(side Side, code string, forwards ...int) *place {
		return behind(string(side), "192.0.2."+string(side), code, c.FilterScope, false, forwards...)
	})
}

func playMediaWith(c Cell, first Side, behind func(Side, string, ...int) *place) (a, b *phone) {
	make := func(side Side, code string) *phone {
		var forwards []int
		if c.PortManager == ManagerStatic {
			forwards = []int{rtpPort}
		}
		at := behind(side, code, forwards...)
		return &phone{at: at, announced: at.advertises(c.PortManager, rtpPort),
			latch: c.Latch.Has(side), strict: c.Strict.Has(side), silent: c.Silent.Has(side)}
	}
	a, b = make(A, c.A), make(B, c.B)
	a.target, b.target = b.announced, a.announced
	const rounds, steady = 14, 10
	for i := range rounds {
		if i == steady {
			a.got, b.got = false, false
		}
		if first == A {
			a.send(b)
			b.send(a)
		} else {
			b.send(a)
			a.send(b)
		}
	}
	return a, b
}

// TestOracleMediaAgainstPackets compares the closed-form rules with packets
// through the tiny models, over the whole product, for both orders of sending.
func TestOracleMediaAgainstPackets(t *testing.T) {
	compared := 0
	cells := mustPlan(Axes{
		Flows: []Flow{FlowCall}, A: RFC4787(), B: RFC4787(), PortManagers: PortManagers(),
		Registrars: []Registrar{RegistrarReceived}, Rports: []bool{true},
		Latches: SideSets(), Stricts: SideSets(), Silents: SilentSets(), FilterScopes: FilterScopes(),
	})
	for _, c := range cells {
		want, err := Predict(c)
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		for _, first := range []Side{A, B} {
			compared++
			a, b := playMedia(c, first)
			if got := DirectionOf(b.got, a.got); got != want.Media {
				t.Errorf("%s, %s sends first: packets say %s, the oracle says %s", c, first, got, want.Media)
			}
			compareCause(t, c, want, RTPAToB, a)
			compareCause(t, c, want, RTPBToA, b)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	if want := 10 * 10 * 3 * 4 * 4 * 3 * 2 * 2; compared != want {
		t.Errorf("compared %d cases, want %d", compared, want)
	}
}

func compareCause(t *testing.T, c Cell, want Outcome, step Step, sender *phone) {
	t.Helper()
	s, ok := want.Step(step)
	if !ok {
		t.Fatalf("%s: no step %s", c, step)
	}
	if s.Cause.Box != sender.box || s.Cause.Rule != sender.rule {
		t.Errorf("%s: %s: packets say %s by %q, the oracle says %s by %q",
			c, step, sender.rule, sender.box, s.Cause.Rule, s.Cause.Box)
	}
}

// signallingPlay is the SIP of one user agent, message by message.
type signallingPlay struct {
	at      *place
	via     addr // what it writes into Via and Contact
	source  addr // where the proxy sees it
	p       addr
	rport   bool
	byRoute bool // registrar policy received
}

func playSignalling(c Cell, side Side, preserve bool) signallingPlay {
	code := c.A
	if side == B {
		code = c.B
	}
	s := signallingPlay{p: addr{"proxy", 5060}, rport: c.Rport, byRoute: c.Registrar == RegistrarReceived}
	var forwards []int
	if c.PortManager == ManagerStatic {
		forwards = []int{SIPPort}
	}
	s.at = behind(string(side), "192.0.2."+string(side), code, c.FilterScope, preserve, forwards...)
	s.via = s.at.advertises(c.PortManager, SIPPort)
	s.source = s.at.leaves(SIPPort, s.p)
	return s
}

// response is what stops a response of the proxy (RFC 3261 §18.2.2, RFC 3581 §4).
func (s signallingPlay) response() (string, Rule) {
	to := addr{s.source.ip, s.via.port}
	if s.rport {
		to = s.source
	}
	return s.deliver(to)
}

// request is what stops a request that the proxy routes to the user agent.
func (s signallingPlay) request() (string, Rule) {
	if s.byRoute {
		return s.deliver(s.source)
	}
	return s.deliver(s.via)
}

func (s signallingPlay) deliver(to addr) (string, Rule) {
	port, box, rule := s.at.enters(s.p, to)
	if rule == "" && port != SIPPort {
		return s.at.name, RuleNoSocket
	}
	return box, rule
}

// TestOracleSignallingAgainstPackets does for SIP what the test above does for
// media, with NATs that preserve ports and NATs that do not.
func TestOracleSignallingAgainstPackets(t *testing.T) {
	cells := mustPlan(Axes{
		Flows: Flows(), A: RFC4787(), B: RFC4787(), PortManagers: PortManagers(),
		Registrars: Registrars(), Rports: []bool{false, true}, FilterScopes: FilterScopes(),
	})
	for _, c := range cells {
		for _, preserve := range []bool{false, true} {
			got, err := PredictNATs(c, withPorts(t, c, A, preserve), withPorts(t, c, B, preserve))
			if err != nil {
				t.Fatalf("%s: %v", c, err)
			}
			want := expectedSteps(c, playSignalling(c, A, preserve), playSignalling(c, B, preserve))
			for step, cause := range want {
				s, ok := got.Step(step)
				if !ok {
					t.Fatalf("%s: no step %s", c, step)
				}
				if s.Cause.Box != cause.Box && cause.Rule != RuleNotSent || s.Cause.Rule != cause.Rule {
					t.Errorf("%s preserve=%v: %s: packets say %s by %q, the oracle says %s by %q",
						c, preserve, step, cause.Rule, cause.Box, s.Cause.Rule, s.Cause.Box)
				}
			}
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}

// expectedSteps plays the flow's messages one after the other.
func expectedSteps(c Cell, a, b signallingPlay) map[Step]Cause {
	steps := map[Step]Cause{}
	put := func(s Step, box string, rule Rule) bool {
		steps[s] = Cause{Box: box, Rule: rule}
		return rule == ""
	}
	skip := func(all ...Step) {
		for _, s := range all {
			put(s, "", RuleNotSent)
		}
	}
	box, rule := a.response()
	put(RegisterResponseA, box, rule)
	caller, callee := a, b
	switch c.Flow {
	case FlowCall:
		box, rule = b.response()
		put(RegisterResponseB, box, rule)
	case FlowRegister:
		caller, callee = b, a
	}
	box, rule = callee.request()
	if !put(Invite, box, rule) {
		skip(FinalResponse, Ack, Bye)
		return steps
	}
	box, rule = caller.response()
	if !put(FinalResponse, box, rule) {
		skip(Ack, Bye)
		return steps
	}
	box, rule = callee.request()
	put(Ack, box, rule)
	put(Bye, box, rule)
	return steps
}

func withPorts(t *testing.T, c Cell, side Side, preserve bool) natmodels.Behavior {
	t.Helper()
	cfg, err := c.Behavior(side)
	if err != nil {
		t.Fatal(err)
	}
	cfg.PortChoice, cfg.Preserved = natmodels.Random, nil
	if preserve {
		cfg.PortChoice, cfg.Preserved = natmodels.PreserveElseRandom, []natmodels.PortRange{natmodels.DefaultPortRange}
	}
	return cfg
}
