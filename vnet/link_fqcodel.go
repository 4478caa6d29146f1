package vnet

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// CoDel is what FQCoDel is set to. Zero fields are the defaults of the RFCs.
type CoDel struct {
	// Target is the standing delay that is accepted; 0 is 5 ms (RFC 8290 section 5.2). On
	// slow links it should not be less than the time a full packet takes: 12 ms at 1 Mbit/s.
	Target time.Duration
	// Interval is for how long the delay may exceed it, of the order of a round trip; 0 is
	// 100 ms (RFC 8290 section 5.2).
	Interval time.Duration
	// Quantum is the bytes that a flow sends before it is the next one's turn; 0 is 1514
	// (RFC 8290 section 5.2).
	Quantum int
	// Flows is the number of queues that flows are hashed to; 0 is 1024 (RFC 8290 section 5.2).
	Flows int
}

// The defaults of RFC 8290 section 5.2.
const (
	codelTarget   = 5 * time.Millisecond
	codelInterval = 100 * time.Millisecond
	codelQuantum  = 1514
	codelFlows    = 1024
	codelLimit    = 10240 // packets
	codelBatch    = 64    // section 4.1: at most that many are dropped from the fattest queue
	codelPacket   = 1500  // maxpacket of RFC 8289 section 5 where the link has no MTU
)

func (c CoDel) target() time.Duration   { return orDefault(c.Target, codelTarget) }
func (c CoDel) interval() time.Duration { return orDefault(c.Interval, codelInterval) }
func (c CoDel) quantum() int            { return orDefault(c.Quantum, codelQuantum) }
func (c CoDel) flows() int              { return orDefault(c.Flows, codelFlows) }

