package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/vnet"
)

const defaultDomain = cell.Domain

// lookup is the NAT of a name; a file is looked for beside the lab file.
func (f *File) lookup(name string) (natmodels.Model, error) {
	if catalogue.IsFile(name) && f.dir != "" && !filepath.IsAbs(name) {
		name = filepath.Join(f.dir, name)
		if !strings.ContainsRune(name, filepath.Separator) {
			name = "." + string(filepath.Separator) + name
		}
	}
	return catalogue.Lookup(name)
}

// model is how a NAT behaves.
func (f *File) model(n *NAT) (natmodels.Model, error) {
	m, err := f.lookup(n.Model)
	if err == nil && n.ALG == "linux" && m.Behavior().Kind == natmodels.Conntrack {
		m, err = catalogue.Vary(m, "sip-helper yes")
	}
	if err == nil && n.Settings != "" {
		m, err = catalogue.Vary(m, string(n.Settings))
	}
	return m, err
}

func (f *File) host(name string) *Host {
	if s := f.Sites.Find(f.siteOf(name)); s != nil {
		return s.Hosts.Find(name)
	}
	return nil
}

// siteOf is the site that a host is on.
func (f *File) siteOf(host string) string {
	for i := range f.Sites {
		if f.Sites[i].Value.Hosts.Find(host) != nil {
			return f.Sites[i].Name
		}
	}
	return ""
}

func (f *File) programHosts() []string {
	var all []string
	for i := range f.Endpoints {
		if p, ok := f.Endpoints[i].Value.Is.(*Program); ok {
			all = append(all, p.Host)
		}
	}
	return all
}

// Programs says whether the lab has real programs, and so needs the real clock.
func (f *File) Programs() bool { return len(f.programHosts()) > 0 }

func (s *Server) host() string {
	switch s := s.Is.(type) {
	case *Registrar:
		return s.Host
	case *STUNServer:
		return s.Host
	case *Gateway:
		return s.Host
	}
	return ""
}

func (e *Endpoint) host() string {
	switch e := e.Is.(type) {
	case *UA:
		return e.Host
	case *Plain:
		return e.Host
	case *Program:
		return e.Host
	}
	return ""
}

// addr is the address and port of a server as it is bound.
func (f *File) addr(s *Server) netip.AddrPort {
	at := f.host(s.host()).Addrs[0]
	switch s := s.Is.(type) {
	case *Registrar:
		return netip.AddrPortFrom(at, s.Port)
	case *STUNServer:
		return netip.AddrPortFrom(at, s.Port)
	case *Gateway:
		return netip.AddrPortFrom(at, s.Port)
	}
	return netip.AddrPort{}
}

// proxyOf is where an endpoint sends its requests.
func (f *File) proxyOf(a *Account) netip.AddrPort {
	if a.Proxy.IsValid() {
		return a.Proxy
	}
	s := f.Servers.Find(a.Registrar)
	if r := s.Is.(*Registrar); r.Advertise.IsValid() {
		return r.Advertise
	}
	return f.addr(s)
}

// forwarding is a port of a host, and where it is reached from the internet.
type forwarding struct{ internal, external netip.AddrPort }

// forwardsTo are the UDP ports that are forwarded to a host through every NAT in front of it, in the
// order of its NAT.
func (f *File) forwardsTo(host string) []forwarding {
	s := f.Sites.Find(f.siteOf(host))
	if s == nil || s.Behind == "" {
		return nil
	}
	var all []forwarding
	for _, fw := range f.NATs.Find(s.Behind).Forwards {
		if (fw.Protocol == "" || fw.Protocol == natmodels.UDP.String()) && slices.Contains(f.host(host).Addrs, fw.Internal.Addr()) {
			if out, ok := f.outermost(f.NATs.Find(s.Behind), fw.External); ok {
				all = append(all, forwarding{fw.Internal, out})
			}
		}
	}
	return all
}

// outermost follows a forwarded port outwards.
func (f *File) outermost(n *NAT, at netip.AddrPort) (netip.AddrPort, bool) {
	for n.Behind != "" {
		n = f.NATs.Find(n.Behind)
		i := slices.IndexFunc(n.Forwards, func(x Forward) bool { return x.Internal == at })
		if i < 0 {
			return at, false
		}
		at = n.Forwards[i].External
	}
	return at, true
}

// linkDown is the text of a link that is down.
const linkDown = "down"

func (l *Link) down() bool { return l.Up == linkDown && l.Down == linkDown }

// directions are what the link is, out and in.
func (l *Link) directions() (up, down vnet.LinkConfig, err error) {
	return l.over([2]vnet.LinkConfig{})
}

// over are the directions of a link of which only what is different was said.
func (l *Link) over(base [2]vnet.LinkConfig) (up, down vnet.LinkConfig, err error) {
	up, upErr := changed(base[0], l.Up, 0)
	down, downErr := changed(base[1], l.Down, 1)
	if l.Up == l.Down {
		downErr = nil // once is enough
	}
	return up, down, errors.Join(upErr, downErr)
}

// changed is a direction with some settings changed. A preset, and perfect, leave nothing as it was.
func changed(base vnet.LinkConfig, text string, direction int) (vnet.LinkConfig, error) {
	if !strings.Contains(text, "=") && text != "perfect" {
		up, down, err := vnet.LinkPreset(text)
		if err != nil {
			return base, err
		}
		return [2]vnet.LinkConfig{up, down}[direction], nil
	}
	if base == (vnet.LinkConfig{}) || text == "perfect" {
		return vnet.ParseLinkConfig(text)
	}
	said := map[string]bool{}
	for setting := range strings.FieldsSeq(text) {
		name, _, _ := strings.Cut(setting, "=")
		said[name] = true
	}
	var kept []string
	for setting := range strings.FieldsSeq(base.String()) {
		if name, _, _ := strings.Cut(setting, "="); !said[name] {
			kept = append(kept, setting)
		}
	}
	c, err := vnet.ParseLinkConfig(strings.Join(append(kept, text), " "))
	if err != nil {
		return c, fmt.Errorf("%w (with %v)", err, base)
	}
	return c, nil
}

// linkOf is what the link of a site or NAT is at first.
func (f *File) linkOf(box string) (c [2]vnet.LinkConfig, err error) {
	var l *Link
	if n := f.NATs.Find(box); n != nil {
		l = n.Link
	} else if s := f.Sites.Find(box); s != nil {
		l = s.Link
	}
	if l != nil {
		c[0], c[1], err = l.directions()
	}
	return c, err
}
