package natmodels

import (
	"net/netip"
	"slices"
)

// pool is one external address with its ports, which each protocol has for itself.
type pool struct {
	ip    netip.Addr
	addr  addr
	ports [spaces]portSpace
}

// space numbers the protocols: ports of one are not those of another.
type space uint8

const (
	udpSpace space = iota
	tcpSpace
	icmpSpace // query identifiers
	spaces
)

// spaceOf returns the space of a protocol that is translated.
func spaceOf(p Protocol) space {
	switch p {
	case UDP:
		return udpSpace
	case TCP:
		return tcpSpace
	}
	return icmpSpace
}

// portSpace is the ports of one protocol on one address.
type portSpace struct {
	pages [256]*[256]uint32 // port -> mapping
	inUse int               // ports in use that lie within the range
	last  uint16            // the port that Sequential gave out last
	begun bool              // Sequential has given out a port
}

func (p *pool) external(port uint16) netip.AddrPort { return netip.AddrPortFrom(p.ip, port) }

// at returns the mapping that holds the port, or 0.
func (p *portSpace) at(port uint16) uint32 {
	page := p.pages[port>>8]
	if page == nil {
		return 0
	}
	return page[port&0xff]
}

func (p *portSpace) hold(port uint16, ref uint32, r PortRange) {
	page := p.pages[port>>8]
	if page == nil {
		page = new([256]uint32)
		p.pages[port>>8] = page
	}
	page[port&0xff] = ref
	if r.holds(port) {
		p.inUse++
	}
}

func (p *portSpace) release(port uint16, r PortRange) {
	p.pages[port>>8][port&0xff] = 0
	if r.holds(port) {
		p.inUse--
	}
}

// recount adapts the pool to another port range.
func (p *portSpace) recount(r PortRange) {
	p.inUse = 0
	p.begun = p.begun && r.holds(p.last)
	for port := int(r.First); port <= int(r.Last); port++ {
		if p.at(uint16(port)) != 0 {
			p.inUse++
		}
	}
}

// setPools makes a pool for each external address, keeping those of addresses that
// stay.
func (n *NAT) setPools(external []netip.Addr) {
	old := n.pools
	n.pools = make([]*pool, len(external))
	n.byAddr = make(map[addr]uint16, len(external))
	for i, ip := range external {
		at := slices.IndexFunc(old, func(p *pool) bool { return p.ip == ip })
		if at >= 0 {
			n.pools[i] = old[at]
		} else {
			n.pools[i] = &pool{ip: ip, addr: packAddr(ip)}
		}
		n.byAddr[n.pools[i].addr] = uint16(i)
	}
}

// poolAt finds the pool of an external address.
func (n *NAT) poolAt(a addr) (uint16, bool) {
	if len(n.pools) == 1 {
		return 0, n.pools[0].addr == a
	}
	at, ok := n.byAddr[a]
	return at, ok
}

// firstPool is where the search for an external port begins: at the one address
// paired with the internal address, or anywhere (RFC 4787 section 4.1, REQ-2).
func (n *NAT) firstPool(internal addr) uint16 {
	if len(n.pools) == 1 {
		return 0
	}
	if n.cfg.Pooling == Arbitrary {
		return uint16(n.random.IntN(len(n.pools)))
	}
	return uint16(pairing(internal) % len(n.pools))
}

func pairing(internal addr) int {
	a := internal
	if a.is4() {
		a.lo &^= mapped4Mask | mapped4
	}
	sum := 0
	for ; a != (addr{}); a.hi, a.lo = a.hi>>8, a.lo>>8 {
		sum += int(a.hi&0xff) + int(a.lo&0xff)
	}
	return sum
}

// choosePort picks the external address and port for a new mapping of an internal
// endpoint.
func (n *NAT) choosePort(sp space, internal endpoint, t uint64) (at, port uint16, reason Reason) {
	first, candidates := int(n.firstPool(internal.addr)), 1
	if n.cfg.Pooling == Arbitrary {
		candidates = len(n.pools)
	}
	if n.preserves(sp, internal.port) {
		for i := range candidates {
			at := uint16((first + i) % len(n.pools))
			if n.holder(&n.pools[at].ports[sp], internal.port, t) == nil {
				return at, internal.port, NotDropped
			}
		}
	}
	if n.cfg.PortChoice == Preserve {
		return 0, 0, PortConflict
	}
	for i := range candidates {
		at := uint16((first + i) % len(n.pools))
		if c := n.choice(&n.pools[at].ports[sp], sp, t); n.hasFree(c) {
			return at, n.freePort(c), NotDropped
		}
	}
	return 0, 0, PortsExhausted
}

// preserves reports whether the port choice keeps an internal port that is free.
func (n *NAT) preserves(sp space, port uint16) bool {
	switch n.cfg.PortChoice {
	case Preserve, PreserveElseRandom:
		return n.ranges[sp].holds(port)
	}
	return false
}

// conflict returns the mapping that stood in the way of a preserved port on the
// address paired with the internal one.
func (n *NAT) conflict(sp space, internal endpoint, reason Reason, t uint64) *mapping {
	if reason != PortConflict || n.cfg.Pooling == Arbitrary {
		return nil
	}
	return n.holder(&n.pools[n.firstPool(internal.addr)].ports[sp], internal.port, t)
}

// choice is the search for a free port on one address.
type choice struct {
	ports *portSpace
	among PortRange
	t     uint64
}

func (n *NAT) choice(p *portSpace, sp space, t uint64) choice {
	return choice{ports: p, among: n.ranges[sp], t: t}
}

func (n *NAT) hasFree(c choice) bool {
	if c.ports.inUse == c.among.size() {
		n.expireAll(c.t)
	}
	return c.ports.inUse < c.among.size()
}

// freePort picks a port where there is one.
func (n *NAT) freePort(c choice) uint16 {
	if n.cfg.PortChoice == Sequential {
		return n.sequentialPort(c)
	}
	const tries = 16
	size := c.among.size()
	var port uint16
	for range tries {
		port = c.among.First + uint16(n.random.IntN(size)) // RFC 6056 section 3.3.2
		if n.holder(c.ports, port, c.t) == nil {
			return port
		}
	}
	return n.nextFree(c, port)
}

// sequentialPort steps on from the port given out last. If the steps come round to
// where they began without meeting a free port, the next free one upward is taken.
func (n *NAT) sequentialPort(c choice) uint16 {
	p, r := c.ports, c.among
	size := r.size()
	offset := 0
	if p.begun {
		offset = r.wrap(int(p.last-r.First) + n.cfg.Step)
	}
	p.begun = true
	begin := offset
	for {
		p.last = r.First + uint16(offset)
		if n.holder(p, p.last, c.t) == nil {
			return p.last
		}
		offset = r.wrap(offset + n.cfg.Step)
		if offset == begin {
			p.last = n.nextFree(c, r.First+uint16((begin+1)%size))
			return p.last
		}
	}
}

// nextFree returns the first free port from begin upward, wrapping in the range.
func (n *NAT) nextFree(c choice, begin uint16) uint16 {
	n.expireAll(c.t)
	size := c.among.size()
	offset := int(begin - c.among.First)
	for c.ports.at(c.among.First+uint16(offset)) != 0 {
		offset = (offset + 1) % size
	}
	return c.among.First + uint16(offset)
}
