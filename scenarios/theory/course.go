package theory

import (
	"fmt"
	"slices"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
)

// Timers of RFC 3261 §17.1 and appendix A.
const (
	t1     = 500 * time.Millisecond
	t2     = 4 * time.Second
	timerB = 64 * t1 // and F and H
)

// How long a message takes at least and at most, from one end to the other or to the proxy. When
// exactly it passes a NAT depends on links and on who is slow: what theory says must be the same
// for both.
const (
	soon = time.Millisecond / 3
	late = 500 * time.Millisecond
)

// slowest is how long one takes of which the first copy is lost: its second arrives, or that of what it
// answers (RFC 3261 §17.1.2.2, §13.3.1.4).
const slowest = late + 3*t1

// helped is how long the SIP helper of Linux keeps a connection (nf_conntrack_sip).
const helped = time.Hour

// stunRefresh is the time between two Binding requests by which a STUN port manager keeps a
// mapping.
const stunRefresh = 25 * time.Second

// course is what has happened so far: what time it is, and what the NATs on the way of signalling
// have seen of it. Media is in it only if something happens to it; else see [Network.Stream].
type course struct {
	now       time.Duration
	pace      time.Duration
	stun      time.Duration // likewise, of a message to or from the STUN server
	a, b      *station
	beside    *station // the phone beside a, or nil
	third     *station // or nil
	left      *station // a where it was before it roamed, or nil
	gates     []*gate
	given     int
	ticks     []*tick
	idled     bool            // the idle time is over
	halfIdled bool            // and so is the part before something happens in it
	acked     bool            // the call is established at both ends
	missed    cell.Cause      // or why the ACK does not arrive
	parted    time.Duration   // when the 200, or the ACK, was sent first
	turn      *station        // whose message is about to be sent
	apart     bool            // the dialog goes by the proxy's other socket
	told      bool            // the caller knows where the callee wants media
	unlucky   bool            // no refresh comes between two copies of a request
	ahead     time.Duration   // how much earlier than others pings of the registrar pass a NAT
	refresh   []time.Duration // after which a registration is refreshed, one after the other; none is never
	first     cell.Side       // whose media comes first after something has happened
	reports   []cell.Side     // and who reports before long, in that order
	talked    time.Duration   // how long it has talked
	talks     []*talk         // its media, if something happens to it
	room      []station       // of all, by their numbers
	session   *session        // its timer, or nil
	offered   []*socket       // of a caller whose callee rings
	rung      bool            // the caller has heard that it rings
}

// station is an end in the course of things.
type station struct {
	end     *end
	line    *line // own
	own     line
	asked   endpoint      // as the STUN server saw it when it was asked last
	wrote   endpoint      // what its registration says
	came    endpoint      // where its registration came from
	last    endpoint      // where its last request or response came from
	spoke   endpoint      // and which socket it went to
	contact endpoint      // what its dialog says
	alias   endpoint      // where its last message with a Contact for a dialog came from
	before  endpoint      // and the one before that
	forward endpoint      // of a port that is forwarded to it: what it was told when that was set up
	bound   time.Duration // until when its registration holds
	known   bool          // it has registered
	failed  bool          // and nobody has answered when it did so again
	again   *cell.Cause   // why it did not get the 200 when it did so again; nil is that it did not
	busy    time.Duration // until when it waits for an answer to that, or to a keepalive
	until   time.Duration // until when it waits for that alone
	pings   []*tick       // of the registrar
	keeps   *tick         // its keepalive, or nil
	renewal *tick         // the next refresh of its registration, or nil
	renewed int           // how many there were
	watch   *watch        // its subscription, or nil
	begun   time.Duration // when it sent the first copy of its last request
}

// tick is what happens by itself: again and again or, without a time between, once.
type tick struct {
	next, every time.Duration
	anew        bool // the time begins when what was done is over
	do          func()
}

