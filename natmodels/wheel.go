package natmodels

import "math/bits"

// wheel is a hierarchical timer wheel with a resolution of one nanosecond: level l
// has 64 slots of 64^l ns each. Setting and taking out a timer is O(1), and a timer
// moves at most once per level before it is due. The wheel keeps lists of mapping
// numbers; the links are in the mappings.
//
// The wheel may hold a mapping under an earlier time than its deadline, since a
// refreshed mapping is not moved: whoever takes a slot out looks at the deadline and
// puts the mapping back if it is still alive.
type wheel struct {
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
	never       = ^uint64(0)
)

// place returns the slot for a time not before now, and when that slot begins.
func (w *wheel) place(at uint64) (where uint16, begin uint64) {
	level := 0
	if differ := w.now ^ at; differ != 0 {
		level = (bits.Len64(differ) - 1) / wheelBits
	}
	shift := level * wheelBits
	slot := at >> shift % wheelSlots
	return uint16(level*wheelSlots) + uint16(slot), at >> shift << shift
}

// first returns the slot in use that begins first, and when.
func (w *wheel) first() (where uint16, begin uint64) {
	for level, used := range w.used {
		if used == 0 {
			continue
		}
		slot := bits.TrailingZeros64(used)
		shift := level * wheelBits
		above := w.now >> shift >> wheelBits << wheelBits << shift
		return uint16(level*wheelSlots + slot), above | uint64(slot)<<shift
	}
	return 0, never
}

func (n *NAT) schedule(ref uint32, m *mapping, at uint64) {
	w := &n.wheel
	where, begin := w.place(max(at, w.now))
	m.where = where
	m.prev, m.next = 0, w.head[where]
	if m.next != 0 {
		n.mappings.at(m.next).prev = ref
	}
	w.head[where] = ref
	w.used[where/wheelSlots] |= 1 << (where % wheelSlots)
	w.next = min(w.next, begin)
}

func (n *NAT) unschedule(m *mapping) {
	w := &n.wheel
	if m.next != 0 {
		n.mappings.at(m.next).prev = m.prev
	}
	if m.prev != 0 {
		n.mappings.at(m.prev).next = m.next
		return
	}
	w.head[m.where] = m.next
	if m.next == 0 {
		w.used[m.where/wheelSlots] &^= 1 << (m.where % wheelSlots)
	}
}

// expireSome ends mappings whose time has come, but handles only a bounded number
// of timers, so that no packet pays for a crowd. What is left over is dead all the
// same: every lookup compares the deadline.
func (n *NAT) expireSome(t uint64) {
	if n.wheel.next <= t {
		n.runTimers(t, n.timersPerPacket)
	}
}

// expireAll ends every mapping whose time has come.
func (n *NAT) expireAll(t uint64) {
	if n.wheel.next <= t {
		n.runTimers(t, -1)
	}
}

// enoughTimers is more than the moves one timer can need from its start to its
// end, so the work never falls behind the packets that cause it.
const enoughTimers = 2 * wheelLevels

func (n *NAT) runTimers(t uint64, budget int) {
	w := &n.wheel
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
			m := n.mappings.at(ref)
			if deadline := n.deadline(m); deadline > t {
				n.unschedule(m)
				n.schedule(ref, m, deadline)
			} else {
				n.end(ref, Expired, deadline)
			}
		}
		w.halfway = false
	}
}
