package vnet

import (
	"container/list"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/pion/logging"
	"github.com/pion/transport/v3"
	pion "github.com/pion/transport/v3/vnet"

	"github.com/natproof/natproof/natmodels"
)

// SiteConfig describes a local network.
type SiteConfig struct {
	Prefix netip.Prefix // IPv4, /30 or shorter; the first address is the site's own router
	Link   LinkConfig   // joins the site to its realm
	// Inbound is the direction of the link into the site; nil is the same as Link.
	Inbound *LinkConfig
}

func (c SiteConfig) check() error {
	if !c.Prefix.IsValid() || !c.Prefix.Addr().Is4() || c.Prefix.Bits() > 30 {
		return fmt.Errorf("prefix %v: want an IPv4 prefix of /30 or shorter", c.Prefix)
	}
	if c.Prefix != c.Prefix.Masked() {
		return fmt.Errorf("prefix %v: has host bits set; %v is meant", c.Prefix, c.Prefix.Masked())
	}
	return checkLinks(c.Link, c.Inbound)
}

// pionMu guards what pion keeps in package variables without a lock (the MAC
// address counter that NewNet and NewRouter step), so labs can be built side by side.
var pionMu sync.Mutex

// Site is a local network: one pion router with pion hosts on it. What its
// hosts send goes to the core, also from one host of the site to another; what
// is for its hosts comes from the core and through pion's router and sockets.
//
// pion offers no way to put a packet with a foreign source into a router, but
// its hosts may own any address: the site's injector is a pion host that takes
// on each remote address as it appears and sends from it.
type Site struct {
	lab    *Lab
	realm  *Realm
	name   string
	index  int
	prefix netip.Prefix
	link   *Link

	arrived func(*packet) // enter, bound once

	router   *pion.Router
	injector *pion.Net
	uplink   *transport.Interface // the injector's, which takes on remote addresses
	owned    map[netip.Addr]bool  // addresses the injector has taken on
	remotes  map[netip.AddrPort]*list.Element
	recent   *list.List // of *remote, most recently used first
	scratch  []byte

	hosts  map[netip.Addr]*Host
	byName []*Host
	last   netip.Addr
}

// remote is a pion conn that sends as somebody far away.
type remote struct {
	addr netip.AddrPort
	conn transport.UDPConn
}

// maxRemotes bounds the conns a site keeps; each costs pion 16 KiB.
const maxRemotes = 256

// headerLen is the length of the packet's identity, put before a payload on its
// last hop through pion and taken off by the host's socket.
const headerLen = 8

func newSite(l *Lab, r *Realm, name string, cfg SiteConfig) (*Site, error) {
	s := &Site{
		lab: l, realm: r, name: name, index: len(l.sites), prefix: cfg.Prefix,
		link:    newLink(l, name, cfg.Link, cfg.Inbound),
		owned:   map[netip.Addr]bool{},
		remotes: map[netip.AddrPort]*list.Element{},
		recent:  list.New(),
		hosts:   map[netip.Addr]*Host{},
	}
	s.arrived = s.enter
	own := cfg.Prefix.Addr().Next()
	s.last = own

	pionMu.Lock()
	defer pionMu.Unlock()
	router, err := pion.NewRouter(&pion.RouterConfig{Name: name, CIDR: cfg.Prefix.String(), LoggerFactory: silence{}})
	if err != nil {
		return nil, err
	}
	injector, err := pion.NewNet(&pion.NetConfig{StaticIPs: []string{own.String()}})
	if err != nil {
		return nil, err
	}
	if err := router.AddNet(injector); err != nil {
		return nil, err
	}
	if s.uplink, err = injector.InterfaceByName("eth0"); err != nil {
		return nil, err
	}
	for n, a := range l.hosts {
		if err := router.AddHost(n, a.String()); err != nil {
			return nil, err
		}
	}
	if err := router.Start(); err != nil {
		return nil, err
	}
	s.router, s.injector = router, injector
	return s, nil
}

// Name is the site's name in traces.
func (s *Site) Name() string { return s.name }

// Prefix is the site's addresses.
func (s *Site) Prefix() netip.Prefix { return s.prefix }

// Link is the link to the realm.
func (s *Site) Link() *Link { return s.link }

