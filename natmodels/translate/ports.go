package translate

import (
	"net/netip"
	"slices"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// pool is one external address with its ports, which each protocol has for itself.
type pool struct {
	ip    netip.Addr
	addr  table.Addr
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
func spaceOf(p natmodels.Protocol) space {
	switch p {
	case natmodels.UDP:
		return udpSpace
	case natmodels.TCP:
		return tcpSpace
	}
	return icmpSpace
}

// portSpace is the ports of one protocol on one address.
type portSpace struct {
	pages *[256]*[256]uint32 // port -> mapping; nil before the first
	inUse int                // ports in use that lie within the range
	last  uint16             // the port that Sequential gave out last
	begun bool               // Sequential has given out a port
	// until holds, with a reuse delay, when a port may be given out again.
	until map[uint16]uint64
}

func (p *pool) external(port uint16) netip.AddrPort { return netip.AddrPortFrom(p.ip, port) }

// at returns the mapping that holds the port, or 0.
func (p *portSpace) at(port uint16) uint32 {
	if p.pages == nil {
		return 0
	}
	page := p.pages[port>>8]
	if page == nil {
		return 0
	}
	return page[port&0xff]
}

func (p *portSpace) hold(port uint16, ref uint32, r natmodels.PortRange) {
	if p.pages == nil {
		p.pages = new([256]*[256]uint32)
	}
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

func (p *portSpace) release(port uint16, r natmodels.PortRange, until uint64) {
	if until > 0 {
		if p.until == nil {
			p.until = make(map[uint16]uint64)
		}
		p.until[port] = until
	}
	p.pages[port>>8][port&0xff] = 0
	if r.Contains(port) {
		p.inUse--
	}
}

// recount adapts the pool to another port range.
func (p *portSpace) recount(r natmodels.PortRange) {
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
	n.byAddr = make(map[table.Addr]uint16, len(external))
	for i, ip := range external {
		at := slices.IndexFunc(old, func(p *pool) bool { return p.ip == ip })
		if at >= 0 {
			n.pools[i] = old[at]
		} else {
			n.pools[i] = &pool{ip: ip, addr: table.Pack(ip)}
		}
		n.byAddr[n.pools[i].addr] = uint16(i)
	}
}

// poolAt finds the pool of an external address.
func (n *NAT) poolAt(a table.Addr) (uint16, bool) {
	if len(n.pools) == 1 {
		return 0, n.pools[0].addr == a
	}
	at, ok := n.byAddr[a]
	return at, ok
}

// firstPool is where the search for an external port begins: at the one address
// paired with the internal address, or anywhere (RFC 4787 section 4.1, REQ-2).
func (n *NAT) firstPool(internal table.Addr) uint16 {
	if len(n.pools) == 1 {
		return 0
	}
	if n.cfg.Pooling == natmodels.Arbitrary {
		return uint16(n.random.IntN(len(n.pools)))
	}
	return uint16(pairing(internal) % len(n.pools))
}

func pairing(internal table.Addr) int {
	a := internal
	if a.Is4() {
		a.Lo = uint64(a.Four())
	}
	sum := 0
	for ; a != (table.Addr{}); a.Hi, a.Lo = a.Hi>>8, a.Lo>>8 {
		sum += int(a.Hi&0xff) + int(a.Lo&0xff)
	}
	return sum
}

// choosePort picks the external address and port for a new mapping of an internal
// endpoint.
func (n *NAT) choosePort(sp space, internal table.Endpoint, t uint64) (at, port uint16, reason natmodels.Reason) {
	first, candidates := int(n.firstPool(internal.Addr)), 1
	if n.cfg.Pooling == natmodels.Arbitrary {
		candidates = len(n.pools)
	}
	c := choice{sp: sp, among: n.ranges[sp], t: t}
	if n.picky {
		var ok bool
		if first, c, ok = n.narrow(first, c, internal); !ok {
			return 0, 0, natmodels.PortsExhausted
		}
		if n.cfg.Contiguous {
			if at, port, ok := n.beside(c, internal); ok {
				return at, port, natmodels.NotDropped
			}
		}
	}
	if n.preserves(c, internal.Port) {
		for i := range candidates {
			at := uint16((first + i) % len(n.pools))
			if c.ports = &n.pools[at].ports[sp]; n.free(c, internal.Port) {
				return at, internal.Port, natmodels.NotDropped
			}
		}
	}
	if n.portChoice == natmodels.Preserve {
		return 0, 0, natmodels.PortConflict
	}
	for i := range candidates {
		at := uint16((first + i) % len(n.pools))
		if c.ports = &n.pools[at].ports[sp]; n.hasFree(c) {
			return at, n.freePort(c), natmodels.NotDropped
		}
	}
	return 0, 0, natmodels.PortsExhausted
}

// preserves reports whether the port choice keeps an internal port that is free.
func (n *NAT) preserves(c choice, port uint16) bool {
	switch n.portChoice {
	case natmodels.Preserve, natmodels.PreserveElseRandom:
		return c.among.Contains(port)
	}
	return false
}

// conflict returns the mapping that stood in the way of a preserved port on the
// address paired with the internal one.
func (n *NAT) conflict(sp space, internal table.Endpoint, reason natmodels.Reason, t uint64) *mapping {
	if reason != natmodels.PortConflict || n.cfg.Pooling == natmodels.Arbitrary {
		return nil
	}
	return n.holder(&n.pools[n.firstPool(internal.Addr)].ports[sp], internal.Port, t)
}

// choice is the search for a free port on one address.
type choice struct {
	sp     space
	ports  *portSpace
	among  natmodels.PortRange
	parity bool   // only ports of the parity of odd
	odd    uint16 // 0 or 1
	t      uint64
}

// suits reports whether the port is one of those looked for.
func (c *choice) suits(port uint16) bool { return !c.parity || port&1 == c.odd }

// free reports whether a port may be given out.
func (n *NAT) free(c choice, port uint16) bool {
	if n.holder(c.ports, port, c.t) != nil {
		return false
	}
	return c.ports.until == nil || c.ports.until[port] <= c.t
}

// hasFree reports whether there is a port to give out. Where any port of the range
// will do they are counted, otherwise somebody must look.
func (n *NAT) hasFree(c choice) bool {
	if n.picky {
		n.expireAll(c.t)
		_, ok := n.nextFree(c, c.among.First)
		return ok
	}
	if c.ports.inUse == c.among.Size() {
		n.expireAll(c.t)
	}
	return c.ports.inUse < c.among.Size()
}

// freePort picks a port where there is one.
func (n *NAT) freePort(c choice) uint16 {
	if n.portChoice == natmodels.Sequential {
		return n.sequentialPort(c)
	}
	const tries = 16
	size := c.among.Size()
	var port uint16
	for range tries {
		port = c.among.First + uint16(n.random.IntN(size)) // RFC 6056 section 3.3.2
		if c.suits(port) && n.free(c, port) {
			return port
		}
	}
	port, _ = n.nextFree(c, port)
	return port
}

// sequentialPort steps on from the port given out last. If the steps come round to
// where they began without meeting a free port, the next free one upward is taken.
func (n *NAT) sequentialPort(c choice) uint16 {
	p, r := c.ports, c.among
	size := r.Size()
	offset := 0
	if p.begun {
		offset = wrap(r, int(p.last-r.First)+n.cfg.Step)
	}
	p.begun = true
	begin := offset
	for {
		p.last = r.First + uint16(offset)
		if n.free(c, p.last) {
			return p.last
		}
		offset = wrap(r, offset+n.cfg.Step)
		if offset == begin {
			p.last, _ = n.nextFree(c, r.First+uint16((begin+1)%size))
			return p.last
		}
	}
}

// nextFree returns the first free port from begin upward, wrapping in the range.
func (n *NAT) nextFree(c choice, begin uint16) (uint16, bool) {
	n.expireAll(c.t)
	size := c.among.Size()
	offset := int(begin - c.among.First)
	for range size {
		if port := c.among.First + uint16(offset); c.suits(port) && n.free(c, port) {
			return port, true
		}
		offset = (offset + 1) % size
	}
	return 0, false
}

// narrow limits a choice to the ports that an internal endpoint may get: its block,
// its class (RFC 4787 REQ-3a), its parity (REQ-4).
func (n *NAT) narrow(first int, c choice, internal table.Endpoint) (int, choice, bool) {
	if n.cfg.Blocks.Size > 0 {
		external, ports, ok := n.cfg.Block(n.place.External, internal.Addr.Netip())
		if !ok {
			return 0, c, false
		}
		first, c.among = int(n.byAddr[table.Pack(external)]), ports
	}
	if n.cfg.PortClasses && c.sp != icmpSpace && internal.Port < 1024 {
		c.among = wellKnownPorts
	}
	c.parity, c.odd = n.cfg.Parity && c.sp != icmpSpace, internal.Port&1
	return first, c, true
}

// beside returns the port next to that of the neighbour: RTCP beside RTP (RFC 4787
// section 4.2.3 asks for no such thing; some devices do it).
func (n *NAT) beside(c choice, internal table.Endpoint) (at, port uint16, ok bool) {
	if c.sp != udpSpace || internal.Port&1 == 0 {
		return 0, 0, false
	}
	f := flowOf(natmodels.UDP, table.Endpoint{Addr: internal.Addr, Port: internal.Port - 1}, table.Endpoint{})
	_, rtp := n.lookup(&f)
	if rtp == nil || n.deadline(rtp) <= c.t || rtp.port&1 == 1 {
		return 0, 0, false
	}
	c.ports = &n.pools[rtp.pool].ports[udpSpace]
	return rtp.pool, rtp.port + 1, c.among.Contains(rtp.port+1) && n.free(c, rtp.port+1)
}

// wrap brings an offset into a range of ports.
func wrap(r natmodels.PortRange, offset int) int {
	size := r.Size()
	return (offset%size + size) % size
}
