package translate

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/enum"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// Blocks gives each subscriber ports of its own, so that no log is needed to tell
// whose a port is (RFC 6888 REQ-14, RFC 7422). Subscriber number i of the prefix,
// counting from its first address, has block number i mod k of external address number
// i / k, where k blocks fit into PortRange: with the 64,512 ports of
// DefaultPortRange and blocks of 2016, 32 subscribers share an address. Query
// identifiers come from the same block.
type Blocks struct {
	Subscribers netip.Prefix
	Size        int
}

// Block returns the external address and the ports of a subscriber, of a NAT with those
// external addresses.
func (c Config) Block(external []netip.Addr, subscriber netip.Addr) (address netip.Addr, ports natmodels.PortRange, ok bool) {
	b := c.Blocks
	if b.Size == 0 || !b.Subscribers.Contains(subscriber) {
		return netip.Addr{}, natmodels.PortRange{}, false
	}
	first, a := table.Pack(b.Subscribers.Addr()), table.Pack(subscriber)
	i := int(a.Lo - first.Lo)
	each := c.PortRange.Size() / b.Size
	begin := int(c.PortRange.OrDefault().First) + i%each*b.Size
	return external[i/each], natmodels.PortRange{First: uint16(begin), Last: uint16(begin + b.Size - 1)}, true
}

// Limits bounds the number of mappings, port forwards not counted. Zero is no limit.
type Limits struct {
	PerSubscriber int // internal address (RFC 6888 REQ-4)
	Total         int
}

// least is how many mappings a subscriber can have that is alone; 0 is no limit.
func (l Limits) least() int {
	if l.PerSubscriber == 0 || l.Total == 0 {
		return max(l.PerSubscriber, l.Total)
	}
	return min(l.PerSubscriber, l.Total)
}

// String returns "at most 1200 for each host", or in all, or both.
func (l Limits) String() string {
	each, total := fmt.Sprintf("at most %d for each host", l.PerSubscriber), fmt.Sprintf("at most %d in all", l.Total)
	switch {
	case l.Total == 0 && l.PerSubscriber == 0:
		return "no limit"
	case l.Total == 0:
		return each
	case l.PerSubscriber == 0:
		return total
	}
	return each + " and " + total
}

// WhenFull says what becomes of a packet that needs a new mapping where a limit is
// reached or no port is free.
type WhenFull uint8

const (
	// RefuseSilently drops it.
	RefuseSilently WhenFull = iota
	// RefuseICMP drops it and tells the sender: host unreachable (RFC 6888 REQ-11), or
	// administratively prohibited to an ICMP query (RFC 5508 REQ-8).
	RefuseICMP
	// EvictOldest ends the mapping that was made first, against RFC 6888 REQ-11: of the
	// subscriber, if its limit is reached. A lack of ports it cannot cure.
	EvictOldest
)

var whenFullNames = []string{RefuseSilently: "refuse", RefuseICMP: "refuse-icmp", EvictOldest: "evict-oldest"}

// String returns "refuse", "refuse-icmp" or "evict-oldest".
func (w WhenFull) String() string { return enum.Name(whenFullNames, w) }

// ParseWhenFull reads "refuse", "refuse-icmp" or "evict-oldest".
func ParseWhenFull(name string) (WhenFull, error) {
	return enum.Parse[WhenFull]("policy when full", name, whenFullNames)
}

// UnderLoad is another behavior for as long as at least that many mappings exist, as
// some boxes have it, against RFC 4787 REQ-11. Mappings that exist are not found by
// the other behavior; see NAT.SetBehavior. Mappings 0 means never.
type UnderLoad struct {
	Mappings   int
	Mapping    natmodels.Dependence
	PortChoice natmodels.PortChoice // not Sequential
}

// DefaultReuseDelay is what RFC 6888 REQ-8 asks for; see Config.ReuseDelay.
const DefaultReuseDelay = 120 * time.Second

// group keeps the mappings that a limit counts together in the order in which they
// were made.
type group struct {
	count          int
	oldest, newest uint32
}

