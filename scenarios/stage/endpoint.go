package stage

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
	"github.com/natproof/natproof/vnet"
)

// Endpoint is a phone on a host of the lab. It answers every call that comes in, and the
// audio of a call runs from the answer to the end of it.
//
// Its methods return when the matter is decided, one way or the other; what a network
// without NATs would not have done to it is the flow's business to find out. An error that
// the network may explain, such as no answer, is best wrapped as [ErrUnanswered]; any other
// is shown beside what the endpoint did not send.
type Endpoint interface {
	// Register registers once with Setup.Proxy.
	Register(ctx context.Context) error
	// Call calls a SIP URI by way of Setup.Proxy and returns when it was answered.
	Call(ctx context.Context, target string) (Call, error)
	// Close ends everything: no goroutine and no socket is left.
	Close() error
}

// Call is an established call that the endpoint made.
type Call interface {
	// Hangup ends it.
	Hangup(ctx context.Context) error
}

// CallFunc is a Call of which only the end is of interest.
type CallFunc func(ctx context.Context) error

// Hangup calls f.
func (f CallFunc) Hangup(ctx context.Context) error { return f(ctx) }

// Unanswered wraps what the network may explain as ErrUnanswered; nil stays nil.
func Unanswered(err error) error {
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	return err
}

// Hanger is an endpoint that can end the last call that it answered. Cells in which the callee
// hangs up are not for others.
type Hanger interface {
	Hangup(ctx context.Context) error
}

// Presser is an endpoint that can press keys in its last call (RFC 4733).
type Presser interface {
	Press(ctx context.Context, digits string) error
}

// Hearer is an endpoint that tells which keys it heard in its last call.
type Hearer interface {
	Heard() string
}

// Counter is an endpoint that tells how much media it used and how much it discarded, in all
// its calls so far. What it does not tell is judged from the wire alone.
type Counter interface {
	Counts() []Count
}

// Count is of RTP or of RTCP.
type Count struct {
	Part            cell.Part
	Used, Discarded uint64
	From            netip.AddrPort // of the last that was discarded
	Why             string
}

var (
	// ErrUnanswered is the error of what the network may explain: there was no answer in
	// time, or it was a refusal.
	ErrUnanswered = errors.New("stage: unanswered")
	// ErrCannot is the error of an endpoint that has no such thing.
	ErrCannot = errors.New("stage: the endpoint cannot do that")
	// ErrNotThisPhone is the error of a phone that is none of what the cell wants: the
	// value of an axis that it has no way to obey. Such a cell is not played.
	ErrNotThisPhone = errors.New("stage: no such phone")
	// ErrNotThisProxy is that of a registrar and proxy that is not for such a cell.
	ErrNotThisProxy = errors.New("stage: no such proxy")
)

// Setup is where an endpoint finds itself.
type Setup struct {
	Cell cell.Cell
	Side cell.Side
	Host *vnet.Host // its machine; a pion transport.Net, and net.PacketConn from ListenPacket
	// Elsewhere is its other interface, which it goes on by when it roams (see [Roamer]); nil if it
	// never does. It is told to; what it sends from there before is not foreseen.
	Elsewhere *vnet.Host
	Seat      Seat // of a phone that brings its own machine; Host is nil then

	URI      string         // its address of record
	Proxy    netip.AddrPort // registrar and outbound proxy, without a password
	STUN     netip.AddrPort
	SIPPort  uint16 // which port forwards, if there are any, are for
	RTPPort  uint16 // likewise; RTCP has the next
	Lines    int    // how many calls it may have at once; each has the next two ports
	Forwards []Forward
	Media    bool // false: the flow is without media, and nobody sends any
	Seed     uint64
	Tell     func(wire.Told) // of responses that were of no use; it may be called at any time
}

// Forward is a port forward on the NAT in front of the endpoint.
type Forward struct{ Internal, External netip.AddrPort }

// Phone makes endpoints of one kind.
type Phone struct {
	Name string
	// Tells: its endpoints tell (Setup.Tell, Counter) of whatever they discard. What only an
	// endpoint can know is not judged of one that does not.
	Tells bool
	// Brings: its endpoints are no code on a host of the lab, but bring a host of their own and join
	// it to Setup.Seat. They live on the real clock.
	Brings bool
	// Traits are those of the endpoint that New makes for such a cell, or an error that
	// wraps ErrNotThisPhone.
	Traits func(c cell.Cell, side cell.Side) (theory.Traits, error)
	New    func(Setup) (Endpoint, error)
}

// Phones are who sits at the two ends.
type Phones map[cell.Side]Phone

// Of is the phone on a side: UA, if nothing else is said.
func (p Phones) Of(side cell.Side) Phone {
	if x, ok := p[side]; ok {
		return x
	}
	return UA
}

// Traits are those of who is at the given end.
func (p Phones) Traits(c cell.Cell, side cell.Side) (theory.Traits, error) {
	if c.Host(side) == cell.BoxGateway {
		return uaTraits(c, side)
	}
	x := p.Of(side)
	if x.Traits == nil || x.New == nil {
		return theory.Traits{}, fmt.Errorf("stage: the phone %q at %s needs both Traits and New", x.Name, side)
	}
	return x.Traits(c, side)
}

// Beside is the side of the phone beside a, which is like it.
const Beside cell.Side = "phone"

// Endpoint starts the phone of a side.
func (w *World) Endpoint(c cell.Cell, side cell.Side, phone Phone, seed uint64, tell func(wire.Told)) (Endpoint, error) {
	host := w.Host(side)
	if side == Beside {
		host = w.Beside
	}
	s := Setup{
		Cell: c, Side: side, Host: host, Seat: w.seats[side],
		URI:   "sip:" + string(side) + "@" + cell.Domain,
		Proxy: cell.ProxyOf(c), STUN: STUNServer,
		SIPPort: cell.SIPPort, RTPPort: cell.RTPPort, Lines: lines(c),
		Media: c.HasMedia(), Seed: seed, Tell: tell,
	}
	if side == cell.A {
		s.Elsewhere = w.Elsewhere
	}
	nat, err := Behavior(c, side)
	if err != nil {
		return nil, err
	}
	if c.PortManager == cell.ManagerStatic && nat.Translates() && side != Beside {
		for _, f := range forwards(cell.PlaceOf(side), lines(c)) {
			s.Forwards = append(s.Forwards, Forward{f.Internal, f.External})
		}
	}
	return phone.New(s)
}
