package registrar

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
)

// ErrConfig is wrapped by every error New returns for a configuration it cannot honour.
var ErrConfig = errors.New("registrar: invalid configuration")

// Algorithm is a digest algorithm by its registered name.
type Algorithm string

// The algorithms a challenge can offer.
const (
	MD5    Algorithm = "MD5"     // RFC 3261 §22
	SHA256 Algorithm = "SHA-256" // RFC 8760
)

// A Route sends matching requests to a fixed peer, for example a PSTN gateway. All
// conditions that are set must hold.
type Route struct {
	Domain string         // host of the Request-URI; empty is the served domain
	Prefix string         // the user part starts with this, visual separators ignored ("+1-555" matches "+1555")
	Phone  bool           // only URIs with ;user=phone, and tel URIs
	To     netip.AddrPort // where the request goes; a trusted peer like those in Config.Peers
}

// Config configures a Server. The zero value is an open registrar for the domain that is
// the address of its socket: anyone may register, requests go where the Contact says.
type Config struct {
	// Domain is the host part of the addresses of record, default the host of Advertise.
	Domain string
	// Advertise is the address written into Via and Record-Route, default the local
	// address of the connection; needed when that is a wildcard, or behind a NAT.
	Advertise netip.AddrPort
	// Local is the address that neighbours on the server's own network know it by, default
	// the local address of the connection. The server goes by this one too.
	Local netip.AddrPort
	// DoubleRecordRoute puts both addresses into the Record-Route of a request that comes
	// in by one and leaves by the other (RFC 5658): Advertise and Local, by whether the peer
	// is Inside, or that of CallConn. What stays on one side names that side alone.
	DoubleRecordRoute bool
	// Inside are the networks of peers that reach the server at Local, for
	// DoubleRecordRoute; default the private ones (RFC 1918, RFC 4193).
	Inside []netip.Prefix

	// Users maps user names to passwords. Nil turns authentication off.
	Users map[string]string
	// Realm of the challenges, default Domain.
	Realm string
	// Algorithms offered, best first (RFC 8760 §2.3), default MD5.
	Algorithms []Algorithm
	// AuthInvite also authenticates INVITEs that start a dialog, unless they come from a peer.
	AuthInvite bool
	// NonceLifetime bounds the reuse of a nonce, default 5 minutes.
	NonceLifetime time.Duration

	Policy Policy
	// CallConn is the socket that PolicyAnotherSource sends from. The server owns it.
	CallConn net.PacketConn
	// CallAdvertise is the address of CallConn in Via and Record-Route, default its local one.
	CallAdvertise netip.AddrPort
	// IgnoreRport answers to the port in the Via even when the client asked for rport,
	// as a proxy does that implements RFC 3261 without RFC 3581.
	IgnoreRport bool

	// Ping keeps the NATs of registered users open, default not.
	Ping Ping

	// Outbound makes the server registrar and edge proxy of RFC 5626: bindings by instance
	// and reg-id, requests by flow, STUN keepalives answered. Not with PolicyAnotherSource.
	Outbound bool
	// FlowTimer asks user agents to be heard of at least that often over each flow, in
	// whole seconds; a flow that is not fails. Default not.
	FlowTimer time.Duration
	// GRUU hands out public GRUUs (RFC 5627) for user agents with an instance.
	GRUU bool

	MinExpires     time.Duration // shorter registrations get 423; default 60 s
	MaxExpires     time.Duration // longer ones are cut to this; default 2 hours
	DefaultExpires time.Duration // when the client does not say; default 1 hour
	MaxContacts    int           // bindings per address of record; default 10

	// Agents answer SUBSCRIBE and PUBLISH for users, default none.
	Agents Agents

	// Routes are tried in order for requests that are not for a known user.
	Routes []Route
	// Peers may be sent to, and may call without authentication.
	Peers []netip.AddrPort
	// Relay forwards requests for anybody to anywhere. Leave it off on a public network.
	Relay bool

	// Store keeps bindings, subscriptions and published state over a restart, default none:
	// they live in memory. See package sqlite for one.
	Store Store

	// MTU of the paths from here in bytes, default 1500. A request larger than MTU-200
	// may not be sent over UDP (RFC 3261 §18.1.1) and is refused with 513.
	MTU int

	// Seed makes tags, branches and nonces repeatable. Zero draws it from crypto/rand;
	// anything else is for tests and simulations, since nonces become predictable.
	Seed uint64

	// Logger gets every Event at debug level and failed writes as warnings, default none.
	Logger *slog.Logger
	// OnEvent is called in order while the server works; it must not call the Server.
	OnEvent func(Event)
	// OnSTUN gets STUN messages (RFC 7983 §7), for a STUN server on
	// the SIP port (RFC 5626 §4.4.2). The bytes are only valid during the call, which
	// must not call the Server. Nil drops and counts them.
	OnSTUN func(b []byte, from netip.AddrPort)
	// AnswerSTUN answers them here, as Outbound does unless OnSTUN is set.
	AnswerSTUN bool

	// OnPanic ends a panic over a datagram or a timer: a request is answered 500, and the rest
	// is served. It is called while the panic is on the stack, with the datagram, which is nil
	// over a timer. Nil lets it go on, which ends the process: in a lab that is what one wants.
	OnPanic func(value any, datagram []byte, from netip.AddrPort)
}

