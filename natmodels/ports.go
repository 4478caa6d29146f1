package natmodels

import (
	"net/netip"
	"slices"
)

// pool is one external address with its ports.
type pool struct {
	ip    netip.Addr
	addr  addr
	pages [256]*[256]uint32 // port -> mapping
	inUse int               // ports in use that lie within PortRange
	last  uint16            // the port that Sequential gave out last
	begun bool              // Sequential has given out a port
}

func (p *pool) external(port uint16) netip.AddrPort { return netip.AddrPortFrom(p.ip, port) }

// at returns the mapping that holds the port, or 0.
func (p *pool) at(port uint16) uint32 {
	page := p.pages[port>>8]
	if page == nil {
		return 0
	}
	return page[port&0xff]
}

func (p *pool) hold(port uint16, ref uint32, r PortRange) {
	page := p.pages[port>>8]
	if page == nil {
		page = new([256]uint32)
		p.pages[port>>8] = page
	}
	page[port&0xff] = ref
	if r.Contains(port) {
		p.inUse++
	}
}

func (p *pool) release(port uint16, r PortRange) {
	p.pages[port>>8][port&0xff] = 0
	if r.Contains(port) {
		p.inUse--
	}
}

// recount adapts the pool to another port range.
func (p *pool) recount(r PortRange) {
	p.inUse = 0
	p.begun = p.begun && r.Contains(p.last)
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
func (n *NAT) choosePort(internal endpoint, t uint64) (at, port uint16, reason Reason) {
	first, candidates := int(n.firstPool(internal.addr)), 1
	if n.cfg.Pooling == Arbitrary {
		candidates = len(n.pools)
	}
	if n.cfg.PreservesPort(internal.port) {
		for i := range candidates {
			at := uint16((first + i) % len(n.pools))
			if n.holder(n.pools[at], internal.port, t) == nil {
				return at, internal.port, NotDropped
			}
		}
	}
	if n.cfg.PortChoice == Preserve {
		return 0, 0, PortConflict
	}
	for i := range candidates {
		at := uint16((first + i) % len(n.pools))
		if n.hasFree(n.pools[at], t) {
			return at, n.freePort(n.pools[at], t), NotDropped
		}
	}
	return 0, 0, PortsExhausted
}

// conflict returns the mapping that stood in the way of a preserved port on the
// address paired with the internal one.
func (n *NAT) conflict(internal endpoint, reason Reason, t uint64) *mapping {
	if reason != PortConflict || n.cfg.Pooling == Arbitrary {
		return nil
	}
	return n.holder(n.pools[n.firstPool(internal.addr)], internal.port, t)
}

func (n *NAT) hasFree(p *pool, t uint64) bool {
	if p.inUse == n.ports.Size() {
		n.expireAll(t)
	}
	return p.inUse < n.ports.Size()
}

// freePort picks a port from a pool that has one.
func (n *NAT) freePort(p *pool, t uint64) uint16 {
	if n.cfg.PortChoice == Sequential {
		return n.sequentialPort(p, t)
	}
	const tries = 16
	size := n.ports.Size()
	var port uint16
	for range tries {
		port = n.ports.First + uint16(n.random.IntN(size))
		if n.holder(p, port, t) == nil {
			return port
		}
	}
	return n.nextFree(p, port, t)
}

// sequentialPort steps on from the port given out last. If the steps come round to
// where they began without meeting a free port, the next free one upward is taken.
func (n *NAT) sequentialPort(p *pool, t uint64) uint16 {
	size := n.ports.Size()
	offset := 0
	if p.begun {
		offset = n.wrap(int(p.last-n.ports.First) + n.cfg.Step)
	}
	p.begun = true
	begin := offset
	for {
		p.last = n.ports.First + uint16(offset)
		if n.holder(p, p.last, t) == nil {
			return p.last
		}
		offset = n.wrap(offset + n.cfg.Step)
		if offset == begin {
			p.last = n.nextFree(p, n.ports.First+uint16((begin+1)%size), t)
			return p.last
		}
	}
}

func (n *NAT) wrap(offset int) int {
	size := n.ports.Size()
	return (offset%size + size) % size
}

// nextFree returns the first free port from begin upward, wrapping in the range.
func (n *NAT) nextFree(p *pool, begin uint16, t uint64) uint16 {
	n.expireAll(t)
	size := n.ports.Size()
	offset := int(begin - n.ports.First)
	for p.at(n.ports.First+uint16(offset)) != 0 {
		offset = (offset + 1) % size
	}
	return n.ports.First + uint16(offset)
}
