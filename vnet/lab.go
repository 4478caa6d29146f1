package vnet

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// settle is how long the core waits before it handles what has arrived. Under
// virtual time one nanosecond can only pass when every goroutine of the bubble
// is blocked, so everything that was sent before the step is in the batch when
// the wait ends; sorting the batch then gives one order, whatever order the
// goroutines ran in. See rest for what runs at the very instant of the step.
const settle = time.Nanosecond

// ErrClosed is returned by what needs a running lab.
var ErrClosed = errors.New("vnet: lab closed")

// Config says how a lab runs. The zero value is a lab that keeps its trace.
type Config struct {
	// Seed fixes everything random: link impairments and ephemeral ports.
	// (A gateway's own randomness comes from its natmodels.Place.)
	Seed uint64
	// OnEvent, if set, sees every event in order, from the core or from who enters the
	// lab (see Lab.CatchUp). It must not call back into the lab.
	OnEvent func(Event)
	// DiscardTrace keeps no events in memory; OnEvent and Stats still see all.
	DiscardTrace bool
}

// Lab is a virtual internet: realms joined by gateways, sites with hosts on
// them, and one core that carries every packet between them in a fixed order.
type Lab struct {
	cfg   Config
	start time.Time
	real  bool // on the real clock: senders carry their packets
	// delays: there is, or was, a link that only takes time.
	delays atomic.Bool
	alarm  alarm // then: releases what is held; made when something is

	inboxMu  sync.Mutex
	inbox    []arrival
	flowSeq  uint64
	settling bool        // settled is running
	settleAt time.Time   // and this is when it ends
	settled  *time.Timer // ends when the first arrival must be handled; hardly ever reset while it runs
	wakesAt  time.Time   // when the core has something to do without it; zero: it is not known
	ending   bool        // Close was called

	// The core's own.
	due      *time.Timer // ends when the first packet is due
	dueAt    time.Time   // what due is set to; zero: it is not
	restless bool        // synctest.Wait is refused: nothing can be at rest
	handed   []handover  // what the step has delivered to sockets that push

	// core guards the topology, the clock queue and the trace. The core holds
	// it while it handles a batch; whoever changes the lab while it runs takes it.
	core     sync.Mutex
	internet *Realm
	sites    []*Site
	gateways []*Gateway
	names    map[string]bool
	hosts    map[string]netip.Addr
	queue    dueQueue
	nextID   uint64
	nextSeq  uint64
	nextWait uint64
	touched  []*Port   // have got something since they were last told that this is all
	polls    int       // of what is in the queue, those without a packet
	steps    uint64    // batches handled so far
	stepAt   time.Time // of the last
	now      time.Time // of the step under way; zero: none is
	batch    []arrival
	free     []*packet // that have arrived, to be used again
	trace    []Event
	stats    Stats
	closed   bool

	done chan struct{}
}

// Stats counts packets. Sent + Duplicated + Answered + Fragments is always Delivered + Joined +
// the sum of Dropped + those in flight.
type Stats struct {
	Sent       uint64            // datagrams hosts handed to the network
	Duplicated uint64            // extra copies made by links
	Answered   uint64            // packets that a gateway, router or host made because of another
	Fragments  uint64            // how many more there are because some were cut
	Joined     uint64            // fragments that became part of a whole, or wait for the others
	Delivered  uint64            // packets that a socket, host or port has taken
	Dropped    map[Reason]uint64 // by reason
}

// arrival is a datagram on its way from a host's socket to the core.
type arrival struct {
	site     *Site
	host     *Host // whose socket it is from; nil if it is from none
	src, dst netip.AddrPort
	payload  []byte
	port     *Port // whose bytes the payload is: a whole IP packet; nil for a socket's datagram
	segment  int   // of a Frame
	at       time.Time
	quiet    time.Duration // how long after its step nothing can come of it
	order    uint64
}

