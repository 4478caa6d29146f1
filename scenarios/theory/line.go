package theory

import (
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
)

// remote is somebody outside whom the SIP socket of an end sends to.
type remote string

const (
	atProxy remote = cell.BoxProxy
	atSTUN  remote = cell.BoxSTUN
	atCalls remote = "calls" // another address of the proxy
)

// endpoint is an address and port: of the end, or as a NAT shows it. Ports that a NAT has chosen
// at random have numbers of no meaning, from 65,536 on.
type endpoint struct {
	address int // how many the NAT had before
	port    int
}

const chosen = 1 << 16

// line is what stands between the SIP socket of an end and the internet: its NATs, from the end
// outwards. It is as naive as can be: each keeps a list, and looks through it.
type line struct {
	host  endpoint
	boxes []*gate
}

// gate is one NAT.
type gate struct {
	box      string
	behavior natmodels.Behavior
	address  int
	given    *int                     // how many ports were chosen, by all: no two are the same
	mappings []*mapping               // those that have ended too
	unasked  map[remote]time.Duration // until when what came unasked from there holds the port (natmodels.LocalEntry)
}

// mapping is one of a socket, or of what the NAT before shows.
type mapping struct {
	life
	inside  endpoint
	to      remote // empty: all there are
	outside endpoint
	admits  map[remote]bool // who was sent to by it
	left    bool            // what is sent makes a new one, though it is there
	ended   cell.Rule       // what a packet to it is dropped for once it is no longer
}

// out sends a packet through the NATs and says by which endpoint it comes out of the last.
func (l *line) out(to remote, now time.Duration) endpoint {
	at := l.host
	for _, g := range l.boxes {
		at = g.out(at, to, now)
	}
	return at
}

// in lets a packet in that is sent to an endpoint and meant for that station, or says what stops it.
func (c *course) in(s *station, at endpoint, from remote) (cause cell.Cause) {
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
	}
	return cell.BoxBeside
}

// dependent says whether a mapping is for one remote alone.
func (g *gate) dependent() bool {
	return g.behavior.Mapping != natmodels.EndpointIndependent || g.behavior.Tracks()
}

func (g *gate) out(inside endpoint, to remote, now time.Duration) endpoint {
	key := to
	if !g.dependent() {
		key = ""
	}
	for _, m := range g.mappings {
		if m.inside == inside && m.to == key && !m.left && m.alive(now) {
			m.use(now, false)
			m.admits[to] = true
			return m.outside
		}
	}
	m := &mapping{life: life{behavior: g.behavior}, inside: inside, to: key, outside: g.choose(inside, to, now), admits: map[remote]bool{to: true}, ended: cell.RuleExpired}
	m.begin(now)
	g.mappings = append(g.mappings, m)
	return m.outside
}

// choose is the endpoint of a mapping that is made: the port as inside if the NAT keeps it and
// nobody else has it (RFC 4787 §4.2.1).
func (g *gate) choose(inside endpoint, to remote, now time.Duration) endpoint {
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

func (g *gate) in(at endpoint, from remote, now time.Duration) (endpoint, cell.Cause) {
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
		g.unasked[from] = now + g.behavior.Unreplied
	case held: // by a connection with somebody else
		rule = cell.RuleFiltered
	}
	return endpoint{}, cell.Cause{Box: g.box, Rule: rule}
}

// admits says whether somebody was sent to by the mapping, or, where filters remember for an
// endpoint, by any of it.
func (g *gate) admits(m *mapping, from remote, now time.Duration) bool {
	return m.admits[from] || g.behavior.FilterScope == natmodels.PerEndpoint && slices.ContainsFunc(g.mappings, func(o *mapping) bool {
		return o.inside == m.inside && o.alive(now) && o.admits[from]
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
			m.admits = map[remote]bool{}
		}
	}
}

// renumber is another external address. Nobody has the old one.
func (g *gate) renumber(now time.Duration) {
	g.address++
	g.restart(now)
}
