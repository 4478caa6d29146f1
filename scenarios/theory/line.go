package theory

import (
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
)

// endpoint is an address and port: of a host, or as a NAT shows it. Ports that a NAT has chosen
// at random have numbers of no meaning, from 65,536 on.
type endpoint struct {
	address int // the number of a host, or of a NAT's address: see gate
	port    int
}

// Somebody outside whom ends send to.
var (
	atProxy = endpoint{-1, cell.ProxyPort}
	atSTUN  = endpoint{-2, cell.STUNPort}
	atCalls = endpoint{-4, cell.ProxyPort} // another address of the proxy
)

// by is as much of an endpoint as somebody looks at who depends on that.
func (e endpoint) by(d natmodels.Dependence) endpoint {
	switch d {
	case natmodels.EndpointIndependent:
		return endpoint{}
	case natmodels.AddressDependent:
		return endpoint{address: e.address}
	}
	return e
}

const chosen = 1 << 16

// line is what stands between a socket of an end and the internet: its NATs, from the end
// outwards. It is as naive as can be: each keeps a list, and looks through it.
type line struct {
	host  endpoint
	boxes []*gate
	left  bool // the host has gone, and sends nothing from there
}

// gate is one NAT.
type gate struct {
	box      string
	behavior natmodels.Behavior
	address  int                        // outside: a number of its own, and the next when it is renumbered
	given    *int                       // how many ports were chosen, by all: no two are the same
	mappings []*mapping                 // those that have ended too
	forwards int                        // the host that it forwards every port to, or 0
	unasked  map[endpoint]time.Duration // until when what came unasked from there holds the port (natmodels.LocalEntry)
}

// mapping is one of a socket, or of what the NAT before shows.
type mapping struct {
	life
	inside  endpoint
	to      endpoint // as far as mapping depends on it
	outside endpoint
	admits  []endpoint // who was sent to by it, as far as filtering depends on it
	left    bool       // what is sent makes a new one, though it is there
	ended   cell.Rule  // what a packet to it is dropped for once it is no longer
}

// out sends a packet through the NATs and says by which endpoint it comes out of the last.
func (l *line) out(to endpoint, now time.Duration) endpoint {
	at := l.host
	if l.left {
		return at
	}
	for _, g := range l.boxes {
		at = g.out(at, to, now)
	}
	return at
}

// in lets a packet in that is sent to an endpoint and meant for that station, or says what stops it.
func (c *course) in(s *station, at, from endpoint) (cause cell.Cause) {
	realm := cell.BoxInternet
	for at.address >= networks {
		g := c.at(at.address)
		if g == nil {
			return cell.Cause{Box: realm, Rule: cell.RuleNoRoute}
		}
		realm = g.box
		if at, cause = g.in(at, from, c.now); !cause.IsZero() {
			return cause
		}
	}
	if at == s.line.host {
		return cell.Cause{}
	}
	if c.left != nil && at == c.left.line.host {
		return cell.Cause{Box: c.left.end.host, Rule: cell.RuleNoSocket}
	}
	return cell.Cause{Box: c.host(at.address), Rule: cell.RuleElsewhere}
}

// at is the NAT with the address outside, or nil.
func (c *course) at(address int) *gate {
	for _, g := range c.gates {
		if g.address == address {
			return g
		}
	}
	return nil
}

// host is the box of a host.
func (c *course) host(number int) string {
	switch number {
	case c.a.line.host.address:
		return c.a.end.host
	case c.b.line.host.address:
		return c.b.end.host
	case atStranger.address:
		return cell.BoxStranger
	}
	return cell.BoxBeside
}

// key is as much of a destination as decides which mapping a packet goes by.
func (g *gate) key(to endpoint) endpoint {
	if g.behavior.Tracks() {
		return to
	}
	return to.by(g.behavior.Mapping)
}

