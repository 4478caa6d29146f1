package natmodels

import (
	"net/netip"
	"slices"
)

// Flush removes every mapping but the port forwards, as a reboot does, and forgets the
// SYNs that are held. Packets to the external endpoints that were in use are dropped with
// reason Flushed.
func (n *NAT) Flush() {
	if n.tracker != nil {
		n.tracker.flush(n.clock)
		return
	}
	n.expireAll(n.clock)
	n.each(func(ref uint32, m *mapping) {
		if !m.static {
			n.end(ref, Flushed, n.clock)
		}
	})
	n.held = nil
}

// Renumber gives the NAT other external addresses. Mappings on an address that is
// no longer in the list are lost; mappings on an address that stays, stay. A port
// forward on an address that goes moves to the new address at the same position of
// the list, and takes the port from a mapping that holds it there.
//
// If the configuration with the new addresses cannot be honoured, Renumber changes
// nothing and returns the error of Config.Validate.
func (n *NAT) Renumber(external []netip.Addr) error {
	cfg := n.Config()
	cfg.External = slices.Clone(external)
	for i, s := range cfg.Static {
		at := slices.Index(n.cfg.External, s.External.Addr())
		if at < len(external) && !slices.Contains(external, s.External.Addr()) {
			cfg.Static[i].External = netip.AddrPortFrom(external[at], s.External.Port())
		}
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	if n.tracker != nil {
		n.cfg = cfg
		n.tracker.renumber(n.Config(), n.clock)
		return nil
	}
	n.expireAll(n.clock)
	n.each(func(ref uint32, m *mapping) {
		if !slices.Contains(external, n.pools[m.pool].ip) {
			n.end(ref, Renumbered, n.clock)
		}
	})
	old, oldPools := n.cfg, n.pools
	n.setPools(external)
	n.releaseGone()
	n.each(func(_ uint32, m *mapping) { m.pool = n.byAddr[oldPools[m.pool].addr] })
	n.cfg = cfg
	for i, s := range cfg.Static {
		if s == old.Static[i] {
			continue
		}
		p := n.pools[n.byAddr[packAddr(s.External.Addr())]]
		if ref := p.ports[spaceOf(s.Protocol)].at(s.External.Port()); ref != 0 {
			n.end(ref, Renumbered, n.clock)
		}
		n.forward(s)
	}
	return nil
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
//   - A Seed other than 0 restarts the random choices; 0 continues them.
//
// With a Conntrack every connection stays as it is, and its timer restarts by the new
// settings with its next packet.
//
// Kind cannot change. External, Static, Prefixes and NAT64 must be empty or as they are: use
// Renumber to change addresses. If cfg cannot be honoured, nothing changes.
func (n *NAT) SetBehavior(cfg Config) error {
	cfg, err := n.completed(cfg)
	if err != nil {
		return err
	}
	n.expireAll(n.clock)
	sentTo := n.takeGrants(cfg)
	if cfg.Seed != 0 {
		n.seed(cfg.Seed)
	} else {
		cfg.Seed = n.cfg.Seed
	}
	before := n.ranges
	n.configure(cfg)
	if n.tracker != nil {
		n.tracker.random = n.random
		n.tracker.configure(n.cfg)
	}
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
			n.wheel.unschedule(&m.timed)
			n.wheel.schedule(ref, n.deadline(m))
		}
		for _, k := range sentTo[ref] {
			n.permit(ref, m, k.remote, k.last)
		}
	})
	return nil
}

// completed fills in what cfg leaves as it is, and checks it.
func (n *NAT) completed(cfg Config) (Config, error) {
	if cfg.Kind != n.cfg.Kind {
		return cfg, &ConfigError{"Kind", "a " + n.cfg.Kind.String() + " cannot become a " + cfg.Kind.String() + " while it runs"}
	}
	if len(cfg.External) == 0 {
		cfg.External = n.cfg.External
	}
	if len(cfg.Static) == 0 {
		cfg.Static = n.cfg.Static
	}
	if len(cfg.Prefixes) == 0 {
		cfg.Prefixes = n.cfg.Prefixes
	}
	if cfg.NAT64 == (netip.Prefix{}) {
		cfg.NAT64 = n.cfg.NAT64
	}
	if cfg.NAT64 != n.cfg.NAT64 {
		return cfg, &ConfigError{"NAT64", "a NAT64 cannot change its prefix, nor another NAT become one, while it runs"}
	}
	if !slices.Equal(cfg.Prefixes, n.cfg.Prefixes) {
		return cfg, &ConfigError{"Prefixes", "the prefixes of a running NAT cannot change"}
	}
	if !slices.Equal(cfg.External, n.cfg.External) {
		return cfg, &ConfigError{"External", "the addresses of a running NAT are changed with Renumber"}
	}
	if !slices.Equal(cfg.Static, n.cfg.Static) {
		return cfg, &ConfigError{"Static", "the port forwards of a running NAT cannot change"}
	}
	return cfg, cfg.Validate()
}

// kept is a permission that outlives a change of behavior.
type kept struct {
	remote endpoint
	last   uint64
}

// takeGrants takes back everything granted and returns what stays granted, by
// mapping, once the configuration changes to next.
func (n *NAT) takeGrants(next Config) map[uint32][]kept {
	sentTo := make(map[uint32][]kept)
	n.each(func(ref uint32, m *mapping) {
		was, will := n.filtering[spaceOf(m.protocol)], next.filtering(m.protocol)
		if will == was || will == AddressDependent && was == AddressAndPortDependent {
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
		if n.permission > 0 && m.protocol != TCP {
			if last = n.findGrant(ref, m, remote).last; n.clock-last >= n.permission {
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
