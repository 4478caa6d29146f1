package theory_test

import (
	"slices"
	"testing"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
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
	rule                  cell.Rule
}

// send moves one packet from x to wherever x sends now.
func (x *phone) send(y *phone) {
	if x.silent {
		x.box, x.rule = x.at.name, cell.RuleNotSent
		return
	}
	from := x.at.leaves(rtpPort, x.target)
	port, box, rule := y.at.enters(from, x.target)
	if rule == "" && port != rtpPort {
		box, rule = y.at.name, cell.RuleNoSocket
	}
	if rule == "" && y.strict && from != x.announced {
		box, rule = y.at.name, cell.RuleStrict
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
func playMedia(c cell.Cell, first cell.Side) (a, b *phone) {
	return playMediaWith(c, first, func(side cell.Side, code string, forwards ...int) *place {
		return behind(string(side), "192.0.2."+string(side), code, c.FilterScope, false, forwards...)
	})
}

func playMediaWith(c cell.Cell, first cell.Side, behind func(cell.Side, string, ...int) *place) (a, b *phone) {
	make := func(side cell.Side, code string) *phone {
		var forwards []int
		if c.PortManager == cell.ManagerStatic {
			forwards = []int{rtpPort}
		}
		at := behind(side, code, forwards...)
		return &phone{at: at, announced: at.advertises(c.PortManager, rtpPort),
			latch: c.Latch.Has(side), strict: c.Strict.Has(side), silent: c.Silent.Has(side)}
	}
	a, b = make(cell.A, c.A), make(cell.B, c.B)
	a.target, b.target = b.announced, a.announced
	const rounds, steady = 14, 10
	for i := range rounds {
		if i == steady {
			a.got, b.got = false, false
		}
		if first == cell.A {
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
	cells := mustPlan(t, cell.Choice{
		"flow": {"call"}, "a": cell.RFC4787(), "b": cell.RFC4787(), "port-manager": all(cell.KeyPortManager),
		"registrar": {"received"}, "rport": {"true"},
		"latch": all(cell.KeyLatch), "strict": all(cell.KeyStrict), "silent": all(cell.KeySilent), "filter-scope": all(cell.KeyFilterScope),
	})
	for _, c := range cells {
		want, err := scenarios.Predict(c, nil)
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		for _, first := range []cell.Side{cell.A, cell.B} {
			compared++
			a, b := playMedia(c, first)
			if got := cell.DirectionOf(b.got, a.got); got != want.Media {
				t.Errorf("%s, %s sends first: packets say %s, the oracle says %s", c, first, got, want.Media)
			}
			compareCause(t, c, want, flows.RTPAToB, a)
			compareCause(t, c, want, flows.RTPBToA, b)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	want := 2 * len(cell.RFC4787()) * len(cell.RFC4787())
	for _, key := range []string{cell.KeyPortManager, cell.KeyLatch, cell.KeyStrict, cell.KeySilent, cell.KeyFilterScope} {
		want *= len(all(key))
	}
	if compared != want {
		t.Errorf("compared %d cases, want %d", compared, want)
	}
}

func compareCause(t *testing.T, c cell.Cell, want cell.Outcome, step cell.Step, sender *phone) {
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
	at     *place
	via    addr // what it writes into Via and Contact
	source addr // where the proxy sees it
	p      addr
	rport  bool
	policy cell.Registrar
}

func playSignalling(c cell.Cell, side cell.Side, preserve bool) signallingPlay {
	code := c.A
	if side == cell.B {
		code = c.B
	}
	s := signallingPlay{p: addr{"proxy", 5060}, rport: c.Rport, policy: c.Registrar}
	var forwards []int
	if c.PortManager == cell.ManagerStatic {
		forwards = []int{cell.SIPPort}
	}
	s.at = behind(string(side), "192.0.2."+string(side), code, c.FilterScope, preserve, forwards...)
	s.via = s.at.advertises(c.PortManager, cell.SIPPort)
	s.source = s.at.leaves(cell.SIPPort, s.p)
	return s
}

// response is what stops a response of the proxy (RFC 3261 §18.2.2, RFC 3581 §4).
func (s signallingPlay) response() (string, cell.Rule) {
	to := addr{s.source.ip, s.via.port}
	if s.rport {
		to = s.source
	}
	return s.deliver(to)
}

// request is what stops a request that the proxy routes to the user agent.
func (s signallingPlay) request(dialog bool) (string, cell.Rule) {
	switch {
	case s.policy == cell.RegistrarIPOnly:
		return s.deliver(addr{s.source.ip, s.via.port})
	case s.policy == cell.RegistrarReceived, s.policy == cell.RegistrarReceivedNoAlias && !dialog:
		return s.deliver(s.source)
	}
	return s.deliver(s.via)
}

func (s signallingPlay) deliver(to addr) (string, cell.Rule) {
	port, box, rule := s.at.enters(s.p, to)
	if rule == "" && port != cell.SIPPort {
		return s.at.name, cell.RuleNoSocket
	}
	return box, rule
}

// TestOracleSignallingAgainstPackets does for SIP what the test above does for
// media, with NATs that preserve ports and NATs that do not.
func TestOracleSignallingAgainstPackets(t *testing.T) {
	cells := mustPlan(t, cell.Choice{
		"a": cell.RFC4787(), "b": cell.RFC4787(), "port-manager": all(cell.KeyPortManager),
		"flow": calling(), "registrar": {"contact", "received", "received-no-alias", "ip-only"}, "rport": {"false", "true"}, "filter-scope": all(cell.KeyFilterScope),
	})
	for _, c := range cells {
		if c.Host(cell.C) != "" || c.Flow == cell.Flow(flows.LongCall) || c.Flow == cell.Flow(flows.SessionTimer) {
			continue // tables of their own say what becomes of a third end, and of a call, or a session, that is given up
		}
		for _, preserve := range []bool{false, true} {
			got, err := predictNATs(c, withPorts(t, c, cell.A, preserve), withPorts(t, c, cell.B, preserve))
			if err != nil {
				t.Fatalf("%s: %v", c, err)
			}
			want := expectedSteps(c, playSignalling(c, cell.A, preserve), playSignalling(c, cell.B, preserve))
			for step, cause := range want {
				s, ok := got.Step(step)
				if !ok {
					t.Fatalf("%s: no step %s", c, step)
				}
				if s.Cause.Box != cause.Box && cause.Rule != cell.RuleNotSent || s.Cause.Rule != cause.Rule {
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
func expectedSteps(c cell.Cell, a, b signallingPlay) map[cell.Step]cell.Cause {
	steps := map[cell.Step]cell.Cause{}
	put := func(s cell.Step, box string, rule cell.Rule) bool {
		steps[s] = cell.Cause{Box: box, Rule: rule}
		return rule == ""
	}
	skip := func(all ...cell.Step) {
		for _, s := range all {
			put(s, "", cell.RuleNotSent)
		}
	}
	ends := map[cell.Side]signallingPlay{cell.A: a, cell.B: b}
	for side, x := range ends {
		if has(c, flows.RegisterResponse(side)) {
			box, rule := x.response()
			put(flows.RegisterResponse(side), box, rule)
		}
	}
	caller, callee := ends[flows.Of(c).Caller], ends[flows.Of(c).Caller.Other()]
	box, rule := callee.request(false)
	if !put(flows.Invite, box, rule) {
		skip(flows.FinalResponse, flows.Ack, flows.Bye)
		return steps
	}
	box, rule = caller.response()
	if !put(flows.FinalResponse, box, rule) {
		skip(flows.Ack, flows.Bye)
		return steps
	}
	box, rule = callee.request(true)
	acked := put(flows.Ack, box, rule)
	if !acked && afterMore(c) {
		skip(flows.Bye)
		return steps
	}
	if !acked && has(c, flows.StaysUp) {
		put(flows.StaysUp, box, rule)
		if _, rule := caller.request(true); rule == "" { // the callee's BYE, when it gives up
			skip(flows.Bye)
			return steps
		}
	}
	put(flows.Bye, box, rule)
	return steps
}

// afterMore says whether the end of a call is of account only if what is done in it works.
func afterMore(c cell.Cell) bool {
	return slices.ContainsFunc(flows.Of(c).In(c), func(s *flows.Step) bool { return s.Step == flows.Bye && s.Only })
}

func has(c cell.Cell, step cell.Step) bool {
	return slices.ContainsFunc(flows.Of(c).In(c), func(s *flows.Step) bool { return s.Step == step })
}

func withPorts(t *testing.T, c cell.Cell, side cell.Side, preserve bool) natmodels.Behavior {
	t.Helper()
	cfg, err := stage.Behavior(c, side)
	if err != nil {
		t.Fatal(err)
	}
	cfg.PortChoice, cfg.Preserved = natmodels.Random, nil
	if preserve {
		cfg.PortChoice, cfg.Preserved = natmodels.PreserveElseRandom, []natmodels.PortRange{natmodels.DefaultPortRange}
	}
	return cfg
}

// predictNATs is scenarios.Predict with the NATs given outright; the names in the cell and
// its filter scope are not looked at.
func predictNATs(c cell.Cell, natA, natB natmodels.Behavior) (cell.Outcome, error) {
	cfg := theory.Config{Policy: c.Registrar, Rport: true,
		Forwards: c.PortManager == cell.ManagerStatic}
	if c.HasMedia() {
		cfg.Talk = flows.DefaultMediaTime
	}
	for side, x := range map[cell.Side]struct {
		to  *theory.End
		nat natmodels.Behavior
	}{cell.A: {&cfg.A, natA}, cell.B: {&cfg.B, natB}} {
		traits, err := stage.UA.Traits(c, side)
		if err != nil {
			return cell.Outcome{}, err
		}
		*x.to = theory.End{Side: side, Host: c.Host(side), NAT: x.nat, Traits: traits}
	}
	n, err := theory.New(cfg)
	if err != nil {
		return cell.Outcome{}, err
	}
	return flows.Of(c).Predict(c, n)
}

// all are the values of an axis.
func all(key string) []string { return cell.Lookup(key).Values }

func mustPlan(t *testing.T, choice cell.Choice) []cell.Cell {
	t.Helper()
	cells, err := scenarios.Plan(choice)
	if err != nil {
		t.Fatal(err)
	}
	return cells
}

// calling are the flows in which somebody is called.
func calling() []string {
	var names []string
	for _, f := range flows.All() {
		if slices.ContainsFunc(f.Steps, func(s flows.Step) bool { return s.Step == flows.Invite }) {
			names = append(names, f.Key)
		}
	}
	return names
}
