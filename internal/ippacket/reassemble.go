package ippacket

import (
	"container/list"
	"fmt"
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// Overlaps says what becomes of an IPv4 datagram whose fragments overlap. One of IPv6 is
// always dropped, with what comes of it later (RFC 5722 section 4, RFC 8200 section 4.5).
type Overlaps uint8

const (
	// DropOverlaps drops the datagram, as Linux does since 4.19. A fragment that comes later
	// begins another one.
	DropOverlaps Overlaps = iota
	// FirstWins keeps what came first and takes of a fragment what is missing (RFC 791 section
	// 3.2 takes what came last; RFC 815 leaves it open).
	FirstWins
)

// ReassemblerConfig says how long and how much a [Reassembler] keeps.
type ReassemblerConfig struct {
	// Timeout is how long after its first fragment a datagram is given up; zero stands for the
	// minute of RFC 1122 section 3.3.2 and RFC 8200 section 4.5 (Linux gives IPv4 half of it).
	Timeout time.Duration
	// MaxBytes bounds what is held, headers and bookkeeping included; zero stands for the 4 MiB
	// of Linux (ipfrag_high_thresh).
	MaxBytes int
	Overlaps Overlaps
	// InOrder takes fragments only after those before them, as a box does that needs the first for
	// the ports (RFC 4787 section 11).
	InOrder bool
}

// Reassembler joins fragments to the packets that they were cut from, in whatever order they
// come. It has no clock, and its answers depend on nothing but its arguments.
type Reassembler struct {
	cfg     ReassemblerConfig
	held    map[datagramKey]*datagram
	queue   list.List // of *datagram, by deadline
	expired []Expired
	bytes   int
	cuts    []int
}

// Expired is a datagram that was given up.
type Expired struct {
	Src, Dst netip.Addr
	ID       uint32
	// First is the first fragment, about which the ICMP error "time exceeded", code 1, is sent;
	// nil if it did not come, and there is none to be sent (RFC 792, RFC 8200 section 4.5).
	First []byte

	deadline time.Time
	cost     int
}

// datagramKey tells datagrams apart (RFC 791 section 2.3; RFC 8200 section 4.5, where the
// protocol is not among it).
type datagramKey struct {
	src, dst netip.Addr
	protocol natmodels.Protocol
	id       uint32
}

// What a datagram, a run and the place of a part take beside their bytes.
const (
	datagramCost = 256
	runCost      = 48
	cutCost      = 16
	partCost     = runCost + cutCost
)

// NewReassembler checks the configuration.
func NewReassembler(cfg ReassemblerConfig) (*Reassembler, error) {
	if cfg.Timeout < 0 || cfg.MaxBytes < 0 || cfg.Overlaps > FirstWins {
		return nil, fmt.Errorf("ippacket: make reassembler: %+v: negative, or no such policy", cfg)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 4 << 20
	}
	return &Reassembler{cfg: cfg, held: map[datagramKey]*datagram{}}, nil
}

// Add takes the fragment in b that v is the view of. It returns the whole packet once all of
// it is here, in memory of its own, and nil before; a packet that is no fragment it returns
// as it is. Its error is a [Problem] and says what was dropped: with BadFragment, Duplicate,
// NoRoom and OutOfOrder the fragment, with Overlap, Contradiction and TooLong the whole datagram.
func (r *Reassembler) Add(b []byte, v *View, now time.Time) ([]byte, error) {
	if !v.Fragmented() {
		return b[:v.Len], nil
	}
	r.timeOut(now)
	head, part := b[:v.fragmentableAt()], b[v.fragmentableAt():v.Len]
	if len(part) == 0 || v.MF && len(part)%8 != 0 || tooLong(v, len(head), v.Offset+len(part)) {
		return nil, BadFragment
	}
	d, problem := r.find(v, now, len(head)+len(part))
	if problem != none {
		return nil, problem
	}
	before := d.cost()
	problem = d.add(head, part, v, r.cfg.Overlaps == FirstWins && v.Version == 4)
	r.bytes += d.cost() - before
	switch {
	case problem == Overlap && v.Version == 6:
		r.bury(d)
	case problem == Overlap || problem == Contradiction:
		r.forget(d)
	}
	if problem != none || !d.complete() {
		return nil, problem.err()
	}
	r.forget(d)
	r.cuts = d.lengths()
	whole, problem := d.join()
	return whole, problem.err()
}

// Cuts are the lengths of the parts, in order, that the packet which Add returned last was joined
// from; see [View.CutAt].
func (r *Reassembler) Cuts() []int { return r.cuts }

// tooLong reports whether a fragment ends where no packet can: the fragment header is not
// part of it then.
func tooLong(v *View, head, end int) bool {
	if v.Version == 6 {
		return head-fragmentHeader-header6+end > maxLen
	}
	return head+end > maxLen
}

// fragmentableAt is where in a fragment the part of the datagram begins.
func (v *View) fragmentableAt() int {
	if v.fragmentAt != 0 {
		return v.fragmentAt + fragmentHeader
	}
	return v.HeaderLen
}

// find returns the datagram that a fragment is of, a new one if need be.
func (r *Reassembler) find(v *View, now time.Time, bytes int) (*datagram, Problem) {
	k := datagramKey{v.Packet.Src.Addr(), v.Packet.Dst.Addr(), v.Packet.Protocol, v.ID}
	if v.Version == 6 {
		k.protocol = 0
	}
	d := r.held[k]
	switch {
	case d != nil && d.dead:
		return nil, Overlap
	case r.cfg.InOrder && (d == nil && v.Offset > 0 || d != nil && v.Offset > d.end()):
		return nil, OutOfOrder
	case d != nil && r.bytes+partCost+bytes > r.cfg.MaxBytes, d == nil && r.bytes+datagramCost+partCost+bytes > r.cfg.MaxBytes:
		return nil, NoRoom
	case d != nil:
		return d, none
	}
	d = &datagram{key: k, total: -1, deadline: now.Add(r.cfg.Timeout)}
	if last := r.queue.Back(); last != nil && last.Value.(*datagram).deadline.After(d.deadline) {
		d.deadline = last.Value.(*datagram).deadline // time went back
	}
	r.held[k], d.place = d, r.queue.PushBack(d)
	r.bytes += d.cost()
	return d, none
}

func (r *Reassembler) forget(d *datagram) {
	r.bytes -= d.cost()
	delete(r.held, d.key)
	r.queue.Remove(d.place)
}

// bury keeps of a datagram nothing but that what comes of it is dropped.
func (r *Reassembler) bury(d *datagram) {
	r.bytes -= d.cost()
	d.runs, d.cuts, d.head, d.dead = nil, nil, nil, true
	r.bytes += d.cost()
}

// timeOut gives up what is due.
func (r *Reassembler) timeOut(now time.Time) {
	for e := r.queue.Front(); e != nil; e = r.queue.Front() {
		d := e.Value.(*datagram)
		if now.Before(d.deadline) {
			return
		}
		r.forget(d)
		if !d.dead {
			x := Expired{Src: d.key.src, Dst: d.key.dst, ID: d.key.id, First: d.first(), deadline: d.deadline}
			x.cost = datagramCost + len(x.First)
			r.bytes += x.cost
			r.expired = append(r.expired, x)
		}
	}
}

// Expire returns what was given up since it was last asked, in the order of time.
func (r *Reassembler) Expire(now time.Time) []Expired {
	r.timeOut(now)
	all := r.expired
	for i := range all {
		r.bytes -= all[i].cost
	}
	r.expired = nil
	return all
}

// Next is when Expire should be asked; false if nothing is held.
func (r *Reassembler) Next() (time.Time, bool) {
	if len(r.expired) > 0 {
		return r.expired[0].deadline, true
	}
	if e := r.queue.Front(); e != nil {
		return e.Value.(*datagram).deadline, true
	}
	return time.Time{}, false
}

// Held is how many datagrams are held, and how much they count for.
func (r *Reassembler) Held() (datagrams, bytes int) { return len(r.held), r.bytes }
