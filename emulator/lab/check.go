package lab

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// checker finds what is wrong with a file whose values are all read: names that mean nothing, and what
// does not go together.
type checker struct {
	*problems
	f *File
}

func check(f *File, ps *problems) {
	c := checker{ps, f}
	f.withDefaults()
	c.walk(reflect.ValueOf(f).Elem(), "")
	if len(ps.found) > 0 {
		return // the rest would stumble over it
	}
	for _, part := range [][]func(){{c.boxes, c.nats, c.sites, c.servers}, {c.endpoints}, {c.script, c.expect}} {
		for _, x := range part {
			x()
		}
		if len(ps.found) > 0 {
			return // what comes next goes by it
		}
	}
}

// wrong is an error of what only shows when the lab is built, with the place of what it is about.
func (f *File) wrong(path string, err error) error {
	ps := problems{file: f.source.file, lines: f.source.lines}
	ps.add(f.at(path), err)
	return ps.err()
}

func (c *checker) at(path string) place { return c.f.at(path) }

// at is where a path stands in the file, or what it is a part of where nothing was written.
func (f *File) at(path string) place {
	for {
		if at, ok := f.places[path]; ok {
			return at
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return place{}
		}
		path = path[:i]
	}
}

func (c *checker) say(path string, err error) { c.add(c.at(path), err) }

func (c *checker) conflict(path, format string, args ...any) {
	c.say(path, fmt.Errorf("%w: %s", ErrConflict, fmt.Sprintf(format, args...)))
}

func (c *checker) servers() {
	ports := map[netip.AddrPort]string{}
	for i := range c.f.Servers {
		path := "servers." + c.f.Servers[i].Name
		switch s := c.f.Servers[i].Value.Is.(type) {
		case *Registrar:
			c.port(ports, path, s.Host, s.Port)
			c.registrar(s, path)
		case *STUNServer:
			c.port(ports, path, s.Host, s.Port)
			if h := c.f.host(s.Host); s.Alternate.IsValid() && h != nil && (!slices.Contains(h.Addrs, s.Alternate.Addr()) || s.Alternate.Addr() == h.Addrs[0] || s.Alternate.Port() == s.Port) {
				c.conflict(path+".alternate", "want a second address of %s, and a second port", s.Host)
			}
		case *Gateway:
			c.port(ports, path, s.Host, s.Port)
		}
	}
}

// port notes who is on a port.
func (c *checker) port(taken map[netip.AddrPort]string, path, host string, port uint16) {
	h := c.f.host(host)
	if h == nil {
		c.say(path, &natmodels.UnknownError{What: "host", Name: host, Valid: c.f.hostNames()})
		return
	}
	at := netip.AddrPortFrom(h.Addrs[0], port)
	if other, ok := taken[at]; ok && c.f.siteOf(other) == c.f.siteOf(host) {
		c.conflict(path, "%v is taken already", at)
	}
	taken[at] = host
	if slices.Contains(c.f.programHosts(), host) {
		c.conflict(path, "%s is the host of a program", host)
	}
}

func (c *checker) registrar(s *Registrar, path string) {
	another := s.Policy == "another-source"
	switch h := c.f.host(s.Host); {
	case another != s.CallsFrom.IsValid():
		c.conflict(path+".calls-from", "calls-from and the policy another-source go together")
	case another && h != nil && !slices.Contains(h.Addrs, s.CallsFrom.Addr()):
		c.conflict(path+".calls-from", "%v is no address of %s", s.CallsFrom.Addr(), s.Host)
	}
	if s.Advertise.IsValid() && s.Advertise.Port() == 0 {
		c.conflict(path+".advertise", "port 0")
	}
	for i, r := range s.Routes {
		if !isGateway(c.f.Servers.Find(r.To)) {
			c.conflict(fmt.Sprintf("%s.routes.%d.to", path, i), "%s is no gateway", r.To)
		}
	}
}

func (c *checker) endpoints() {
	at := map[string]string{}
	for i := range c.f.Endpoints {
		e := &c.f.Endpoints[i]
		path := "endpoints." + e.Name
		host := e.Value.host()
		if c.f.host(host) == nil {
			c.say(path, &natmodels.UnknownError{What: "host", Name: host, Valid: c.f.hostNames()})
			continue
		}
		if other, taken := at[host]; taken {
			c.conflict(path, "%s is on the host %s already", other, host)
		}
		at[host] = e.Name
		switch x := e.Value.Is.(type) {
		case *UA:
			c.account(&x.Account, path)
			c.ua(x, path)
		case *Plain:
			c.account(&x.Account, path)
			if c.f.Domain != defaultDomain {
				c.conflict(path, "plain phones know the domain %s only", defaultDomain)
			}
		case *Program:
			c.program(x, path)
		}
	}
}

// leastEvery is how often something may be sent by itself: nobody sends more often, and virtual time
// goes on by what happens in it.
const leastEvery = Duration(100 * time.Millisecond)

func (c *checker) account(a *Account, path string) {
	switch s := c.f.Servers.Find(a.Registrar); {
	case s == nil && !a.Proxy.IsValid():
		c.say(path, fmt.Errorf("registrar %w: there is not just one", ErrMissing))
	case s != nil && !isRegistrar(s):
		c.conflict(path+".registrar", "%s is no registrar", a.Registrar)
	}
}

func (c *checker) ua(x *UA, path string) {
	if x.Ports == managerSTUN {
		if s := c.f.Servers.Find(x.STUN); s == nil || !isSTUN(s) {
			c.conflict(path+".stun", "ports: stun needs a STUN server")
		}
	} else if x.STUN != "" {
		c.conflict(path+".stun", "it is for ports: stun")
	}
	if x.Ports == managerStatic && len(c.f.forwardsTo(x.Host)) == 0 {
		c.conflict(path+".ports", "no NAT forwards ports to %s", x.Host)
	}
	if k := x.KeepAlive; k != nil && k.Every != 0 && k.Every < leastEvery {
		c.say(path+".keepalive.every", fmt.Errorf("%w: less than %v", ErrValue, time.Duration(leastEvery)))
	}
	if x.Learn && !x.Rport {
		c.conflict(path+".learn-contact", "it needs rport: true")
	}
	if !strings.HasPrefix(x.URI, "sip:") || !strings.Contains(x.URI, "@") {
		c.say(path+".uri", fmt.Errorf("%w: %q is not like sip:alice@example.com", ErrValue, x.URI))
	}
	if a := x.Answer; a != nil {
		switch {
		case a.Refuse != 0 && (a.Refuse < 300 || a.Refuse > 699):
			c.say(path+".answer.refuse", fmt.Errorf("%w: %d is no status that refuses a call", ErrValue, a.Refuse))
		case a.Refuse != 0 && (a.Never || a.Early), a.Never && a.Early, a.Never && a.Rings != 0:
			c.conflict(path+".answer", "refuse, never, and early-media or rings exclude each other")
		case a.Early && a.Rings == 0:
			c.conflict(path+".answer.early-media", "it is heard while it rings: say for how long")
		}
	}
}
