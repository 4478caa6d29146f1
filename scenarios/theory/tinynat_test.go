package theory_test

import (
	"github.com/natproof/natproof/scenarios/cell"
)

// A second opinion on NATs, independent of package natmodels: two models of a
// few lines each, one per filter scope, and a network that delivers at once.
// The tests of the oracle move packets through them.

type addr struct {
	ip   string
	port int
}

// tinyNAT is one NAT with one inside host.
type tinyNAT interface {
	out(from int, to addr) int             // external port
	in(port int, from addr) (int, verdict) // internal port
}

type verdict int

const (
	passed verdict = iota
	noMapping
	refused
)

// session is one mapping with those it has sent to.
type session struct {
	inside, outside int
	key             addr
	sent            []addr
}

// table is what both models share: the mapping half.
type table struct {
	mapping   string // eim, adm, apdm
	filtering string // eif, adf, apdf
	preserve  bool
	next      int
	forwards  map[int]bool
	sessions  []*session
}

func key(mapping string, to addr) addr {
	switch mapping {
	case "eim":
		return addr{}
	case "adm":
		return addr{ip: to.ip}
	}
	return to
}

func (t *table) out(from int, to addr) int {
	if t.forwards[from] {
		return from
	}
	for _, s := range t.sessions {
		if s.inside == from && s.key == key(t.mapping, to) {
			s.sent = append(s.sent, to)
			return s.outside
		}
	}
	s := &session{inside: from, outside: t.port(from), key: key(t.mapping, to), sent: []addr{to}}
	t.sessions = append(t.sessions, s)
	return s.outside
}

func (t *table) port(want int) int {
	free := t.preserve
	for _, s := range t.sessions {
		free = free && s.outside != want
	}
	if free {
		return want
	}
	t.next++
	return 40000 + t.next
}

func (t *table) admits(sent []addr, from addr) bool {
	if t.filtering == "eif" {
		return true
	}
	for _, s := range sent {
		if s == from || t.filtering == "adf" && s.ip == from.ip {
			return true
		}
	}
	return false
}

func (t *table) find(port int) *session {
	for _, s := range t.sessions {
		if s.outside == port {
			return s
		}
	}
	return nil
}

// perMapping filters by what the mapping itself has sent.
type perMapping struct{ table }

func (n *perMapping) in(port int, from addr) (int, verdict) {
	if n.forwards[port] {
		return port, passed
	}
	s := n.find(port)
	if s == nil {
		return 0, noMapping
	}
	if !n.admits(s.sent, from) {
		return 0, refused
	}
	return s.inside, passed
}

// perEndpoint filters by what the internal endpoint has sent through any of its mappings.
type perEndpoint struct{ table }

func (n *perEndpoint) in(port int, from addr) (int, verdict) {
	if n.forwards[port] {
		return port, passed
	}
	s := n.find(port)
	if s == nil {
		return 0, noMapping
	}
	var sent []addr
	for _, other := range n.sessions {
		if other.inside == s.inside {
			sent = append(sent, other.sent...)
		}
	}
	if !n.admits(sent, from) {
		return 0, refused
	}
	return s.inside, passed
}

// place is one host on the tiny internet: public, or inside a NAT of its own.
type place struct {
	name    string
	public  string // its address, or its NAT's
	private string
	nat     tinyNAT // nil: public
}

// behind makes a place with the NAT of that code ("none", "eim-eif" ...).
func behind(name, public, code string, scope cell.FilterScope, preserve bool, forwards ...int) *place {
	p := &place{name: name, public: public}
	m, f, ok := cut(code)
	if !ok {
		return p
	}
	p.private = "10." + name
	t := table{mapping: m, filtering: f, preserve: preserve, forwards: map[int]bool{}}
	for _, port := range forwards {
		t.forwards[port] = true
	}
	if scope == cell.ScopeEndpoint {
		p.nat = &perEndpoint{t}
	} else {
		p.nat = &perMapping{t}
	}
	return p
}

func cut(code string) (mapping, filtering string, ok bool) {
	for i := range code {
		if code[i] == '-' {
			return code[:i], code[i+1:], true
		}
	}
	return "", "", false
}

// leaves is the source address the internet sees of a packet from the port.
func (p *place) leaves(port int, to addr) addr {
	if p.nat == nil {
		return addr{p.public, port}
	}
	return addr{p.public, p.nat.out(port, to)}
}

// enters brings a packet to the place: the port it reaches, or the box and the
// rule that stop it.
func (p *place) enters(from, to addr) (port int, box string, rule cell.Rule) {
	if to.ip != p.public {
		return 0, cell.BoxInternet, cell.RuleNoRoute
	}
	if p.nat == nil {
		return to.port, "", ""
	}
	port, v := p.nat.in(to.port, from)
	switch v {
	case refused:
		return 0, "nat-" + p.name, cell.RuleFiltered
	case noMapping:
		return 0, "nat-" + p.name, cell.RuleNoMapping
	}
	return port, "", ""
}

// advertises is the address the place announces for one of its ports.
func (p *place) advertises(m cell.PortManager, port int) addr {
	switch {
	case p.nat == nil:
		return addr{p.public, port}
	case m == cell.ManagerLocal:
		return addr{p.private, port}
	case m == cell.ManagerStatic:
		return addr{p.public, port}
	}
	return p.leaves(port, addr{"stun", 3478})
}