func (g *gate) out(inside, to endpoint, now time.Duration) endpoint {
	if g.forwards != 0 {
		return endpoint{g.address, inside.port}
	}
	key, admits := g.key(to), to.by(g.behavior.Filtering)
	for _, m := range g.mappings {
		if m.inside == inside && m.to == key && !m.left && m.alive(now) {
			m.use(now, false)
			if !slices.Contains(m.admits, admits) {
				m.admits = append(m.admits, admits)
			}
			return m.outside
		}
	}
	m := &mapping{life: life{behavior: g.behavior}, inside: inside, to: key, outside: g.choose(inside, to, now), admits: []endpoint{admits}, ended: cell.RuleExpired}
	m.begin(now)
	g.mappings = append(g.mappings, m)
	return m.outside
}

// choose is the endpoint of a mapping that is made: the port as inside if the NAT keeps it and
// nobody else has it (RFC 4787 §4.2.1).
func (g *gate) choose(inside, to endpoint, now time.Duration) endpoint {
	number := inside.port
	if number >= chosen {
		number = cell.RTPPort // it is known only that it is a high one
	}
	for _, m := range g.mappings { // a box that tracks connections gives a source the same port again (nf_nat_core)
		if g.behavior.Tracks() && g.behavior.Mapping == natmodels.EndpointIndependent && m.inside == inside && m.alive(now) && now >= g.unasked[to] {
			return m.outside
		}
	}
	kept := endpoint{g.address, inside.port}
	if g.behavior.PreservesPort(uint16(number)) && now >= g.unasked[to] && !slices.ContainsFunc(g.mappings, func(m *mapping) bool {
		return m.outside == kept && m.alive(now) && (!g.behavior.Tracks() || m.to == to)
	}) {
		return kept
	}
	*g.given++
	return endpoint{g.address, chosen + *g.given}
}

func (g *gate) in(at, from endpoint, now time.Duration) (endpoint, cell.Cause) {
	if g.forwards != 0 {
		return endpoint{g.forwards, at.port}, cell.Cause{}
	}
	rule, held := cell.RuleNoMapping, false
	for _, m := range g.mappings {
		switch {
		case m.outside != at:
		case !m.alive(now):
			rule = m.ended
		case g.behavior.Tracks() && m.to != from:
			held = true
		case g.behavior.Filtering != natmodels.EndpointIndependent && !g.admits(m, from, now):
			return endpoint{}, cell.Cause{Box: g.box, Rule: cell.RuleFiltered}
		default:
			m.use(now, true)
			return m.inside, cell.Cause{}
		}
	}
	switch {
	case g.behavior.Unsolicited == natmodels.LocalEntry: // it takes the packet for its own
		rule = cell.RuleNoMapping
		if g.unasked == nil {
			g.unasked = map[endpoint]time.Duration{}
		}
		g.unasked[from] = now + g.behavior.Unreplied
	case held: // by a connection with somebody else
		rule = cell.RuleFiltered
	}
	return endpoint{}, cell.Cause{Box: g.box, Rule: rule}
}

// admits says whether somebody was sent to by the mapping, or, where filters remember for an
// endpoint, by any of it.
func (g *gate) admits(m *mapping, from endpoint, now time.Duration) bool {
	from = from.by(g.behavior.Filtering)
	return slices.Contains(m.admits, from) || g.behavior.FilterScope == natmodels.PerEndpoint && slices.ContainsFunc(g.mappings, func(o *mapping) bool {
		return o.inside == m.inside && o.alive(now) && slices.Contains(o.admits, from)
	})
}

// restart forgets every mapping.
func (g *gate) restart(now time.Duration) {
	for _, m := range g.mappings {
		if m.alive(now) {
			m.end()
			m.ended = cell.RuleFlushed
		}
	}
	clear(g.unasked)
}

// become is another behaviour, which RFC 4787 REQ-11 forbids. Mappings stay, but what is sent does not
// find them if mappings depend on something else now; and who is admitted has to be sent to anew.
func (g *gate) become(b natmodels.Behavior) {
	filters, maps := b.Filtering != g.behavior.Filtering, b.Mapping != g.behavior.Mapping
	g.behavior = b
	for _, m := range g.mappings {
		m.left = m.left || maps
		if m.behavior = b; filters {
			m.admits = nil
		}
	}
}

// renumber is another external address. Nobody has the old one.
func (g *gate) renumber(now time.Duration) {
	g.address++
	g.restart(now)
}
