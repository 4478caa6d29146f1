package translate

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// Flush removes every mapping but the port forwards, as a reboot does, and forgets the
// SYNs that are held. Packets to the external endpoints that were in use are dropped with
// reason Flushed.
func (n *NAT) Flush() {
	n.expireAll(n.clock.Now())
	n.each(func(ref uint32, m *mapping) {
		if !m.static {
			n.end(ref, natmodels.Flushed, n.clock.Now())
		}
	})
	n.held = nil
}

// Renumber gives the NAT other external addresses. Mappings on an address that is
// no longer in the list are lost; mappings on an address that stays, stay. A port
// forward on an address that goes moves to the new address at the same position of
// the list, and takes the port from a mapping that holds it there.
//
// If that cannot be honoured, Renumber changes nothing and returns the error of New.
func (n *NAT) Renumber(external []netip.Addr) error {
	place := n.moved(external)
	var p judge.Problems
	n.cfg.checkPlace(&p, place, n.mixed)
	if err := errors.Join(p...); err != nil {
		return err
	}
	n.expireAll(n.clock.Now())
	n.each(func(ref uint32, m *mapping) {
		if !slices.Contains(external, n.pools[m.pool].ip) {
			n.end(ref, natmodels.Renumbered, n.clock.Now())
		}
	})
	old, oldPools := n.place, n.pools
	n.setPools(external)
	n.releaseGone()
	n.each(func(_ uint32, m *mapping) { m.pool = n.byAddr[oldPools[m.pool].addr] })
	n.place = place
	for i, s := range place.Static {
		if s == old.Static[i] {
			continue
		}
		p := n.pools[n.byAddr[table.Pack(s.External.Addr())]]
		if ref := p.ports[spaceOf(s.Protocol)].at(s.External.Port()); ref != 0 {
			n.end(ref, natmodels.Renumbered, n.clock.Now())
		}
		n.forward(s)
	}
	return nil
}

// moved is the place with other external addresses.
func (n *NAT) moved(external []netip.Addr) natmodels.Place {
	place := n.Place()
	place.External = slices.Clone(external)
	for i, s := range place.Static {
		at := slices.Index(n.place.External, s.External.Addr())
		if at < len(external) && !slices.Contains(external, s.External.Addr()) {
			place.Static[i].External = netip.AddrPortFrom(external[at], s.External.Port())
		}
	}
	return place
}

// SetBehavior changes the behavior of the running NAT, which RFC 4787 REQ-11
// forbids and real devices do. From the next packet on the new settings decide, for
// the mappings that exist too:
//
//   - No mapping moves or ends: each stays reachable at its external endpoint, even
//     outside the new PortRange.
//   - Another Mapping behavior finds no mappings that were made under the old one:
//     the next packet from the inside makes a new mapping, beside the old one.
//   - Another Filtering forgets which remotes were sent to, except that
//     address-and-port-dependent turned into address-dependent filtering keeps the
//     addresses. Another FilterScope forgets nothing.
//   - Other timeouts count from the last refresh of each mapping. WellKnownTimeout is
//     for new mappings only. TCP connections keep their deadlines until their next
//     packet, and SYNs that are held keep theirs.
//   - Limits end nothing.
//
// If the settings cannot be honoured, nothing changes.
func (n *NAT) SetBehavior(m natmodels.Model) error {
	cfg, ok := m.(Config)
	if !ok {
		return judge.Become(natmodels.Translator, m.Behavior().Kind)
	}
	p := cfg.problems()
	cfg.checkPlace(&p, n.place, n.mixed)
	if err := errors.Join(p...); err != nil {
		return err
	}
	n.change(cfg)
	return nil
}

// change takes over settings that were checked.
func (n *NAT) change(cfg Config) {
	n.expireAll(n.clock.Now())
	sentTo := n.takeGrants(cfg)
	before := n.ranges
	n.configure(cfg)
	if n.ranges != before {
		for _, p := range n.pools {
			for sp := range p.ports {
				p.ports[sp].recount(n.ranges[sp])
			}
		}
	}
	if cfg.ReuseDelay == 0 {
		n.forgetRests()
	}
	n.regroup()
	n.measure()
	n.each(func(ref uint32, m *mapping) {
		m.short = false
		if !m.static {
			n.wheel.Unschedule(&m.Timed)
			n.wheel.Schedule(ref, n.deadline(m))
		}
		for _, k := range sentTo[ref] {
			n.permit(ref, m, k.remote, k.last)
		}
	})
}

// kept is a permission that outlives a change of behavior.
type kept struct {
	remote table.Endpoint
	last   uint64
}

// takeGrants takes back everything granted and returns what stays granted, by
// mapping, once the configuration changes to next.
func (n *NAT) takeGrants(next Config) map[uint32][]kept {
	sentTo := make(map[uint32][]kept)
	n.each(func(ref uint32, m *mapping) {
		was, will := n.filtering[spaceOf(m.protocol)], next.filtering(m.protocol)
		if will == was || will == natmodels.AddressDependent && was == natmodels.AddressAndPortDependent {
			sentTo[ref] = n.granting(ref, m)
		}
		n.revoke(ref, m)
	})
	return sentTo
}

// granting lists what is granted to a mapping now.
func (n *NAT) granting(ref uint32, m *mapping) []kept {
	var list []kept
	for remote := range n.grantsOf(m) {
		last := m.last
		if n.permission > 0 && m.protocol != natmodels.TCP {
			if last = n.findGrant(ref, m, remote).last; n.clock.Now()-last >= n.permission {
				continue
			}
		}
		list = append(list, kept{remote, last})
	}
	return list
}

// forgetRests lets every freed port be given out again at once.
func (n *NAT) forgetRests() {
	for _, p := range n.pools {
		for sp := range p.ports {
			p.ports[sp].until = nil
		}
	}
}
