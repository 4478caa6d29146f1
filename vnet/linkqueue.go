package vnet

import (
	"fmt"
	"slices"
	"time"
)

// Discipline is what the queue before a link's rate does.
type Discipline uint8

const (
	// DropTail is one queue, first in, first out, that drops what comes when it is full.
	DropTail Discipline = iota
	// FQCoDel is a queue for each flow, served by turns and kept short (RFC 8290). Packets
	// have no ECN here: where it would mark it drops.
	FQCoDel
)

var disciplineNames = [...]string{"drop-tail", "fq-codel"}

// String is drop-tail or fq-codel.
func (q Discipline) String() string {
	if int(q) < len(disciplineNames) {
		return disciplineNames[q]
	}
	return fmt.Sprintf("Discipline(%d)", uint8(q))
}

// defaultQueue is how many bytes wait in a DropTail queue without a limit of its own.
const defaultQueue = 64 << 10

// waiter is a packet in the queue of a link.
type waiter struct {
	p     *packet
	size  int
	at    time.Time // when it came
	order uint64    // among all that came
}

// discipline is a queue before a rate.
type discipline interface {
	push(d *pipe, w waiter)               // or drops it, or another
	pop(d *pipe, now time.Time) *waiter   // the next to be sent, or nil; valid until the next call
	len() int                             // packets in it
	takeAll(into []waiter) (all []waiter) // empties it
	refill(d *pipe, all []waiter)         // takes what waited in another queue, whatever the limit
}

// fifo is a queue of packets that reuses its space.
type fifo struct {
	w     []waiter
	first int
	bytes int
}

func (q *fifo) len() int { return len(q.w) - q.first }

func (q *fifo) push(w waiter) {
	if q.first > 0 && len(q.w) == cap(q.w) { // no room at the end: use that at the front
		n := copy(q.w, q.w[q.first:])
		clear(q.w[n:])
		q.w, q.first = q.w[:n], 0
	}
	q.w = append(q.w, w)
	q.bytes += w.size
}

func (q *fifo) pop() (w waiter, ok bool) {
	if q.len() == 0 {
		return waiter{}, false
	}
	w, q.w[q.first] = q.w[q.first], waiter{}
	if q.first++; q.first == len(q.w) {
		q.w, q.first = q.w[:0], 0
	}
	q.bytes -= w.size
	return w, true
}

func (q *fifo) takeAll(into []waiter) []waiter {
	into = append(into, q.w[q.first:]...)
	*q = fifo{}
	return into
}

// dropTail is DropTail.
type dropTail struct {
	fifo
	out waiter
}

func (q *dropTail) push(d *pipe, w waiter) {
	now := w.at
	if limit := d.cfg.QueuePackets; limit > 0 {
		if n := q.len() + d.shaper.inService(); n >= limit {
			d.drop(w.p, QueueFull, fmt.Sprintf("%d packets already wait for a link of %s", n, d.rateText()))
			return
		}
	} else {
		limit := d.cfg.Queue
		if limit == 0 {
			limit = defaultQueue
		}
		if n := q.bytes + d.shaper.bytesLeft(now); n+w.size > limit {
			d.drop(w.p, QueueFull, fmt.Sprintf("%d bytes already wait for a link of %s", n, d.rateText()))
			return
		}
	}
	q.fifo.push(w)
}

func (q *dropTail) pop(*pipe, time.Time) *waiter {
	w, ok := q.fifo.pop()
	if !ok {
		return nil
	}
	q.out = w
	return &q.out
}

func (q *dropTail) refill(_ *pipe, all []waiter) {
	for _, w := range all {
		q.fifo.push(w)
	}
}

// shaper is the stage that sends packets one after the other, at the link's rate.
type shaper struct {
	bits  float64 // per second that the packet in service leaves at; 0 is unlimited
	queue discipline
	kind  Discipline // of queue
	order uint64

	sending *packet // in service: held by the lab until its last bit has left
	size    int     // of it
	until   time.Time
	sent    func(*packet) // d.sent, bound when first needed
}

// busy says that something is being sent or waits.
func (s *shaper) busy() bool { return s.sending != nil || s.waiting() > 0 }

