package vnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/natmodels"
)

// FragmentPolicy says what a gateway does with fragments, which have no ports but the first.
type FragmentPolicy uint8

const (
	// Reassemble joins them, in whatever order they come (RFC 4787 REQ-14), and sends the
	// packet on in the pieces that it came in, as Linux does (ip_do_fragment in
	// net/ipv4/ip_output.c).
	Reassemble FragmentPolicy = iota
	// DropFragments drops every fragment.
	DropFragments
	// ReassembleInOrder joins them if they come in order, and drops one that does not (RFC 4787
	// section 11).
	ReassembleInOrder
	// ReassembleOverlapping joins them as Reassemble does, also those of IPv4 that overlap: what
	// came first stays. Others drop a datagram with overlaps whole (RFC 5722 says so of IPv6).
	ReassembleOverlapping

	fragmentPolicies
)

// reassembler is what joins fragments by the policy.
func (f FragmentPolicy) reassembler() ippacket.ReassemblerConfig {
	cfg := ippacket.ReassemblerConfig{InOrder: f == ReassembleInOrder}
	if f == ReassembleOverlapping {
		cfg.Overlaps = ippacket.FirstWins
	}
	return cfg
}

// Reasons for the end of fragments.
const (
	NoFragments     Reason = "fragment"           // the gateway takes none
	BadFragments    Reason = "bad-fragment"       // it does not go with the others
	LostFragments   Reason = "reassembly-timeout" // the rest did not come
	FragmentsNoRoom Reason = "reassembly-full"    // no memory for one more
	FragmentOrder   Reason = "fragment-order"     // those before it have not come
)

// joiner joins fragments at a box.
type joiner struct {
	lab   *Lab
	box   string
	from  func(netip.Addr) netip.Addr // the box's own address for ICMP errors
	back  func(*packet)               // where they go
	own   func(netip.Addr) bool       // whether what is for an address ends at the box
	parts *ippacket.Reassembler
	how   FragmentPolicy
	polls time.Time // when the lab looks for what is too late; zero: it does not
}

// join takes a fragment. It returns the whole packet once it is there, and nil before, or if
// there will be none.
func (j *joiner) join(p *packet) *packet {
	if p.bytes == nil || !p.bytes.v.Fragmented() {
		return p
	}
	if j.parts == nil {
		j.parts, _ = ippacket.NewReassembler(j.how.reassembler())
	}
	now := j.lab.clock()
	whole, err := j.parts.Add(p.bytes.b, &p.bytes.v, now)
	if err != nil {
		j.lab.drop(p, p.np, j.box, fragmentReason(err), natmodels.MappingInfo{}, err.Error())
		return nil
	}
	if whole == nil {
		j.lab.stats.Joined++
		j.poll()
		return nil
	}
	v, err := ippacket.Parse(whole)
	if err != nil {
		j.lab.drop(p, p.np, j.box, BadFragments, natmodels.MappingInfo{}, err.Error())
		return nil
	}
	p.cutID = p.bytes.v.ID
	p.np, p.ttl, p.bytes, p.cuts = v.Packet, v.TTL, &datagramBytes{whole, v}, j.parts.Cuts()
	if p.largest = v.HeaderLen + slices.Max(p.cuts); v.Version == 6 {
		p.largest += fragmentHeader
	}
	p.takePayload()
	return p
}

func fragmentReason(err error) Reason {
	switch {
	case errors.Is(err, ippacket.NoRoom):
		return FragmentsNoRoom
	case errors.Is(err, ippacket.OutOfOrder):
		return FragmentOrder
	}
	return BadFragments
}

// poll has the lab look for what is too late.
func (j *joiner) poll() {
	if at, ok := j.parts.Next(); ok && j.polls.IsZero() {
		j.polls = at
		j.lab.at(at, j.expire)
	}
}