// begin is the beginning of everything, where each message takes as long as the pace says, and one to
// the STUN server as long as the other.
func (n *Network) begin(pace, stun time.Duration) {
	hosts := 2
	switch {
	case n.roams != nil:
		hosts = roamed
	case n.c != nil:
		hosts = 4
	case n.beside:
		hosts = 3
	}
	c := &course{pace: pace, stun: stun, room: make([]station, hosts)}
	c.a, c.b = c.station(&n.a, 1), c.station(&n.b, 2)
	if n.beside {
		c.beside = c.station(&n.a, 3)
	}
	if n.c != nil {
		c.third = c.station(n.c, 4)
	}
	n.course = c
}

// Paces are the networks in which messages, and those to the STUN server, take as little and as much
// time as they can, and in which media comes in other orders, if that is of account. What is not the
// same in all is not foreseen.
func (n *Network) Paces() []*Network {
	slow := n.slow()
	ab, ba := []cell.Side{cell.A, cell.B}, []cell.Side{cell.B, cell.A}
	paces := []struct {
		pace, stun time.Duration
		reports    []cell.Side
		first      cell.Side
	}{
		{soon, soon, ab, cell.A}, {soon, late, ab, cell.A}, {slow, soon, ba, cell.B}, {slow, late, ba, cell.B},
		{soon, soon, nil, cell.B}, {soon, soon, ab[:1], cell.A}, {soon, soon, ba[:1], cell.B},
	}
	if !n.watched {
		paces = paces[:4]
	}
	refreshes, crossings := n.refreshes(), n.crossings()
	room := make([]Network, len(paces)*len(refreshes)*len(crossings))
	all := make([]*Network, 0, len(room))
	for _, p := range paces {
		for _, refresh := range refreshes {
			for _, ahead := range crossings {
				x := &room[len(all)]
				*x = *n
				x.begin(p.pace, p.stun)
				x.course.first, x.course.reports = p.first, p.reports
				x.course.refresh, x.course.unlucky = refresh, refresh != nil && p.pace == slow
				x.course.ahead = ahead
				all = append(all, x)
			}
		}
	}
	return all
}

// station is an end with its line, of which others may share NATs. The number tells hosts apart.
func (c *course) station(e *end, host int) *station {
	s := &c.room[host-1]
	s.end, s.line = e, &s.own
	s.line.host = endpoint{host, cell.SIPPort}
	s.forward = s.line.host
	for _, d := range e.gates {
		i := slices.IndexFunc(c.gates, func(g *gate) bool { return g.box == d.box })
		if i < 0 {
			b := d.behavior
			if b.SIPHelper {
				b.Unreplied, b.Idle = helped, helped
			}
			i = len(c.gates)
			c.gates = append(c.gates, &gate{box: d.box, behavior: b, address: (i + 1) * networks, given: &c.given})
		}
		if e.traits.Address == Forwarded { // each of its ports; there are no NATs behind, and no other hosts
			c.gates[i].forwards, s.forward = host, endpoint{c.gates[i].address, cell.SIPPort}
		}
		s.line.boxes = append(s.line.boxes, c.gates[i])
	}
	return s
}

// networks is how many addresses a NAT has one after the other, at most.
const networks = 100

func (n *Network) station(side cell.Side) *station {
	switch {
	case side == cell.A:
		return n.course.a
	case side == cell.C && n.course.third != nil:
		return n.course.third
	}
	return n.course.b
}

// until lets time pass, and all that happens by itself in it.
func (c *course) until(t time.Duration) {
	c.says(atProxy, true)
	for {
		i := -1
		for j, k := range c.ticks {
			if k.next <= t && (i < 0 || k.next < c.ticks[i].next) {
				i = j
			}
		}
		if i < 0 {
			c.now = max(c.now, t)
			return
		}
		k := c.ticks[i]
		c.now = max(c.now, k.next)
		if k.next += k.every; k.every == 0 {
			c.drop(k)
		}
		if k.do(); k.anew {
			k.next = c.now + k.every
		}
	}
}

// pass lets a time pass.
func (c *course) pass(d time.Duration) { c.until(c.now + d) }

// every has something happen again and again from now on.
func (c *course) every(d time.Duration, do func()) *tick {
	return c.tick(&tick{next: c.now + d, every: d, do: do})
}