// inService is the number of packets being sent: 0 or 1.
func (s *shaper) inService() int {
	if s.sending != nil {
		return 1
	}
	return 0
}

// waiting is the number of packets in the queue, without the one in service.
func (s *shaper) waiting() int {
	if s.queue == nil {
		return 0
	}
	return s.queue.len()
}

// bytesLeft is what of the packet in service has not been sent.
func (s *shaper) bytesLeft(now time.Time) int {
	if s.sending == nil {
		return 0
	}
	return min(s.size, int(s.until.Sub(now).Seconds()*s.bits/8))
}

// takeAll empties the queue, in the order in which packets came.
func (s *shaper) takeAll() []waiter {
	if s.waiting() == 0 {
		return nil
	}
	all := s.queue.takeAll(nil)
	slices.SortFunc(all, func(a, b waiter) int { return int(int64(a.order - b.order)) })
	return all
}

// rate is the direction's rate in bits per second, 0 for unlimited.
func (d *pipe) rate() float64 {
	if d.cfg.Rate > 0 {
		return float64(d.cfg.Rate) * 8
	}
	return float64(d.cfg.BitRate)
}

func (d *pipe) rateText() string {
	if d.cfg.BitRate > 0 {
		return fmt.Sprintf("%d bit/s", d.cfg.BitRate)
	}
	return fmt.Sprintf("%d bytes/s", d.cfg.Rate)
}

// shape sends a packet at the link's rate: now, or when those before it have been sent.
func (d *pipe) shape(p *packet, size int) {
	s, now := &d.shaper, d.link.lab.clock()
	if d.cfg.unlimited() && !s.busy() {
		d.travel(p, now, now)
		return
	}
	d.needQueue()
	s.order++
	s.queue.push(d, waiter{p: p, size: size, at: now, order: s.order})
	d.transmit(now, now)
}

// needQueue sees to it that the queue is the configured one.
func (d *pipe) needQueue() {
	s := &d.shaper
	if s.queue != nil && s.kind == d.cfg.Discipline {
		return
	}
	s.kind = d.cfg.Discipline
	if s.kind == FQCoDel {
		s.queue = newFQCoDel(d)
	} else {
		s.queue = &dropTail{}
	}
}

// transmit begins to send the next packet at the given time, if none is being sent.
func (d *pipe) transmit(at, now time.Time) {
	s := &d.shaper
	for s.sending == nil {
		w := s.queue.pop(d, at)
		if w == nil {
			return
		}
		s.bits = d.rate()
		took := transmission(float64(w.size)*8, s.bits)
		if took == 0 {
			d.travel(w.p, at, now)
			continue
		}
		if s.sent == nil {
			s.sent = d.sent
		}
		s.sending, s.size, s.until = w.p, w.size, at.Add(took)
		d.link.lab.hold(w.p, s.until, s.sent)
	}
}

// transmission is how long bits take at a rate; 0 is unlimited.
func transmission(bits, rate float64) time.Duration {
	if rate == 0 {
		return 0
	}
	return time.Duration(bits / rate * float64(time.Second))
}

// sent goes on when the last bit of the packet in service has left.
func (d *pipe) sent(p *packet) {
	at, now := d.shaper.until, d.link.lab.clock() // the same, but on the real clock
	d.shaper.sending = nil
	d.travel(p, at, now)
	d.transmit(at, now)
}

// reshape applies a changed configuration to what is being sent and to what waits.
func (d *pipe) reshape(before LinkConfig, now time.Time) {
	s := &d.shaper
	if s.queue != nil && (s.kind != d.cfg.Discipline || s.kind == FQCoDel && before.CoDel.flows() != d.cfg.CoDel.flows()) {
		all := s.takeAll()
		s.queue = nil
		d.needQueue()
		s.queue.refill(d, all)
	}
	if s.sending == nil {
		return
	}
	left := s.until.Sub(now).Seconds() * s.bits
	s.bits = d.rate()
	s.until = now.Add(transmission(max(0, left), s.bits))
	d.link.lab.unhold(s.sending)
	d.link.lab.hold(s.sending, s.until, s.sent)
	d.link.lab.wake()
}
