package table

import "math/bits"

// Wheel is a hierarchical timer wheel with a resolution of one nanosecond: level l
// has 64 slots of 64^l ns each. Setting and taking out a timer is O(1), and a timer
// moves at most once per level before it is due. The wheel keeps lists of record
// numbers; the links are in the records.
//
// The wheel may hold a record under an earlier time than its deadline, since a
// refreshed record is not moved: whoever takes a slot out looks at the deadline and
// puts the record back if it is still alive.
type Wheel struct {
	timer func(ref uint32) *Timed

	now  uint64 // every slot in use begins at or after now
	next uint64 // no slot in use begins before next
	used [wheelLevels]uint64
	head [wheelLevels * wheelSlots]uint32

	current uint16 // the slot being emptied, which begins at now
	halfway bool   // and was not empty when the budget ran out
}

const (
	wheelBits   = 6
	wheelSlots  = 1 << wheelBits
	wheelLevels = (64 + wheelBits - 1) / wheelBits
)

// Never is a time after all others.
const Never = ^uint64(0)

// Start makes the wheel empty; timer finds what it keeps in a record.
func (w *Wheel) Start(timer func(ref uint32) *Timed) { *w = Wheel{timer: timer, next: Never} }

// Rebind gives a wheel that was copied its records.
func (w *Wheel) Rebind(timer func(ref uint32) *Timed) { w.timer = timer }

// Next is when Run has something to do, at the earliest.
func (w *Wheel) Next() uint64 { return w.next }

// place returns the slot for a time not before now, and when that slot begins.
func (w *Wheel) place(at uint64) (where uint16, begin uint64) {
	level := 0
	if differ := w.now ^ at; differ != 0 {
		level = (bits.Len64(differ) - 1) / wheelBits
	}
	shift := level * wheelBits
	slot := at >> shift % wheelSlots
	return uint16(level*wheelSlots) + uint16(slot), at >> shift << shift
}

// first returns the slot in use that begins first, and when.
func (w *Wheel) first() (where uint16, begin uint64) {
	for level, used := range w.used {
		if used == 0 {
			continue
		}
		slot := bits.TrailingZeros64(used)
		shift := level * wheelBits
		above := w.now >> shift >> wheelBits << wheelBits << shift
		return uint16(level*wheelSlots + slot), above | uint64(slot)<<shift
	}
	return 0, Never
}

// Timed is what the wheel keeps in each record that has a timer.
type Timed struct {
	prev, next uint32 // in the same slot
	where      uint16 // slot
}

// Schedule sets the timer of a record that has none.
func (w *Wheel) Schedule(ref uint32, at uint64) {
	where, begin := w.place(max(at, w.now))
	r := w.timer(ref)
	r.where = where
	r.prev, r.next = 0, w.head[where]
	if r.next != 0 {
		w.timer(r.next).prev = ref
	}
	w.head[where] = ref
	w.used[where/wheelSlots] |= 1 << (where % wheelSlots)
	w.next = min(w.next, begin)
}

// Unschedule takes a timer out.
func (w *Wheel) Unschedule(r *Timed) {
	if r.next != 0 {
		w.timer(r.next).prev = r.prev
	}
	if r.prev != 0 {
		w.timer(r.prev).next = r.next
		return
	}
	w.head[r.where] = r.next
	if r.next == 0 {
		w.used[r.where/wheelSlots] &^= 1 << (r.where % wheelSlots)
	}
}

// EnoughTimers is more than the moves one timer can need from its start to its
// end, so the work never falls behind the packets that cause it.
const EnoughTimers = 2 * wheelLevels

// Run hands out the records whose time may have come by t, but no more of them than
// the budget, so that no packet pays for a crowd; a negative budget has no end. What
// is left over is dead all the same: every lookup compares the deadline.
//
// due unschedules the record, and then either ends it or schedules it anew for later
// than t.
func (w *Wheel) Run(t uint64, budget int, due func(ref uint32)) {
	for {
		if !w.halfway {
			where, begin := w.first()
			if begin > t {
				w.now, w.next = t, begin
				return
			}
			w.now, w.current, w.halfway = begin, where, true
		}
		for ref := w.head[w.current]; ref != 0; ref = w.head[w.current] {
			if budget == 0 {
				w.next = w.now
				return
			}
			budget--
			due(ref)
		}
		w.halfway = false
	}
}
