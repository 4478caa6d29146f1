package lab

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
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
	for _, x := range []func(){c.boxes, c.nats, c.sites, c.servers, c.endpoints, c.script, c.expect} {
		x()
	}
}

// withDefaults fills in what a file need not say.
func (f *File) withDefaults() {
	setDefault(&f.Seed, 1)
	setDefault(&f.Domain, defaultDomain)
	setDefault(&f.Hosts, HostWord(HostWord("").words()[0]))
	for i := range f.Servers {
		name := f.Servers[i].Name
		switch s := f.Servers[i].Value.Is.(type) {
		case *Registrar:
			setDefault(&s.Host, name)
			setDefault(&s.Port, 5060)
			setDefault(&s.Policy, PolicyWord(PolicyWord("").words()[0]))
		case *STUNServer:
			setDefault(&s.Host, name)
			setDefault(&s.Port, 3478)
		case *Gateway:
			setDefault(&s.Host, name)
			setDefault(&s.Port, 5060)
			setDefault(&s.Latch, LatchWord(LatchWord("").words()[0]))
		}
	}
	for i := range f.Endpoints {
		name := f.Endpoints[i].Name
		switch e := f.Endpoints[i].Value.Is.(type) {
		case *UA:
			setDefault(&e.Host, name)
			setDefault(&e.Registrar, f.onlyServer(isRegistrar))
			setDefault(&e.URI, "sip:"+name+"@"+f.Domain)
			setDefault(&e.Ports, managerLocal)
			setDefault(&e.Latch, LatchWord(LatchWord("").words()[0]))
			if e.Ports == managerSTUN {
				setDefault(&e.STUN, f.onlyServer(isSTUN))
			}
		case *Plain:
			setDefault(&e.Host, name)
			setDefault(&e.Registrar, f.onlyServer(isRegistrar))
		case *Program:
			setDefault(&e.Host, name)
		}
	}
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

func isRegistrar(s *Server) bool { _, ok := s.Is.(*Registrar); return ok }
func isSTUN(s *Server) bool      { _, ok := s.Is.(*STUNServer); return ok }
func isGateway(s *Server) bool   { _, ok := s.Is.(*Gateway); return ok }

// onlyServer is the name of the one server of a kind, or empty.
func (f *File) onlyServer(is func(*Server) bool) string {
	only := ""
	for i := range f.Servers {
		if is(&f.Servers[i].Value) {
			if only != "" {
				return ""
			}
			only = f.Servers[i].Name
		}
	}
	return only
}

// walk looks up every name in a value.
func (c *checker) walk(v reflect.Value, path string) {
	switch x := v.Addr().Interface().(type) {
	case union:
		c.walk(reflect.ValueOf(x.get()).Elem(), path)
		return
	case table:
		x.each(func(name string, value any) { c.walk(reflect.ValueOf(value).Elem(), under(path, name)) })
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c.walk(v.Elem(), path)
		}
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			x := v.FieldByIndex(f.index)
			if f.ref != "" {
				c.refer(f, x.String(), under(path, f.name))
			} else {
				c.walk(x, under(path, f.name))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			c.walk(v.Index(i), path+"."+strconv.Itoa(i))
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

// refer looks a name up.
func (c *checker) refer(f field, name, path string) {
	if name == "" && !c.written(path) {
		return
	}
	what, valid := c.valid(f.ref)
	if f.ref == "target" && isTarget(name) {
		return
	}
	if !slices.Contains(valid, name) {
		c.say(path, &natmodels.UnknownError{What: what, Name: name, Valid: valid})
		return
	}
	if f.ref == "endpoint" {
		c.ability(f, name, path)
	}
}

// written says whether a value is in the file.
func (c *checker) written(path string) bool { _, ok := c.f.places[path]; return ok }

// isTarget says whether it is a URI or a number.
func isTarget(s string) bool {
	if strings.HasPrefix(s, "sip:") || strings.HasPrefix(s, "tel:") {
		return true
	}
	return isNumber(strings.TrimPrefix(s, "+"))
}

// valid are the names that a reference may be.
func (c *checker) valid(ref string) (what string, valid []string) {
	switch ref {
	case "nat":
		return "NAT", c.f.NATs.Names()
	case "host":
		return "host", c.f.hostNames()
	case "server":
		return "server", c.f.Servers.Names()
	case "endpoint", "target":
		return "endpoint", c.f.Endpoints.Names()
	case "party":
		all := c.f.Endpoints.Names()
		for i := range c.f.Servers {
			if isGateway(&c.f.Servers[i].Value) {
				all = append(all, c.f.Servers[i].Name)
			}
		}
		for host := range c.f.freeHosts() {
			all = append(all, host)
		}
		slices.Sort(all)
		return "endpoint, gateway or host", all
	case "link":
		return "site or NAT", append(c.f.NATs.Names(), c.f.Sites.Names()...)
	case "box":
		all := append(c.f.NATs.Names(), c.f.Sites.Names()...)
		return "box", append(append(all, c.f.hostNames()...), boxInternet, boxAny)
	}
	panic("lab: a reference to a " + ref)
}

// Boxes that every lab has.
const (
	boxInternet = "internet"
	boxAny      = "any"
)

func (f *File) hostNames() []string {
	var all []string
	for i := range f.Sites {
		all = append(all, f.Sites[i].Value.Hosts.Names()...)
	}
	return all
}

// abilities are what each kind of endpoint can be told to do.
var abilities = map[string][]string{
	"ua":      {"register", "unregister", "call", "hangup", "hold", "resume", "renew", "transfer", "press", "message", "roam", "attack"},
	"plain":   {"register", "call", "hangup", "message"},
	"program": {"start", "stop"},
}

func (e *Endpoint) kind() string {
	switch e.Is.(type) {
	case *Plain:
		return "plain"
	case *Program:
		return "program"
	}
	return "ua"
}

func (c *checker) ability(f field, name, path string) {
	kind := c.f.Endpoints.Find(name).kind()
	if f.can != "" && !slices.Contains(abilities[kind], f.can) {
		c.conflict(path, "%s is of the kind %s, which cannot be told to %s", name, kind, f.can)
	}
	if f.kind != "" && f.kind != kind {
		c.conflict(path, "%s is of the kind %s, of which that cannot be told", name, kind)
	}
}

// boxes have one name each, and no host two owners.
func (c *checker) boxes() {
	seen := map[string]bool{boxInternet: true, boxAny: true}
	note := func(name, path string) {
		if seen[name] {
			c.say(path, fmt.Errorf("%w: the name %s; NATs, sites and hosts each have one of their own, and %s and %s are taken", ErrTwice, name, boxInternet, boxAny))
		}
		seen[name] = true
	}
	for _, name := range c.f.NATs.Names() {
		note(name, "nats."+name)
	}
	for i := range c.f.Sites {
		s := &c.f.Sites[i]
		note(s.Name, "sites."+s.Name)
		for _, host := range s.Value.Hosts.Names() {
			note(host, "sites."+s.Name+".hosts."+host)
		}
	}
	who := map[string]bool{}
	for _, name := range c.f.Servers.Names() {
		who[name] = true
	}
	for _, name := range c.f.Endpoints.Names() {
		if who[name] {
			c.say("endpoints."+name, fmt.Errorf("%w: the name %s is that of a server, too", ErrTwice, name))
		}
	}
}

func (c *checker) nats() {
	for i := range c.f.NATs {
		n := &c.f.NATs[i]
		path := "nats." + n.Name
		for up, steps := n.Value.Behind, 0; up != ""; up = c.f.NATs.Find(up).Behind {
			if steps++; steps > len(c.f.NATs) {
				c.conflict(path+".behind", "%s is behind itself", n.Name)
				return
			}
		}
		m, err := c.f.model(&n.Value)
		if err != nil {
			c.modelProblem(path, &n.Value, err)
			continue
		}
		switch translates := m.Behavior().Translates(); {
		case translates && len(n.Value.External) == 0:
			c.say(path, fmt.Errorf("external %w: %s has no address of its own on the outside", ErrMissing, n.Name))
		case !translates && len(n.Value.External) > 0:
			c.conflict(path+".external", "%s does not translate, so it has no external addresses", n.Value.Model)
		}
		for j, f := range n.Value.Forwards {
			c.forward(&n.Value, f, fmt.Sprintf("%s.forwards.%d", path, j))
		}
		c.link(n.Value.Link, path+".link")
	}
}

// modelProblem says which of the two is wrong: the name of the NAT, or its settings.
func (c *checker) modelProblem(path string, n *NAT, err error) {
	if n.Settings != "" {
		if _, unchanged := c.f.lookup(n.Model); unchanged == nil {
			c.settings(path+".settings", err)
			return
		}
	}
	c.say(path+".model", err)
}

func (c *checker) forward(n *NAT, f Forward, path string) {
	if f.Protocol != "" && f.Protocol != natmodels.UDP.String() && f.Protocol != natmodels.TCP.String() {
		c.say(path+".protocol", &natmodels.UnknownError{What: "protocol", Name: f.Protocol, Valid: []string{natmodels.UDP.String(), natmodels.TCP.String()}})
	}
	if !slices.Contains(n.External, f.External.Addr()) {
		c.conflict(path+".external", "%v is none of the external addresses of this NAT", f.External.Addr())
	}
}

func (c *checker) link(l *Link, path string) {
	if l == nil {
		return
	}
	if _, _, err := l.directions(); err != nil {
		c.say(path, fmt.Errorf("%w: %w", ErrValue, err))
	}
}

func (c *checker) sites() {
	for i := range c.f.Sites {
		s := &c.f.Sites[i]
		path := "sites." + s.Name
		c.link(s.Value.Link, path+".link")
		inUse := map[netip.Addr]bool{}
		for j := range s.Value.Hosts {
			h := &s.Value.Hosts[j]
			at := path + ".hosts." + h.Name
			for _, a := range h.Value.Addrs {
				switch {
				case !s.Value.Prefix.Contains(a):
					c.conflict(at, "%v is not in %v", a, s.Value.Prefix)
				case inUse[a]:
					c.say(at, fmt.Errorf("%w: the address %v", ErrTwice, a))
				case a == s.Value.Prefix.Masked().Addr().Next():
					c.conflict(at, "%v is the address of the router of %s: the first of its prefix", a, s.Name)
				}
				inUse[a] = true
			}
		}
	}
	c.externals()
}

// externals are addresses that no site of the same realm has, and no other NAT.
func (c *checker) externals() {
	type address struct {
		realm string
		addr  netip.Addr
	}
	taken := map[address]string{}
	for i := range c.f.NATs {
		n := &c.f.NATs[i]
		path := "nats." + n.Name + ".external"
		for _, a := range n.Value.External {
			at := address{n.Value.Behind, a}
			if other, ok := taken[at]; ok {
				c.conflict(path, "%v is an address of %s", a, other)
			}
			taken[at] = n.Name
			for j := range c.f.Sites {
				if s := &c.f.Sites[j]; s.Value.Behind == n.Value.Behind && s.Value.Prefix.Contains(a) {
					c.conflict(path, "%v is an address of the site %s: packets for it would go there", a, s.Name)
				}
			}
		}
	}
	for i := range c.f.Sites {
		for j := range i {
			s, o := &c.f.Sites[i], &c.f.Sites[j]
			if s.Value.Behind == o.Value.Behind && s.Value.Prefix.Overlaps(o.Value.Prefix) {
				c.conflict("sites."+s.Name+".prefix", "it overlaps with that of %s", o.Name)
			}
		}
	}
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