// once has something happen at a time.
func (c *course) once(at time.Duration, do func()) *tick { return c.tick(&tick{next: at, do: do}) }

func (c *course) tick(k *tick) *tick {
	c.ticks = append(c.ticks, k)
	return k
}

// drop keeps things from happening.
func (c *course) drop(these ...*tick) {
	c.ticks = slices.DeleteFunc(c.ticks, func(k *tick) bool { return slices.Contains(these, k) })
}

// everyAfter is every, where the time begins anew when what was done is over.
func (c *course) everyAfter(d time.Duration, do func()) {
	c.tick(&tick{next: c.now + d, every: d, anew: true, do: do})
}

// sends is a message of the end to the proxy.
func (c *course) sends(s *station) { s.last, s.spoke = s.line.out(atProxy, c.now), atProxy }

// asks is a Binding request to the STUN server, and the answer.
func (c *course) asks(s *station) {
	if s.line.left {
		return
	}
	s.asked = s.line.out(atSTUN, c.now)
	c.pass(2 * c.stun)
	c.in(s, s.asked, atSTUN)
}

// Registers is the REGISTER of an end, which always gets out: a NAT opens for what comes from the
// inside. Before it the port manager is asked for the address.
func (n *Network) Registers(side cell.Side) Answer {
	c := n.course
	if side == cell.A && c.beside != nil {
		n.registers(c.beside)
		c.pass(c.pace)
		c.in(c.beside, c.beside.last, atProxy)
	}
	n.registers(n.station(side))
	return Arrives()
}

// writes is what the end takes its address of SIP to be.
func (s *station) writes() endpoint {
	switch s.end.traits.Address {
	case Asked:
		return s.asked
	case Forwarded:
		return s.forward
	}
	return s.line.host
}

func (n *Network) registers(s *station) {
	c := n.course
	if s.end.traits.Address == Asked {
		c.asks(s)
		c.everyAfter(stunRefresh, func() {
			if c.asks(s); s.asked != s.wrote {
				c.once(max(c.now, s.until), func() { n.registersAgain(s) })
			}
			n.resubscribes(s)
		})
	}
	s.wrote = s.writes()
	c.sends(s)
	c.pass(c.pace)
	s.known = true
	n.binds(s)
	n.pinged(s)
}

// Registered is the 200 to a REGISTER. Without it the REGISTER is repeated until timer F ends it.
func (n *Network) Registered(side cell.Side, message string) Answer {
	c, s := n.course, n.station(side)
	begun := c.now
	a := n.response(s, message, nil)
	for _, after := range copies(false) {
		if a.Fate == cell.Arrived {
			break
		}
		c.until(begun + after)
		c.sends(s)
		s.came = s.last
		a = n.response(s, message, nil)
	}
	if a.Fate == cell.Arrived {
		n.keepAlive(s)
		n.refreshed(s)
	} else {
		c.until(begun + timerB)
	}
	return a
}

// Sends is that an end sends the message that is asked about next, by way of the proxy.
func (n *Network) Sends(side cell.Side) {
	n.course.pass(n.course.pace)
	n.course.turn = n.station(side)
}

// Lapse is a time in which no message of a flow is sent.
func (n *Network) Lapse(d time.Duration) { n.course.pass(d) }

// Talk is the time that a call talks. Where there is none, since the ACK is lost, the caller waits
// in vain for as long as the callee could take to notice.
func (n *Network) Talk() {
	if n.course.acked {
		n.Lapse(n.talk - n.course.talked)
	} else {
		n.Lapse(t2)
	}
}

// TalkOrGiveUp is Talk for the callee, who hears nothing of a lost ACK until its timer ends (RFC
// 3261 §13.3.1.4).
func (n *Network) TalkOrGiveUp() {
	if n.course.acked {
		n.Lapse(n.talk - n.course.talked)
	} else {
		n.course.until(n.course.parted + timerB)
	}
}

