package vnet

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// HostKind says what the sockets of a site's hosts are made of.
type HostKind uint8

const (
	// Pion hosts are pion vnet Nets on a pion vnet router, which carries what is for them.
	// IPv4.
	Pion HostKind = iota
	// Native hosts are this package's own: UDP over IPv4 and IPv6, for speed and number.
	Native
)

var hostKindNames = [...]string{Pion: "pion", Native: "native"}

// String returns "pion" or "native".
func (k HostKind) String() string {
	if int(k) < len(hostKindNames) {
		return hostKindNames[k]
	}
	return fmt.Sprintf("HostKind(%d)", uint8(k))
}

// SiteConfig describes a local network.
type SiteConfig struct {
	// Prefix is /30 or shorter, of IPv6 /126 or shorter; the first address is the site's own
	// router.
	Prefix netip.Prefix
	Link   LinkConfig // joins the site to its realm
	// Inbound is the direction of the link into the site; nil is the same as Link.
	Inbound *LinkConfig
	Hosts   HostKind
}

func (c SiteConfig) check() error {
	switch {
	case !c.Prefix.IsValid() || c.Prefix.Addr().Is4() && c.Prefix.Bits() > 30 || c.Prefix.Bits() > 126:
		return fmt.Errorf("prefix %v: want one of /30 or shorter, of IPv6 /126", c.Prefix)
	case c.Prefix != c.Prefix.Masked():
		return fmt.Errorf("prefix %v: has host bits set; %v is meant", c.Prefix, c.Prefix.Masked())
	case c.Prefix.Addr().Is4In6():
		return fmt.Errorf("prefix %v: write IPv4 as IPv4", c.Prefix)
	case c.Hosts > Native:
		return fmt.Errorf("hosts %v: there are pion and native ones", c.Hosts)
	case c.Hosts == Pion && c.Prefix.Addr().Is6():
		return fmt.Errorf("prefix %v: pion hosts have IPv4 only; Native ones have both", c.Prefix)
	}
	return checkLinks(c.Link, c.Inbound)
}

// Site is a local network with hosts on it. What they send goes to the core, also from one host
// of the site to another; what is for them comes from the core.
type Site struct {
	lab    *Lab
	realm  *Realm
	name   string
	index  int
	prefix netip.Prefix
	link   *Link

	arrived func(*packet) // enter, bound once

	pion  *pionNet // nil on a native site
	guest *guest   // a router that somebody else has built; nil on all other sites

	hosts  map[netip.Addr]*Host
	ports  map[netip.Addr]*Port // nil: there are none
	byName []*Host
	last   netip.Addr
}

func newSite(l *Lab, r *Realm, name string, cfg SiteConfig) (s *Site, err error) {
	s = &Site{
		lab: l, realm: r, name: name, index: len(l.sites), prefix: cfg.Prefix,
		link:  newLink(l, name, cfg.Link, cfg.Inbound),
		hosts: map[netip.Addr]*Host{},
		last:  cfg.Prefix.Addr().Next(),
	}
	s.arrived = s.enter
	s.link.realm = r
	s.link.router = func(netip.Addr) netip.Addr { return s.router() }
	s.link.up.back, s.link.down.back = s.arrived, r.originate
	if cfg.Hosts == Pion {
		s.pion, err = newPionNet(name, cfg.Prefix)
	}
	return s, err
}

// Name is the site's name in traces.
func (s *Site) Name() string { return s.name }

// Lab is the lab it is in.
func (s *Site) Lab() *Lab { return s.lab }

// Prefix is the site's addresses.
func (s *Site) Prefix() netip.Prefix { return s.prefix }

// Link is the link to the realm.
func (s *Site) Link() *Link { return s.link }