// expire gives up datagrams of which the rest did not come. Who sent the first fragment is told by
// the host that it is for (RFC 792, RFC 8200 section 4.5), not by a router on the way (ip_expire in
// net/ipv4/ip_fragment.c).
func (j *joiner) expire() {
	j.polls = time.Time{}
	for _, x := range j.parts.Expire(j.lab.clock()) {
		j.lab.stats.Joined-- // the last of them ends here
		j.lab.nextID++
		p := &packet{id: j.lab.nextID, ttl: firstTTL, np: natmodels.Packet{
			Src: netip.AddrPortFrom(x.Src, 0), Dst: netip.AddrPortFrom(x.Dst, 0)}}
		if x.First != nil {
			if v, err := ippacket.Parse(x.First); err == nil {
				p.np, p.bytes = v.Packet, &datagramBytes{x.First, v}
			}
		}
		j.lab.drop(p, p.np, j.box, LostFragments, natmodels.MappingInfo{}, "the rest of its fragments did not come in time")
		if p.bytes != nil && j.own(x.Dst) {
			if answer := j.lab.complain(p, j.from(x.Src), tooLate, 0); answer != nil {
				j.back(answer)
			}
		}
	}
	j.poll()
}

// cut makes fragments of at most so many bytes of a packet, or returns it as it is if it fits
// or must not be cut.
func (l *Lab) cut(p *packet, mtu int) ([]*packet, error) {
	if p.size() <= mtu {
		return []*packet{p}, nil
	}
	w := p.onWire()
	parts, err := w.v.Fragment(w.b, mtu)
	if err != nil {
		return nil, err
	}
	return l.fragments(p, parts)
}

// fragments are the parts of a packet that was cut.
func (l *Lab) fragments(p *packet, parts [][]byte) ([]*packet, error) {
	all := make([]*packet, len(parts))
	for i, b := range parts {
		v, err := ippacket.Parse(b)
		if err != nil {
			return nil, fmt.Errorf("a fragment: %w", err)
		}
		all[i] = l.packetOf(append([]byte(nil), b...), v, p.id)
	}
	l.stats.Fragments += uint64(len(all) - 1)
	return all, nil
}

// fragmentHeader is the length of the one of IPv6 (RFC 8200 section 4.5).
const fragmentHeader = 8

// inPieces sends a packet on in the pieces that it came in, where the next link takes them; an MTU
// of 0 is any. What is IPv6 by then goes in pieces no larger than those, with their identification.
func (l *Lab) inPieces(p *packet, mtu int, next func(*packet)) {
	cuts := p.cuts
	p.cuts = nil
	if cuts == nil || mtu > 0 && p.largest > mtu {
		next(p)
		return
	}
	parts, err := p.bytes.v.CutAt(p.bytes.b, cuts)
	var all []*packet
	if err == nil {
		all, err = l.fragments(p, parts)
	}
	if err != nil { // IPv6, or an ALG has changed its length
		all = l.cutAnew(p)
	}
	for _, part := range all {
		next(part)
	}
}

// cutAnew cuts a packet into pieces no larger than it came in, but for the least that every link of
// IPv6 carries, or leaves it whole if that cannot be.
func (l *Lab) cutAnew(p *packet) []*packet {
	w := p.onWire()
	if w.v.Version == 4 {
		if parts, err := l.cut(p, p.largest); err == nil {
			return parts
		}
		return []*packet{p}
	}
	if parts, err := w.v.Fragment6(w.b, max(p.largest, leastMTU6), p.cutID); err == nil {
		if all, err := l.fragments(p, parts); err == nil {
			return all
		}
	}
	return []*packet{p}
}

// learnMTU takes note of what a path carries (RFC 1191 section 6.2, RFC 8201 section 4): what is
// larger is sent in fragments from now on, as Linux does with a socket that has no other wish.
func (h *Host) learnMTU(p *packet) {
	rest := p.bytes.v.PayloadAt - 4
	mtu := int(p.bytes.b[rest+2])<<8 | int(p.bytes.b[rest+3])
	to, least := p.np.Quoted.Dst.Addr(), leastMTU
	if to.Is6() {
		least = leastMTU6
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mtus == nil {
		h.mtus = map[netip.Addr]int{}
	}
	if old, known := h.mtus[to]; mtu >= least && (!known || mtu < old) {
		h.mtus[to] = mtu
	}
}

// The least that a host believes: against forged messages (RFC 1191 section 8; ip_rt_min_pmtu of Linux), and because
// every link of IPv6 carries it (RFC 8200 section 5).
const (
	leastMTU  = 552
	leastMTU6 = 1280
)