// New makes a lab with an empty internet and starts its core. Close it.
func New(cfg Config) (*Lab, error) {
	l := &Lab{
		cfg:   cfg,
		start: time.Now(),
		names: map[string]bool{},
		hosts: map[string]netip.Addr{},
	}
	l.stats.Dropped = map[Reason]uint64{}
	l.internet = newRealm(l, "internet", nil)
	l.names["internet"] = true
	if l.real = onRealClock(); !l.real {
		l.settled, l.due, l.done = stopped(), stopped(), make(chan struct{})
		go l.run()
	}
	return l, nil
}

// Internet is the realm where public addresses live.
func (l *Lab) Internet() *Realm { return l.internet }

// Now is the time since the lab started.
func (l *Lab) Now() time.Duration { return time.Since(l.start) }

// clock is the time that the core goes by: that of its step, if one is under way.
func (l *Lab) clock() time.Time {
	if l.now.IsZero() {
		return time.Now()
	}
	return l.now
}

// elapsed is Now by that.
func (l *Lab) elapsed() time.Duration { return l.clock().Sub(l.start) }

// Close stops the core and every site and closes every socket that is still
// open. Packets on their way are dropped as "lab-closed".
func (l *Lab) Close() error {
	l.enter()
	if l.closed {
		l.core.Unlock()
		return nil
	}
	l.closed = true
	l.core.Unlock()
	if l.real {
		l.stopReal()
	} else {
		l.stopVirtual()
	}

	l.core.Lock()
	for l.queue.len() > 0 {
		if p := l.queue.pop().p; p != nil {
			l.closedOn(p)
		} else {
			l.polls--
		}
	}
	l.closeLinks()
	l.inboxMu.Lock()
	left := l.inbox
	l.inbox = nil
	l.inboxMu.Unlock()
	sortArrivals(left)
	for i := range left {
		if p := l.admit(&left[i]); p != nil {
			l.closedOn(p)
		}
	}
	sites := l.sites
	for _, s := range sites {
		for _, h := range s.byName {
			for _, p := range h.backlog[min(1, len(h.backlog)):] { // the first was in the queue
				l.closedOn(p)
			}
			h.backlog = nil
		}
	}
	l.core.Unlock()

	var errs []error
	for _, s := range sites {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// stopVirtual ends the core's goroutine.
func (l *Lab) stopVirtual() {
	l.inboxMu.Lock()
	l.ending, l.settling = true, true
	l.settled.Reset(0)
	l.inboxMu.Unlock()
	<-l.done
}

// Trace is a copy of every event so far.
func (l *Lab) Trace() []Event {
	l.enter()
	defer l.core.Unlock()
	return append([]Event(nil), l.trace...)
}

// Stats is a copy of the counters.
func (l *Lab) Stats() Stats {
	l.enter()
	defer l.core.Unlock()
	s := l.stats
	s.Dropped = make(map[Reason]uint64, len(l.stats.Dropped))
	for r, n := range l.stats.Dropped {
		s.Dropped[r] = n
	}
	return s
}

// InFlight is the number of packets that links hold or that wait for a link's rate, or
// that wait for a host which got another one at the same instant.
func (l *Lab) InFlight() int {
	l.enter()
	defer l.core.Unlock()
	n := l.queue.len() - l.polls + l.waitingOnLinks()
	for _, s := range l.sites {
		for _, h := range s.byName {
			n += max(0, len(h.backlog)-1) // the first is in the queue
		}
	}
	return n
}

// Name makes a host name resolvable from every host of the lab.
func (l *Lab) Name(name string, addr netip.Addr) error {
	l.core.Lock()
	defer l.core.Unlock()
	name = strings.ToLower(name)
	if _, ok := l.hosts[name]; ok || name == "" || name == "localhost" {
		return fmt.Errorf("vnet: name %q: already in use", name)
	}
	l.hosts[name] = addr
	return nil
}

// claim reserves a box name, which must be unique so that traces are readable.
func (l *Lab) claim(name string) error {
	if name == "" {
		return errors.New("vnet: a box needs a name")
	}
	if l.closed {
		return ErrClosed
	}
	if l.names[name] {
		return fmt.Errorf("vnet: name %q: already in use", name)
	}
	l.names[name] = true
	return nil
}

// closedOn drops a packet that was on its way when the lab closed.
func (l *Lab) closedOn(p *packet) {
	l.drop(p, p.np, "internet", HostDown, natmodels.MappingInfo{}, "the lab closed while the packet was on its way")
}

// run is the core: wait until something has settled or is due, let the instant
// come to rest, handle it all.
func (l *Lab) run() {
	defer close(l.done)
	var next time.Time
	for {
		settled := true
		if due := l.await(next); due == nil {
			<-l.settled.C
		} else {
			select {
			case <-l.settled.C:
			case <-due:
				l.dueAt, settled = time.Time{}, false
			}
		}
		l.rest()
		if !l.takeBatch(time.Now(), settled) { // Close comes before the step of its instant
			l.due.Stop()
			return
		}
		next = l.step(time.Now())
		l.handOver()
	}
}

// await sets the timer for what is due next, if that has changed. The channel is nil
// if nothing is.
func (l *Lab) await(next time.Time) <-chan time.Time {
	switch {
	case next.Equal(l.dueAt):
	case next.IsZero():
		l.due.Stop()
	default:
		l.due.Reset(time.Until(next))
	}
	l.dueAt = next
	if next.IsZero() {
		return nil
	}
	return l.due.C
}

// step handles what is due and the batch, in a fixed order. It returns when the next
// packet is due; zero if none is held.
func (l *Lab) step(now time.Time) (next time.Time) {
	l.core.Lock()
	defer l.core.Unlock()
	l.steps++
	l.handle(now, l.earlier(l.batch, now))
	clear(l.batch)
	l.flush()
	next, _ = l.queue.next()
	l.inboxMu.Lock()
	l.wakesAt = next
	l.inboxMu.Unlock()
	return next
}

// handle handles what is due at an instant, and a batch.
func (l *Lab) handle(at time.Time, batch []arrival) {
	l.stepAt, l.now = at, at
	l.release(at)
	sortArrivals(batch)
	for i := range batch {
		l.send(&batch[i])
	}
	l.now = time.Time{}
}

// release sends what is due on its way.
func (l *Lab) release(now time.Time) {
	for {
		due, ok := l.queue.next()
		if !ok || due.After(now) {
			return
		}
		w := l.queue.pop()
		w.next(w.p)
	}
}

// send takes what a host or a port has sent on its way.
func (l *Lab) send(a *arrival) {
	p := l.admit(a)
	switch {
	case p == nil:
	case a.host != nil && len(a.host.mtus) > 0:
		a.host.output(p)
	default:
		a.site.leave(p)
	}
}

// admit gives what a host or a port has sent its identity; nil if it is no packet.
func (l *Lab) admit(a *arrival) *packet {
	if a.port != nil {
		return a.port.admit(a)
	}
	l.nextID++
	p := l.fresh()
	*p = packet{
		id:      l.nextID,
		np:      natmodels.Packet{Protocol: natmodels.UDP, Src: a.src, Dst: a.dst},
		payload: a.payload,
		ttl:     firstTTL,
	}
	l.stats.Sent++
	if l.watched() {
		l.emit(Event{
			At: a.at.Sub(l.start), Kind: Sent, Packet: p.id, Box: a.site.hostName(a.src.Addr()),
			Proto: p.np.Protocol, Src: a.src, Dst: a.dst, Payload: p.payload,
		})
	}
	return p
}

// arrive takes a datagram that a host sends.
func (l *Lab) arrive(a arrival) {
	if l.real {
		l.carry(a)
		return
	}
	if a.host != nil && l.delays.Load() && l.core.TryLock() { // until it is in the inbox nobody changes the lab
		defer l.core.Unlock()
		a.quiet = l.quiet(&a)
	}
	l.inboxMu.Lock()
	defer l.inboxMu.Unlock()
	l.flowSeq++
	a.order = l.flowSeq
	l.inbox = append(l.inbox, a)
	l.settleIn(settle+a.quiet, a.at)
}

// settleIn sees to it that a step follows by then, for so long after now. l.inboxMu is held.
func (l *Lab) settleIn(d time.Duration, now time.Time) {
	by := now.Add(d)
	switch {
	case l.ending, !l.wakesAt.IsZero() && !l.wakesAt.After(by):
	case !l.settling || by.Before(l.settleAt):
		l.settling, l.settleAt = true, by
		l.settled.Reset(d)
	}
}

// takeBatch moves what arrived before now from the inbox to the batch, and says
// whether the lab goes on. What arrives at now, from a goroutine whose timer fires at
// the very instant of the step, waits for the next step whether it is already here
// or not. settled says that the timer of that name has fired.
func (l *Lab) takeBatch(now time.Time, settled bool) bool {
	l.inboxMu.Lock()
	defer l.inboxMu.Unlock()
	if l.ending {
		return false
	}
	l.batch, l.inbox = l.inbox, l.batch[:0]
	before := l.batch[:0]
	for _, a := range l.batch {
		if a.at.Before(now) {
			before = append(before, a)
		} else {
			l.inbox = append(l.inbox, a)
		}
	}
	clear(l.batch[len(before):])
	l.batch = before
	if l.settling && !settled {
		l.settled.Stop() // what it was for is in the batch, or settles anew
	}
	l.settling, l.wakesAt = false, time.Time{}
	for i := range l.inbox {
		l.settleIn(settle+l.inbox[i].quiet, now)
	}
	return true
}

// hold keeps a packet until due and then hands it to next.
func (l *Lab) hold(p *packet, due time.Time, next func(*packet)) {
	l.holdFrom(p, l.stepAt, due, next)
}

// holdFrom is hold, of what comes to where it waits at a time of its own.
func (l *Lab) holdFrom(p *packet, since, due time.Time, next func(*packet)) {
	if p != nil && p.borrowed {
		p.own()
		p.borrowed = false
	}
	first, some := l.queue.next()
	l.nextWait++
	l.queue.push(waiting{due: due, since: since.Sub(l.start), order: l.nextWait, p: p, next: next})
	if l.real && (!some || due.Before(first)) {
		l.wakeFor(due)
	}
}

// at has the core do something at a time.
func (l *Lab) at(due time.Time, do func()) {
	l.polls++
	l.hold(nil, due, func(*packet) {
		l.polls--
		do()
	})
}

// watched says whether anybody sees the events.
func (l *Lab) watched() bool { return !l.cfg.DiscardTrace || l.cfg.OnEvent != nil }

func (l *Lab) emit(e Event) {
	l.nextSeq++
	e.Seq = l.nextSeq
	if !l.cfg.DiscardTrace {
		l.trace = append(l.trace, e)
	}
	if l.cfg.OnEvent != nil {
		l.cfg.OnEvent(e)
	}
}

// drop ends a packet. np is the packet as the dropping box saw it.
func (l *Lab) drop(p *packet, np natmodels.Packet, box string, why Reason, m natmodels.MappingInfo, detail string) {
	l.stats.Dropped[why]++
	l.emit(Event{
		At: l.elapsed(), Kind: Dropped, Packet: p.id, Parent: p.parent, Box: box, Proto: np.Protocol,
		Src: np.Src, Dst: np.Dst, Payload: p.payload, Reason: why, Mapping: m, Detail: detail,
	})
}

// changed records that somebody changed the lab, and has packets meet the change.
func (l *Lab) changed(box, detail string) {
	l.emit(Event{At: l.elapsed(), Kind: Changed, Box: box, Detail: detail})
	l.meet()
}