// Acknowledged is InDialog for the ACK, from which on both ends talk.
func (n *Network) Acknowledged(to cell.Side) Answer {
	a := n.InDialog(to, "ACK")
	n.course.acked, n.course.missed = a.Fate == cell.Arrived, a.Cause
	a.Copy = 0 // as often as the 200 is repeated (RFC 3261 §13.2.2.4)
	return a
}

// Changed is the talk until something has happened to the NAT in front of a, if it does in a call,
// and all is steady again.
func (n *Network) Changed() {
	switch {
	case n.change == cell.ChangeNone:
		return
	case n.when != cell.WhenInCall:
		if n.watched {
			n.talks()
		}
		return
	}
	if n.inCall() {
		n.converse(n.course.first)
	}
}

// inCall is the time of a call until the change in the midst of it, and says whether there is one.
func (n *Network) inCall() bool {
	c := n.course
	changes := n.change != cell.ChangeNone && n.when == cell.WhenInCall
	if n.watched {
		n.talks()
	}
	n.Lapse(n.calm)
	c.talked += n.calm
	if changes {
		n.changes()
	}
	return changes
}

// ChangedBefore is what happens to that NAT when all have registered and nobody calls yet.
func (n *Network) ChangedBefore() {
	if n.when == cell.WhenIdle {
		n.changes()
	}
}

// Idle is the time in which nobody wants anything of anybody, with what happens to the NAT in front
// of a in the midst of it.
func (n *Network) Idle() {
	n.IdleAtFirst()
	n.course.idled = true
	n.Lapse(n.idle - cell.BeforeChange(n.idle) + cell.BesideTheHour)
}

// IdleAtFirst is the part of it until that has happened, if that has not been.
func (n *Network) IdleAtFirst() {
	if n.course.halfIdled {
		return
	}
	n.course.halfIdled = true
	n.Lapse(cell.BeforeChange(n.idle))
	if n.when == cell.WhenIdle {
		n.changes()
	}
}

// IdleOnce is Idle, if that has not been.
func (n *Network) IdleOnce() {
	if !n.course.idled {
		n.Idle()
	}
}

// changes is what happens to the NAT in front of a.
func (n *Network) changes() {
	for _, g := range n.course.gates {
		if g.box != cell.BoxNATA {
			continue
		}
		switch n.change {
		case cell.ChangeRestart:
			g.restart(n.course.now)
		case cell.ChangeRenumber:
			g.renumber(n.course.now)
		case cell.ChangeBehaviour:
			g.become(n.becomes)
		}
	}
}

// arrives says whether a message of the proxy that is sent to an endpoint in front of an end gets
// in, given everything that has happened. It is repeated at those times after the first.
func (n *Network) arrives(s *station, at, from endpoint, message string, again []time.Duration) Answer {
	c := n.course
	c.pass(c.pace)
	if !s.known {
		return Arrives()
	}
	begun := c.now
	cause := c.in(s, at, from)
	copies := 1
	for _, after := range again {
		if cause.IsZero() {
			break
		}
		c.until(begun + after)
		cause = c.in(s, at, from)
		copies++
	}
	if cause.IsZero() {
		if n.loses && copies > 1 { // which is the first to leave, and the first that is not lost, nobody says
			copies = 0
		}
		return Answer{Fate: cell.Arrived, Copy: copies}
	}
	cause.Message = message
	cause.Why = n.whyNot(s, from, cause)
	return answer(cause)
}

// copies are when a request is repeated that nobody answers: an INVITE (RFC 3261 §17.1.1.2, timer
// A), or another one (§17.1.2.2, timer E).
func copies(invite bool) []time.Duration {
	if invite {
		return copiesOfInvite
	}
	return copiesOfOthers
}

var copiesOfInvite, copiesOfOthers = repeated(true), repeated(false)

func repeated(invite bool) []time.Duration {
	var all []time.Duration
	step := t1
	for at := t1; at < timerB; at += step {
		all = append(all, at)
		if step *= 2; !invite {
			step = min(step, t2)
		}
	}
	return all
}

