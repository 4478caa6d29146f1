package neighbour

import (
	"fmt"

	"github.com/natproof/natproof/scenarios/cell"
)

// Who can make a change.
type Who string

// Those who can, the nearest to the user of the phone first.
const (
	Phone    Who = "phone"           // a: its settings
	Other    Who = "other end"       // b: its settings
	Proxy    Who = "proxy"           // its policy
	NAT      Who = "nat"             // in front of a: its settings, or another one
	OtherNAT Who = "other end's nat" // in front of b
)

// Everybody is who can make a change.
func Everybody() []Who { return []Who{Phone, Other, Proxy, NAT, OtherNAT} }

// Change is another value on one axis.
type Change struct {
	Who   Who
	Axis  string // its key
	Value string // the new one
	Text  string // what is to be done, in words
	Cost  int    // 1 is a setting that most have; more is harder to come by
}

// String is what is to be done by whom.
func (c Change) String() string { return fmt.Sprintf("%s: %s", c.Who, c.Text) }

// move is a kind of change.
type move struct {
	who  Who
	axis string
	text string
	cost int
	to   func(cell.Cell) string // the new value, or that which the cell has
}

// to is a move to a value, whatever was before.
func to(value string) func(cell.Cell) string { return func(cell.Cell) string { return value } }

// plus and minus are moves that put one end into a set, and take it out.
func plus(axis string, side cell.Side) func(cell.Cell) string {
	return func(c cell.Cell) string { return string(with(sides(axis, c), side)) }
}

func minus(axis string, side cell.Side) func(cell.Cell) string {
	return func(c cell.Cell) string { return string(without(sides(axis, c), side)) }
}

// sides is the cell's value on an axis of sets.
func sides(axis string, c cell.Cell) cell.Sides { return cell.Sides(cell.Lookup(axis).Get(c)) }

// with is the set with one end more.
func with(s cell.Sides, side cell.Side) cell.Sides {
	if s == cell.NoSide {
		return cell.Sides(side)
	}
	if s.Has(side) {
		return s
	}
	return cell.BothSides
}

// without is the set without one end.
func without(s cell.Sides, side cell.Side) cell.Sides {
	switch {
	case !s.Has(side):
		return s
	case s == cell.BothSides:
		return cell.Sides(side.Other())
	}
	return cell.NoSide
}

// moves are all changes that somebody might make. What stands first is shown first among those
// of one cost.
var moves = []move{
	{Phone, cell.KeyRport, "ask for responses to the source of its requests (rport, RFC 3581)", 1, to("true")},
	{Phone, cell.KeyStrict, "accept media from other addresses than the announced one", 1, minus(cell.KeyStrict, cell.A)},
	{Phone, cell.KeySilent, "send media from the beginning", 1, minus(cell.KeySilent, cell.A)},
	{Phone, cell.KeyKeepAlive, "send CRLF as a keepalive (RFC 5626 §3.5.1)", 1, to("crlf")},
	{Phone, cell.KeyKeepAlive, "ask the proxy by STUN as a keepalive (RFC 5626 §3.5.2)", 2, to("stun")},
	{Phone, cell.KeyKeepAlive, "ask the proxy by OPTIONS as a keepalive", 2, to("options")},
	{Phone, cell.KeyInterval, "send its keepalives every 25 s", 1, shorter(cell.KeyInterval, "25s")},
	{Phone, cell.KeyInterval, "send its keepalives every 8 s", 2, shorter(cell.KeyInterval, "8s")},
	{Phone, cell.KeyExpires, "register for one minute", 1, shorter(cell.KeyExpires, "1m")},
	{Phone, cell.KeyPortManager, "ask a STUN server for its addresses", 2, to("stun")},
	{Phone, cell.KeyPortManager, "write the addresses of its sockets, and ask no STUN server", 2, to("local")},
	{Phone, cell.KeyLatch, "send media to where media comes from (RFC 7362)", 3, plus(cell.KeyLatch, cell.A)},
	{Phone, cell.KeyLatchPolicy, "follow media to wherever it comes from", 2, to("always")},

	{Other, cell.KeyStrict, "accept media from other addresses than the announced one", 2, minus(cell.KeyStrict, cell.B)},
	{Other, cell.KeySilent, "send media from the beginning", 2, minus(cell.KeySilent, cell.B)},
	{Other, cell.KeyLatch, "send media to where media comes from (RFC 7362)", 2, plus(cell.KeyLatch, cell.B)},

	{Proxy, cell.KeyRegistrar, "route to where the REGISTER came from", 2, to("received")},
	{Proxy, cell.KeyRegistrar, "route to the Contact", 3, to("contact")},
	{Proxy, cell.KeyPing, "send OPTIONS to those who have registered", 2, to("options")},
	{Proxy, cell.KeyPing, "send empty packets to those who have registered", 2, to("zero")},
	{Proxy, cell.KeyInterval, "ping every 25 s", 1, pinging("25s")},
	{Proxy, cell.KeyTopology, "stand on a public address", 4, only(cell.KeyTopology, "proxy-nat", "plain")},

	{NAT, cell.KeyALG, "switch its SIP ALG off", 1, to("off")},
	{NAT, cell.KeyRefresh, "refresh mappings by what goes out (RFC 4787 REQ-6)", 4, to("outbound")},
	{NAT, cell.KeyRefresh, "refresh mappings both ways", 4, to("both")},
	{NAT, cell.KeyHairpin, "hairpin, with the external source (RFC 4787 REQ-9)", 4, to("external")},
	{NAT, cell.KeyPortManager, "forward the ports of the phone, which must know of it", 5, to("static")},
	{NAT, cell.KeyFilterScope, "remember for each endpoint who was contacted (RFC 4787 §5)", 5, to("endpoint")},
	{NAT, cell.KeyTopology, "give everybody a NAT and ports of their own", 6, only(cell.KeyTopology, "two-phones", "plain")},
	{NAT, cell.KeyTopology, "be the only one, without a carrier's behind it", 6, only(cell.KeyTopology, "cgn", "plain")},
}

// shorter is a time if the cell has a longer one, and the phone is who keeps its mapping.
func shorter(axis, value string) func(cell.Cell) string {
	return func(c cell.Cell) string {
		has := cell.Lookup(axis).Get(c)
		if axis == cell.KeyInterval && c.KeepAlive == cell.KeepAliveNone || cell.Duration(has).Time() <= cell.Duration(value).Time() {
			return has
		}
		return value
	}
}

// pinging is a shorter time between two pings of the registrar.
func pinging(value string) func(cell.Cell) string {
	return func(c cell.Cell) string {
		if c.Ping == cell.PingNone || c.Interval.Time() <= cell.Duration(value).Time() {
			return string(c.Interval)
		}
		return value
	}
}

// only is a value where another one was.
func only(axis, was, value string) func(cell.Cell) string {
	return func(c cell.Cell) string {
		if has := cell.Lookup(axis).Get(c); has != was {
			return has
		}
		return value
	}
}

// apply is the change that the move is for a cell, and the cell then; false if it changes nothing.
func (m move) apply(c cell.Cell) (Change, cell.Cell, bool) {
	x := cell.Lookup(m.axis)
	value := m.to(c)
	if value == x.Get(c) {
		return Change{}, c, false
	}
	at, err := x.With(c, value)
	if err != nil {
		return Change{}, c, false
	}
	if at = at.Canonical(); at == c || x.Get(at) != value {
		return Change{}, c, false
	}
	return Change{m.who, m.axis, value, m.text, m.cost}, at, true
}