// withDefaults returns a private copy of c with defaults filled in, or why it is impossible.
func (c Config) withDefaults(local net.Addr) (Config, error) {
	bad := func(format string, args ...any) (Config, error) {
		return Config{}, fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
	}
	if !c.Advertise.IsValid() {
		c.Advertise = sipmsg.AddrPort(local)
	}
	c.Advertise = sipmsg.Unmap(c.Advertise)
	if !c.Advertise.IsValid() || c.Advertise.Addr().IsUnspecified() || c.Advertise.Port() == 0 {
		return bad("local address %v cannot be advertised: set Advertise", local)
	}
	if c.Domain == "" {
		c.Domain = sipmsg.HostText(c.Advertise.Addr())
	}
	if strings.ContainsAny(c.Domain, " \t\r\n<>@;,\"") {
		return bad("domain %q", c.Domain)
	}
	if c.Realm == "" {
		c.Realm = c.Domain
	}
	if strings.ContainsAny(c.Realm, "\"\\\r\n") {
		return bad("realm %q", c.Realm)
	}
	if c.AuthInvite && c.Users == nil {
		return bad("AuthInvite without Users")
	}
	if len(c.Algorithms) == 0 {
		c.Algorithms = []Algorithm{MD5}
	}
	for _, a := range c.Algorithms {
		if a != MD5 && a != SHA256 {
			return bad("digest algorithm %q", a)
		}
	}
	if int(c.Policy) >= len(policies) {
		return bad("policy %v", c.Policy)
	}
	if err := c.sidesDefault(local); err != nil {
		return bad("%v", err)
	}
	if err := c.Ping.withDefaults(); err != nil {
		return bad("%v", err)
	}
	if err := c.outboundDefault(); err != nil {
		return bad("%v", err)
	}
	setDefault(&c.NonceLifetime, 5*time.Minute)
	setDefault(&c.MinExpires, time.Minute)
	setDefault(&c.MaxExpires, 2*time.Hour)
	setDefault(&c.DefaultExpires, min(time.Hour, c.MaxExpires))
	for _, d := range []time.Duration{c.NonceLifetime, c.MinExpires, c.MaxExpires, c.DefaultExpires} {
		if d < time.Second {
			return bad("duration %v is under a second", d)
		}
	}
	if c.MinExpires > c.MaxExpires || c.DefaultExpires > c.MaxExpires {
		return bad("MinExpires %v, DefaultExpires %v, MaxExpires %v", c.MinExpires, c.DefaultExpires, c.MaxExpires)
	}
	setDefault(&c.MaxContacts, 10)
	setDefault(&c.MTU, 1500)
	if c.MaxContacts < 1 || c.MTU < 576 {
		return bad("MaxContacts %d, MTU %d", c.MaxContacts, c.MTU)
	}
	if err := c.Agents.setDefaults(); err != nil {
		return Config{}, err
	}
	c.Routes, c.Peers = slices.Clone(c.Routes), slices.Clone(c.Peers)
	for i := range c.Routes {
		r := &c.Routes[i]
		r.To = sipmsg.Unmap(r.To)
		r.Prefix = dialled(r.Prefix)
		if !r.To.IsValid() || r.To.Port() == 0 {
			return bad("route %d goes to %v", i, r.To)
		}
	}
	for i := range c.Peers {
		c.Peers[i] = sipmsg.Unmap(c.Peers[i])
	}
	return c, nil
}

func setDefault[T time.Duration | int](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// key returns the secret everything random and every signature comes from.
func (c Config) key() [32]byte {
	if c.Seed != 0 {
		return sha256.Sum256(binary.BigEndian.AppendUint64([]byte("registrar"), c.Seed))
	}
	var k [32]byte
	rand.Read(k[:]) // never fails (crypto/rand)
	return k
}