// AddHost attaches a host with the given addresses, or the next free one.
func (s *Site) AddHost(name string, addrs ...netip.Addr) (*Host, error) {
	s.lab.enter()
	defer s.lab.core.Unlock()
	if s.guest != nil {
		return nil, fmt.Errorf("vnet: host %q: the hosts of %q are the Nets of its router", name, s.name)
	}
	if len(addrs) == 0 {
		a, err := s.nextFree()
		if err != nil {
			return nil, fmt.Errorf("vnet: host %q: %w", name, err)
		}
		addrs = []netip.Addr{a}
	}
	if err := s.checkAddrs(addrs); err != nil {
		return nil, fmt.Errorf("vnet: host %q: %w", name, err)
	}
	if err := s.lab.claim(name); err != nil {
		return nil, err
	}
	h := &Host{site: s, name: name, addrs: append([]netip.Addr(nil), addrs...), socks: map[netip.AddrPort]*Conn{}}
	if s.pion != nil {
		var err error
		if h.pion, err = s.pion.addHost(addrs); err != nil {
			return nil, fmt.Errorf("vnet: host %q: %w", name, err)
		}
	}
	h.next = h.turn
	h.joiner = joiner{lab: s.lab, box: name, from: func(netip.Addr) netip.Addr { return h.addrs[0] }, back: s.leave, own: h.has}
	for _, a := range addrs {
		s.hosts[a] = h
	}
	s.byName = append(s.byName, h)
	return h, nil
}

// checkAddrs refuses addresses that a newcomer cannot have.
func (s *Site) checkAddrs(addrs []netip.Addr) error {
	for _, a := range addrs {
		switch by, taken := s.taken(a); {
		case !s.prefix.Contains(a):
			return fmt.Errorf("address %v is not in site %q (%v)", a, s.name, s.prefix)
		case a == s.prefix.Addr() || a == s.router():
			return fmt.Errorf("address %v is the network's or its router's own", a)
		case taken:
			return fmt.Errorf("address %v belongs to %q", a, by)
		}
	}
	return nil
}

func (s *Site) nextFree() (netip.Addr, error) {
	for a := s.last.Next(); s.prefix.Contains(a); a = a.Next() {
		s.last = a
		if _, taken := s.taken(a); !taken {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("site %q: no address left in %v", s.name, s.prefix)
}

// taken says who has an address.
func (s *Site) taken(a netip.Addr) (by string, taken bool) {
	if h := s.hosts[a]; h != nil {
		return h.name, true
	}
	if p := s.ports[a]; p != nil {
		return p.name, true
	}
	return "", false
}

func (s *Site) hostName(a netip.Addr) string {
	if s.guest != nil {
		return s.guest.name(a)
	}
	if h := s.hosts[a]; h != nil {
		return h.name
	}
	return s.name
}

// leave carries a packet from one of the site's hosts: to a neighbour directly,
// to everybody else over the link.
func (s *Site) leave(p *packet) {
	if s.prefix.Contains(p.np.Dst.Addr()) {
		s.enter(p)
		return
	}
	s.link.up.send(p, s.realm.arrived)
}

// enter hands a packet to the host it is for.
func (s *Site) enter(p *packet) {
	h := s.hosts[p.np.Dst.Addr()]
	switch {
	case s.guest != nil:
		s.guest.enter(p)
	case h == nil && s.ports[p.np.Dst.Addr()] != nil:
		s.ports[p.np.Dst.Addr()].deliver(p)
	case h == nil:
		s.lab.drop(p, p.np, s.name, NoRoute, natmodels.MappingInfo{}, fmt.Sprintf("no host on the site has %v", p.np.Dst.Addr()))
	default:
		h.receive(p)
	}
}

func (s *Site) close() error {
	var errs []error
	for _, h := range s.byName {
		errs = append(errs, h.closeAll())
	}
	if s.pion != nil {
		errs = append(errs, s.pion.leave(), s.pion.router.Stop())
	}
	if s.guest != nil {
		s.guest.left.Store(true)
		errs = append(errs, s.guest.pion.leave())
	}
	return errors.Join(errs...)
}