func orDefault[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

func (c CoDel) check() error {
	errs := []error{duration("codel-target", c.Target), duration("codel-interval", c.Interval)}
	if c.target() >= c.interval() {
		errs = append(errs, fmt.Errorf("link: codel-target %v: want less than the interval of %v (RFC 8289: 5 to 10 percent of it)", c.target(), c.interval()))
	}
	if c.Quantum < 0 {
		errs = append(errs, fmt.Errorf("link: codel-quantum %d: want bytes, or 0 for %d", c.Quantum, codelQuantum))
	}
	if c.Flows < 0 || c.Flows > maxFlows {
		errs = append(errs, fmt.Errorf("link: codel-flows %d: want 1 to %d, or 0 for %d", c.Flows, maxFlows, codelFlows))
	}
	return errors.Join(errs...)
}

// fqCoDel is RFC 8290: flows by turns, those that begin first, each kept short by CoDel.
type fqCoDel struct {
	flows    []*flow // by hash; nil until used
	used     []*flow // in the order in which they were first used
	perturb  uint64  // section 4.1: the hash is seeded
	new, old flowList
	packets  int
	out      waiter
}

// flow is one of the queues, with the state of CoDel.
type flow struct {
	fifo
	credits int // section 4.2: bytes it may still send in this turn; "deficit" in the text
	listed  bool
	next    *flow

	firstAbove time.Time // RFC 8289 section 5: zero is not above
	dropNext   time.Time
	count      int
	lastCount  int
	dropping   bool
}

// flowList is a list of flows: RFC 8290 section 3's new and old queues.
type flowList struct{ head, tail *flow }

func (l *flowList) add(f *flow) {
	f.next = nil
	if l.tail == nil {
		l.head = f
	} else {
		l.tail.next = f
	}
	l.tail = f
}

func (l *flowList) shift() {
	f := l.head
	if l.head = f.next; l.head == nil {
		l.tail = nil
	}
	f.next = nil
}

func newFQCoDel(d *pipe) *fqCoDel {
	var s stream
	return &fqCoDel{flows: make([]*flow, d.cfg.CoDel.flows()), perturb: s.of(d, "fq-codel").Uint64()}
}

func (q *fqCoDel) len() int { return q.packets }

// push is RFC 8290 section 4.1.
func (q *fqCoDel) push(d *pipe, w waiter) {
	q.append(d, w)
	if q.packets > orDefault(d.cfg.QueuePackets, codelLimit) {
		q.relieve(d)
	}
}

// append puts a packet into its flow's queue, and a flow that was idle on the list of new ones.
func (q *fqCoDel) append(d *pipe, w waiter) {
	i := flowHash(q.perturb, w.p.np) % uint64(len(q.flows))
	f := q.flows[i]
	if f == nil {
		f = &flow{}
		q.flows[i] = f
		q.used = append(q.used, f)
	}
	f.push(w)
	q.packets++
	if !f.listed {
		f.listed, f.credits = true, d.cfg.CoDel.quantum()
		q.new.add(f)
	}
}

// relieve drops half of the packets of the queue with the most bytes, from its head and at
// most 64 (RFC 8290 section 4.1).
func (q *fqCoDel) relieve(d *pipe) {
	fattest := q.used[0]
	for _, f := range q.used {
		if f.bytes > fattest.bytes {
			fattest = f
		}
	}
	for range min(codelBatch, max(1, fattest.fifo.len()/2)) {
		w, _ := fattest.fifo.pop()
		q.packets--
		d.drop(w.p, QueueFull, fmt.Sprintf("more than %d packets wait, most of this flow", orDefault(d.cfg.QueuePackets, codelLimit)))
	}
}

// pop is RFC 8290 section 4.2: deficit round robin over the new flows, then the old.
func (q *fqCoDel) pop(d *pipe, now time.Time) *waiter {
	for {
		list := &q.new
		if list.head == nil {
			list = &q.old
		}
		f := list.head
		if f == nil {
			return nil
		}
		if f.credits <= 0 {
			f.credits += d.cfg.CoDel.quantum()
			list.shift()
			q.old.add(f)
			continue
		}
		w, ok := q.dequeue(d, f, now)
		if !ok {
			list.shift()
			if list == &q.new {
				q.old.add(f) // so that a flow cannot be new again and again before the others have had a turn
			} else {
				f.listed = false
			}
			continue
		}
		f.credits -= w.size
		q.out = w
		return &q.out
	}
}

// dequeue is deque of RFC 8289 section 5: the next packet of a flow, after those that
// CoDel drops.
func (q *fqCoDel) dequeue(d *pipe, f *flow, now time.Time) (waiter, bool) {
	interval := d.cfg.CoDel.interval()
	w, ok, mayDrop := q.head(d, f, now)
	if f.dropping {
		if !mayDrop {
			f.dropping = false // the delay is below target
		}
		for f.dropping && !now.Before(f.dropNext) {
			d.dropCoDel(w, now)
			f.count++
			if w, ok, mayDrop = q.head(d, f, now); !mayDrop {
				f.dropping = false
			} else {
				f.dropNext = controlLaw(f.dropNext, interval, f.count)
			}
		}
	} else if mayDrop {
		d.dropCoDel(w, now)
		w, ok, _ = q.head(d, f, now)
		f.dropping = true
		// Begin with the rate that controlled the queue last, if that is not long ago.
		delta := f.count - f.lastCount
		f.count = 1
		if delta > 1 && now.Sub(f.dropNext) < 16*interval {
			f.count = delta
		}
		f.dropNext = controlLaw(now, interval, f.count)
		f.lastCount = f.count
	}
	return w, ok
}

// head is dodeque of RFC 8289 section 5: it takes the first packet and says whether the
// delay has been above target for an interval.
func (q *fqCoDel) head(d *pipe, f *flow, now time.Time) (w waiter, ok, mayDrop bool) {
	if w, ok = f.fifo.pop(); !ok {
		f.firstAbove = time.Time{}
		return w, false, false
	}
	q.packets--
	switch {
	case now.Sub(w.at) < d.cfg.CoDel.target() || f.bytes <= orDefault(d.cfg.MTU, codelPacket):
		f.firstAbove = time.Time{} // below target, or not more than a packet left
	case f.firstAbove.IsZero():
		f.firstAbove = now.Add(d.cfg.CoDel.interval())
	default:
		mayDrop = !now.Before(f.firstAbove)
	}
	return w, true, mayDrop
}

// controlLaw is RFC 8289 section 5: drops come closer with the square root of their number.
func controlLaw(t time.Time, interval time.Duration, count int) time.Time {
	return t.Add(time.Duration(float64(interval) / math.Sqrt(float64(count))))
}

func (d *pipe) dropCoDel(w waiter, now time.Time) {
	d.drop(w.p, CoDelDrop, fmt.Sprintf("it waited %v, and its flow has waited more than %v for %v",
		now.Sub(w.at).Round(time.Microsecond), d.cfg.CoDel.target(), d.cfg.CoDel.interval()))
}

func (q *fqCoDel) takeAll(into []waiter) []waiter {
	for _, f := range q.used {
		into = f.fifo.takeAll(into)
	}
	q.packets = 0
	return into
}

func (q *fqCoDel) refill(d *pipe, all []waiter) {
	for _, w := range all {
		q.append(d, w)
	}
}

// flowHash is a hash of the protocol, the addresses and the ports (RFC 8290 section 4.1).
func flowHash(seed uint64, p natmodels.Packet) uint64 {
	h := mix(seed ^ uint64(p.Protocol))
	for _, a := range [2]netip.AddrPort{p.Src, p.Dst} {
		b := a.Addr().As16()
		for _, half := range [2][]byte{b[:8], b[8:]} {
			var v uint64
			for _, c := range half {
				v = v<<8 | uint64(c)
			}
			h = mix(h ^ v)
		}
		h = mix(h ^ uint64(a.Port()))
	}
	return h
}

// mix is the finalizer of SplitMix64.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