// limited reports whether the mappings have groups.
func (n *NAT) limited() bool { return n.cfg.Limits != Limits{} }

// groupOf names the group of an internal address.
func (n *NAT) groupOf(internal table.Addr) table.Addr {
	if n.cfg.Limits.PerSubscriber > 0 {
		return internal
	}
	return table.Addr{}
}

// makeRoom makes sure that a subscriber may have one mapping more, or says why not.
func (n *NAT) makeRoom(internal table.Addr, t uint64) natmodels.Reason {
	if !n.full(internal) {
		return natmodels.NotDropped
	}
	n.expireAll(t)
	if !n.full(internal) {
		return natmodels.NotDropped
	}
	if g := n.groups[n.groupOf(internal)]; n.cfg.WhenFull == EvictOldest && g != nil && g.oldest != 0 {
		n.end(g.oldest, natmodels.Evicted, t)
		return natmodels.NotDropped
	}
	return natmodels.LimitReached
}

func (n *NAT) full(internal table.Addr) bool {
	l := n.cfg.Limits
	if l.Total > 0 && n.live-n.statics >= l.Total {
		return true
	}
	g := n.groups[n.groupOf(internal)]
	return l.PerSubscriber > 0 && g != nil && g.count >= l.PerSubscriber
}

// join puts a new mapping into its group.
func (n *NAT) join(ref uint32, m *mapping) {
	key := n.groupOf(m.flow.internal)
	g := n.groups[key]
	if g == nil {
		g = &group{oldest: ref}
		n.groups[key] = g
	} else {
		n.mappings.At(g.newest).younger = ref
		m.elder = g.newest
	}
	g.newest = ref
	g.count++
}

func (n *NAT) leave(m *mapping) {
	key := n.groupOf(m.flow.internal)
	g := n.groups[key]
	if m.elder != 0 {
		n.mappings.At(m.elder).younger = m.younger
	} else {
		g.oldest = m.younger
	}
	if m.younger != 0 {
		n.mappings.At(m.younger).elder = m.elder
	} else {
		g.newest = m.elder
	}
	if g.count--; g.count == 0 {
		delete(n.groups, key)
	}
}

// regroup puts every mapping into its group anew, oldest first.
func (n *NAT) regroup() {
	n.groups = nil
	if !n.limited() {
		return
	}
	n.groups = make(map[table.Addr]*group)
	for _, ref := range n.byAge() {
		m := n.mappings.At(ref)
		m.elder, m.younger = 0, 0
		n.join(ref, m)
	}
}

// measure chooses the behavior for the present load.
func (n *NAT) measure() {
	u := n.cfg.UnderLoad
	if u.Mappings == 0 {
		return
	}
	loaded := n.live-n.statics >= u.Mappings
	n.mapping = n.behaviors(n.cfg.Mapping)
	n.portChoice = n.cfg.PortChoice
	if loaded {
		n.mapping = n.behaviors(u.Mapping)
		n.portChoice = u.PortChoice
	}
}

// behaviors are the mapping behaviors by protocol.
func (n *NAT) behaviors(b natmodels.Dependence) [spaces]natmodels.Dependence {
	all := [spaces]natmodels.Dependence{b, b, b}
	if n.cfg.TCP.Own {
		all[tcpSpace] = n.cfg.TCP.Mapping
	}
	return all
}

// refuseFull drops or answers a packet that can have no mapping.
func (n *NAT) refuseFull(v natmodels.Verdict) natmodels.Verdict {
	p := v.Packet
	if n.cfg.WhenFull != RefuseICMP || v.Reason != natmodels.LimitReached && v.Reason != natmodels.PortsExhausted {
		return v
	}
	code := natmodels.HostUnreachable
	if p.IsICMP() {
		code = natmodels.AdminProhibited
	}
	n.stats.Dropped[v.Reason]--
	n.stats.Replied++
	v.Action = natmodels.Reply
	v.Packet = judge.Unreachable(p, n.pools[0].ip, code)
	return v
}