func (n *Network) whyNot(s *station, from endpoint, c cell.Cause) string {
	switch c.Rule {
	case cell.RuleFiltered, cell.RuleNoMapping:
		if from == atCalls {
			return fmt.Sprintf("the proxy sends what is for %s from an address that it did not register with, which its NAT does not admit (RFC 4787 §5)", s.end.host)
		}
	}
	switch c.Rule {
	case cell.RuleElsewhere:
		return fmt.Sprintf("that port of the NAT is another host's, which uses the same as %s", s.end.host)
	case cell.RuleExpired, cell.RuleNoMapping:
		return fmt.Sprintf("%s sent and got no SIP for longer than its mapping towards the proxy lives (RFC 4787 §4.3)", s.end.host)
	case cell.RuleFlushed:
		return fmt.Sprintf("%s has forgotten the mapping that %s had registered from", c.Box, s.end.host)
	case cell.RuleNoRoute:
		return fmt.Sprintf("%s registered when its NAT had another address", s.end.host)
	case cell.RuleFiltered:
		return fmt.Sprintf("%s has not sent to the proxy since the mapping was made (RFC 4787 §5)", s.end.host)
	}
	return ""
}

// keepAlive begins what a registered end does to stay reachable.
func (n *Network) keepAlive(s *station) {
	c := n.course
	switch n.keep {
	case cell.KeepAliveCRLF, cell.KeepAliveZero:
		s.keeps = c.every(n.interval, func() {
			if !s.failed {
				c.sends(s)
			}
		})
	case cell.KeepAliveRegister:
		s.keeps = c.every(n.interval, func() {
			if !s.failed {
				n.registersAgain(s)
			}
		})
	case cell.KeepAliveSTUN, cell.KeepAliveOPTIONS:
		s.keeps = c.every(n.interval, func() { n.pings(s) })
		if n.keep == cell.KeepAliveSTUN && !n.bySource(*s.end) { // it asks at once, since the 200 did not tell
			n.pings(s)
		}
	}
}

// pings is a keepalive that is answered. If it is not, or shows another mapping than that of the
// registration, the end registers again (RFC 5626 §4.4).
func (n *Network) pings(s *station) {
	c := n.course
	if s.failed || c.now < s.busy || s.line.left {
		return
	}
	c.sends(s)
	from, back := s.last, s.last
	patience := timerB
	if n.keep == cell.KeepAliveOPTIONS {
		back = n.back(s)
	} else {
		patience = 79 * t1 // RFC 8489 §6.2.1: Rc requests and 16 RTO after the last
	}
	c.pass(2 * c.pace)
	switch {
	case !c.in(s, back, atProxy).IsZero():
		n.tries(s, patience)
		c.once(s.busy, func() { n.registersAgain(s) })
	case (n.keep == cell.KeepAliveSTUN || n.bySource(*s.end)) && from != s.came:
		n.registersAgain(s)
	}
}

// tries is a request that is repeated in vain.
func (n *Network) tries(s *station, patience time.Duration) {
	c := n.course
	s.busy = c.now + patience
	for _, after := range copies(false) {
		c.once(c.now+after, func() { c.sends(s) })
	}
}

// registersAgain is a REGISTER and its 200, since the mapping is another one now. Without the 200
// only news of yet another mapping make it try once more.
func (n *Network) registersAgain(s *station) {
	c := n.course
	if s.line.left {
		return
	}
	same := s.wrote == s.writes()
	s.wrote = s.writes()
	c.sends(s)
	c.pass(2 * c.pace)
	if n.binds(s); !same { // another binding
		n.pinged(s)
	}
	cause := c.in(s, n.back(s), atProxy)
	if s.again == nil || !s.again.IsZero() {
		s.again = &cause
	}
	failed := s.failed
	if s.failed = !cause.IsZero(); s.failed {
		n.tries(s, timerB)
		s.until = s.busy
		return
	}
	if failed && s.keeps != nil { // it had given up on that too
		s.keeps.next = c.now + n.interval
	}
	if s.renewal != nil {
		n.awaitsRefresh(s)
	}
}

// Passes is a part of the time that a call talks.
func (n *Network) Passes(d time.Duration) {
	n.Lapse(d)
	n.course.talked += d
}