// AddHost attaches a host with the given addresses, or the next free one.
func (s *Site) AddHost(name string, addrs ...netip.Addr) (*Host, error) {
	s.lab.core.Lock()
	defer s.lab.core.Unlock()
	if len(addrs) == 0 {
		a, err := s.nextFree()
		if err != nil {
			return nil, fmt.Errorf("vnet: host %q: %w", name, err)
		}
		addrs = []netip.Addr{a}
	}
	ips := make([]string, len(addrs))
	for i, a := range addrs {
		switch {
		case !s.prefix.Contains(a):
			return nil, fmt.Errorf("vnet: host %q: address %v is not in site %q (%v)", name, a, s.name, s.prefix)
		case a == s.prefix.Addr() || a == s.prefix.Addr().Next():
			return nil, fmt.Errorf("vnet: host %q: address %v is the network's or its router's own", name, a)
		case s.hosts[a] != nil:
			return nil, fmt.Errorf("vnet: host %q: address %v belongs to %q", name, a, s.hosts[a].name)
		}
		ips[i] = a.String()
	}
	if err := s.lab.claim(name); err != nil {
		return nil, err
	}
	pionMu.Lock()
	n, err := pion.NewNet(&pion.NetConfig{StaticIPs: ips})
	pionMu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("vnet: host %q: %w", name, err)
	}
	if err := s.router.AddNet(n); err != nil {
		return nil, fmt.Errorf("vnet: host %q: %w", name, err)
	}
	h := &Host{site: s, name: name, addrs: append([]netip.Addr(nil), addrs...), pion: n, socks: map[netip.AddrPort]*Conn{}}
	h.next = h.turn
	for _, a := range addrs {
		s.hosts[a] = h
	}
	s.byName = append(s.byName, h)
	return h, nil
}

func (s *Site) nextFree() (netip.Addr, error) {
	for a := s.last.Next(); s.prefix.Contains(a); a = a.Next() {
		s.last = a
		if s.hosts[a] == nil {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("site %q: no address left in %v", s.name, s.prefix)
}

func (s *Site) hostName(a netip.Addr) string {
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
	case h == nil:
		s.lab.drop(p, p.np, s.name, NoRoute, natmodels.MappingInfo{}, fmt.Sprintf("no host on the site has %v", p.np.Dst.Addr()))
	case p.np.Protocol != natmodels.UDP:
		s.lab.drop(p, p.np, h.name, Unsupported, natmodels.MappingInfo{}, "hosts take UDP only")
	default:
		h.receive(p)
	}
}

// inject sends a payload to a host through pion, from the far address.
func (s *Site) inject(p *packet, to *net.UDPAddr) error {
	conn, err := s.remoteConn(p.np.Src)
	if err != nil {
		return err
	}
	s.scratch = binary.BigEndian.AppendUint64(s.scratch[:0], p.id)
	s.scratch = append(s.scratch, p.payload...)
	_, err = conn.WriteTo(s.scratch, to)
	return err
}

// remoteConn finds or makes the conn that speaks for a far address.
func (s *Site) remoteConn(a netip.AddrPort) (transport.UDPConn, error) {
	if e, ok := s.remotes[a]; ok {
		s.recent.MoveToFront(e)
		return e.Value.(*remote).conn, nil
	}
	if s.recent.Len() >= maxRemotes {
		oldest := s.recent.Back()
		r := s.recent.Remove(oldest).(*remote)
		delete(s.remotes, r.addr)
		if err := r.conn.Close(); err != nil {
			return nil, err
		}
	}
	if !s.owned[a.Addr()] {
		s.uplink.AddAddress(&net.IPNet{IP: a.Addr().AsSlice(), Mask: net.CIDRMask(32, 32)})
		s.owned[a.Addr()] = true
	}
	conn, err := s.injector.ListenUDP("udp4", net.UDPAddrFromAddrPort(a))
	if err != nil {
		return nil, err
	}
	s.remotes[a] = s.recent.PushFront(&remote{addr: a, conn: conn})
	return conn, nil
}

func (s *Site) close() error {
	var errs []error
	for _, h := range s.byName {
		errs = append(errs, h.closeAll())
	}
	for e := s.recent.Front(); e != nil; e = e.Next() {
		errs = append(errs, e.Value.(*remote).conn.Close())
	}
	errs = append(errs, s.router.Stop())
	return errors.Join(errs...)
}

// silence is a logger factory that says nothing: the trace says it better.
type silence struct{}

func (silence) NewLogger(string) logging.LeveledLogger { return silence{} }

func (silence) Trace(string)          {}
func (silence) Tracef(string, ...any) {}
func (silence) Debug(string)          {}
func (silence) Debugf(string, ...any) {}
func (silence) Info(string)           {}
func (silence) Infof(string, ...any)  {}
func (silence) Warn(string)           {}
func (silence) Warnf(string, ...any)  {}
func (silence) Error(string)          {}
func (silence) Errorf(string, ...any) {}
