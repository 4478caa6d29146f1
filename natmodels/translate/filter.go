package translate

import (
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// A mapping admits the remotes that were granted to it. Granted remotes are held
// under the key of the filtering behavior: an address alone for address-dependent
// filtering, address and port for address-and-port-dependent filtering. The first
// one is in the mapping itself, where most lookups end; the others are grants.

// grant is a further remote that a mapping admits.
type grant struct {
	remote table.Endpoint
	last   uint64 // with PermissionTimeout: when it was sent to
	owner  uint32 // mapping
	next   uint32 // grant of the same owner
}

// endpointKey names an internal endpoint.
type endpointKey struct {
	protocol natmodels.Protocol
	internal table.Endpoint
}

func (m *mapping) endpointKey() endpointKey {
	return endpointKey{m.protocol, table.Endpoint{Addr: m.flow.internal, Port: m.internalPort}}
}

// permit opens the filter for the remote that the internal endpoint sends to.
func (n *NAT) permit(ref uint32, m *mapping, remote table.Endpoint, t uint64) {
	filtering := n.filtering[spaceOf(m.protocol)]
	if m.static || filtering == natmodels.EndpointIndependent {
		return
	}
	k := table.Key(filtering, remote)
	if n.permission > 0 && m.protocol != natmodels.TCP {
		n.permitFor(ref, m, k, t)
		return
	}
	if m.firstAddr == k.Addr && m.firstPort == k.Port {
		return
	}
	if m.firstAddr == (table.Addr{}) {
		m.firstAddr, m.firstPort = k.Addr, k.Port
	} else if !n.granted(ref, m, k) {
		n.grant(ref, m, k)
	} else {
		return
	}
	if n.endpoint != nil {
		e := m.endpointKey()
		if n.endpoint[e] == nil {
			n.endpoint[e] = make(map[table.Endpoint]int)
		}
		n.endpoint[e][k]++
	}
}

// permits reports whether the mapping admits a packet from remote (RFC 4787
// section 5).
func (n *NAT) permits(ref uint32, m *mapping, remote table.Endpoint, t uint64) bool {
	filtering := n.filtering[spaceOf(m.protocol)]
	if m.static || filtering == natmodels.EndpointIndependent {
		return true
	}
	return n.holeFor(ref, m, remote.Addr, t) != nil || n.sentTo(ref, m, table.Key(filtering, remote), t)
}

// sentTo reports whether the filter is open because the inside sent to a remote, given
// by its key.
func (n *NAT) sentTo(ref uint32, m *mapping, k table.Endpoint, t uint64) bool {
	if n.permission > 0 && m.protocol != natmodels.TCP {
		g := n.findGrant(ref, m, k)
		return g != nil && t-g.last < n.permission
	}
	if m.firstAddr == k.Addr && m.firstPort == k.Port || n.granted(ref, m, k) {
		return true
	}
	if n.endpoint == nil {
		return false
	}
	n.expireAll(t) // another mapping of the endpoint may have died with its grants
	return n.endpoint[m.endpointKey()][k] > 0
}

func (n *NAT) grantHash(owner uint32, remote table.Endpoint) uint32 {
	return n.hashing.Words(remote.Addr, table.Addr{}, uint64(owner)<<16|uint64(remote.Port))
}

func (n *NAT) granted(owner uint32, m *mapping, remote table.Endpoint) bool {
	return n.findGrant(owner, m, remote) != nil
}

func (n *NAT) findGrant(owner uint32, m *mapping, remote table.Endpoint) *grant {
	if m.moreGrants == 0 {
		return nil
	}
	p := n.byGrant.Probe(n.grantHash(owner, remote))
	for ref := p.Next(); ref != 0; ref = p.Next() {
		if g := n.grants.At(ref); g.owner == owner && g.remote == remote {
			return g
		}
	}
	return nil
}

// permitFor opens the filter for the time of a permission. One that has run out stays
// in the table until the mapping ends, and costs nothing but its place.
func (n *NAT) permitFor(ref uint32, m *mapping, remote table.Endpoint, t uint64) {
	g := n.findGrant(ref, m, remote)
	if g == nil {
		n.grant(ref, m, remote)
		g = n.grants.At(m.moreGrants)
	}
	g.last = t
}

func (n *NAT) grant(owner uint32, m *mapping, remote table.Endpoint) {
	ref := n.grants.Take()
	*n.grants.At(ref) = grant{remote: remote, owner: owner, next: m.moreGrants}
	m.moreGrants = ref
	n.byGrant.Insert(n.grantHash(owner, remote), ref)
}

// revoke takes back everything granted to a mapping.
func (n *NAT) revoke(owner uint32, m *mapping) {
	if n.endpoint != nil {
		n.revokeEndpoint(m)
	}
	for ref := m.moreGrants; ref != 0; {
		g := n.grants.At(ref)
		next := g.next
		n.byGrant.Remove(n.grantHash(owner, g.remote), ref)
		n.grants.Release(ref)
		ref = next
	}
	m.firstAddr, m.firstPort, m.moreGrants = table.Addr{}, 0, 0
}

func (n *NAT) revokeEndpoint(m *mapping) {
	e := m.endpointKey()
	held := n.endpoint[e]
	for k := range n.grantsOf(m) {
		if held[k]--; held[k] == 0 {
			delete(held, k)
		}
	}
	if len(held) == 0 {
		delete(n.endpoint, e)
	}
}

// grantsOf yields what was granted to the mapping itself.
func (n *NAT) grantsOf(m *mapping) func(yield func(table.Endpoint) bool) {
	return func(yield func(table.Endpoint) bool) {
		if m.firstAddr != (table.Addr{}) && !yield(table.Endpoint{Addr: m.firstAddr, Port: m.firstPort}) {
			return
		}
		for ref := m.moreGrants; ref != 0; ref = n.grants.At(ref).next {
			if !yield(n.grants.At(ref).remote) {
				return
			}
		}
	}
}

// Admitted lists the remotes that the filter of a mapping admits at now, sorted: an
// address with port 0 stands for all ports of it. everyone is true for a mapping
// that admits every remote. A mapping that is no more admits none.
func (n *NAT) Admitted(m natmodels.MappingInfo, now time.Time) (remotes []netip.AddrPort, everyone bool) {
	t := n.clock.Tick(now)
	n.expireAll(t)
	at, ok := n.poolAt(table.Pack(m.External.Addr()))
	if !ok {
		return nil, false
	}
	held := n.holder(&n.pools[at].ports[spaceOf(m.Protocol)], m.External.Port(), t)
	if held == nil || held.id != m.ID {
		return nil, false
	}
	if held.static || n.filtering[spaceOf(held.protocol)] == natmodels.EndpointIndependent {
		return nil, true
	}
	ref := n.pools[at].ports[spaceOf(m.Protocol)].at(m.External.Port())
	for _, h := range n.holes[ref] {
		switch {
		case !h.admits(h.remote, t):
		case h.remote == table.Addr{}:
			return nil, true
		default:
			remotes = append(remotes, table.Endpoint{Addr: h.remote}.Netip())
		}
	}
	if n.endpoint != nil {
		for k := range n.endpoint[held.endpointKey()] {
			remotes = append(remotes, k.Netip())
		}
	} else {
		for k := range n.grantsOf(held) {
			if n.sentTo(ref, held, k, t) {
				remotes = append(remotes, k.Netip())
			}
		}
	}
	slices.SortFunc(remotes, netip.AddrPort.Compare)
	return slices.Compact(remotes), false
}
