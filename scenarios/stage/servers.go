package stage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/wire"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/servers/stun"
	"github.com/natproof/natproof/vnet"
)

// service is something that serves sockets until it is closed.
type service interface {
	Serve() error
	Close() error
}

// start serves in the background. stop closes the service and returns what
// went wrong while it served.
func start(s service) (stop func() error) {
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	return func() error { return errors.Join(s.Close(), <-served) }
}

// listener opens sockets on a host.
func listener(h *vnet.Host) func(netip.AddrPort) (net.PacketConn, error) {
	return func(a netip.AddrPort) (net.PacketConn, error) { return h.Listen(a) }
}

// ServeSTUN runs the STUN server on its two addresses and two ports until stop
// is called.
func (w *World) ServeSTUN() (stop func() error, err error) { return serveSTUN(w.STUN) }

// STUNServer and STUNAlternate are the primary and the alternate address of the STUN server.
var (
	STUNServer    = netip.AddrPortFrom(cell.STUNAddr, cell.STUNPort)
	STUNAlternate = netip.AddrPortFrom(cell.STUNAltAddr, cell.STUNAltPort)
)

func serveSTUN(host *vnet.Host) (stop func() error, err error) {
	conns, err := stun.Listen(listener(host), STUNServer, STUNAlternate)
	if err != nil {
		return nil, fmt.Errorf("stage: stun server: %w", err)
	}
	server, err := stun.New(stun.Config{Conns: conns})
	if err != nil {
		return nil, fmt.Errorf("stage: stun server: %w", err)
	}
	return start(server), nil
}

// ServeProxy runs the registrar and proxy as the cell wants it until stop is called.
func (w *World) ServeProxy(c cell.Cell, seed uint64) (stop func() error, err error) {
	conn, err := w.Proxy.Listen(netip.AddrPortFrom(w.Proxy.Addr(), cell.ProxyPort))
	if err != nil {
		return nil, fmt.Errorf("stage: proxy: %w", err)
	}
	cfg := registrar.Config{Domain: cell.Domain, Seed: seedFor(seed, cell.BoxProxy), OnEvent: w.proxyEvent}
	cfg.Ping, cfg.Agents = ping(c), agents(c)
	cfg.AnswerSTUN = c.KeepAlive == cell.KeepAliveSTUN
	if c.Topology == cell.ProxyNAT {
		cfg.Advertise = cell.ProxyOf(c)
	}
	if expires := Expires(c); expires != 0 {
		cfg.MinExpires = min(time.Minute, expires)
	}
	if cfg.Policy, err = registrar.ParsePolicy(string(c.Registrar)); err != nil {
		return nil, fmt.Errorf("stage: proxy: %w", err)
	}
	if c.Registrar == cell.RegistrarAnotherSource {
		calls := w.Proxy.Addrs()[1]
		if cfg.CallConn, err = w.Proxy.Listen(netip.AddrPortFrom(calls, cell.ProxyPort)); err != nil {
			return nil, fmt.Errorf("stage: proxy: %w", err)
		}
		cfg.CallAdvertise = cell.CallsOf(c)
	}
	if w.Gateway != nil {
		cfg.Routes = []registrar.Route{{Prefix: cell.PhoneNumber, Phone: true, To: netip.AddrPortFrom(cell.GatewayAddr, cell.GatewayPort)}}
	}
	server, err := registrar.New(conn, cfg)
	if err != nil {
		return nil, fmt.Errorf("stage: proxy: %w", err)
	}
	w.registrar = server
	return start(server), nil
}

// ping is what the registrar does to hold the mappings of its users.
func ping(c cell.Cell) registrar.Ping {
	kind := map[cell.Ping]registrar.PingKind{
		cell.PingNone: registrar.PingNone, cell.PingZero: registrar.PingZero, cell.PingOptions: registrar.PingOptions,
	}[c.Ping]
	if kind == registrar.PingNone {
		return registrar.Ping{}
	}
	return registrar.Ping{Kind: kind, Interval: c.Interval.Time()}
}

// badRequest is 400 (RFC 3261 §21.4.1).
const badRequest = 400

// proxyEvent takes note of what the proxy could not read. The server calls it one at a time.
func (w *World) proxyEvent(e registrar.Event) {
	why, malformed := strings.CutPrefix(e.Detail, string(cell.RuleMalformed)+": ")
	if e.Kind == registrar.Dropped && malformed || e.Kind == registrar.Answered && e.Code == badRequest {
		w.told = append(w.told, wire.Told{Box: cell.BoxProxy, Rule: cell.RuleMalformed, Src: e.Source, Why: why})
	}
}

// Told is what the proxy tells of messages that it could not use. Read it when the proxy has
// stopped.
func (w *World) Told() []wire.Told { return w.told }

// ringTime is how long the telephone behind the gateway rings.
const ringTime = time.Second

// gatewayEnd is the PSTN gateway as an end of a call: it answers, and does nothing by itself.
type gatewayEnd struct {
	server *gateway.Server
	stop   func() error
}

// ServeGateway runs the PSTN gateway as the cell wants it until it is closed.
func (w *World) ServeGateway(c cell.Cell, seed uint64) (Endpoint, error) {
	conn, err := w.Gateway.Listen(netip.AddrPortFrom(cell.GatewayAddr, cell.GatewayPort))
	if err != nil {
		return nil, fmt.Errorf("stage: gateway: %w", err)
	}
	cfg := gatewayOptions(c)
	cfg.RingTime, cfg.Seed, cfg.Listen = max(ringTime, c.Rings()), seed, listener(w.Gateway)
	if ring := rings(c); ring > 0 {
		cfg.RingTime, cfg.EarlyMedia = ring, true
	}
	cfg.MinPort, cfg.MaxPort = cell.RTPPort, cell.RTCPPort
	server, err := gateway.New(conn, cfg)
	if err != nil {
		return nil, fmt.Errorf("stage: gateway: %w", err)
	}
	return gatewayEnd{server: server, stop: start(server)}, nil
}

// Register is nothing that a gateway does.
func (gatewayEnd) Register(context.Context) error { return ErrCannot }

// Call is nothing that this gateway does.
func (gatewayEnd) Call(context.Context, string) (Call, error) { return nil, ErrCannot }

// Hangup ends the last call.
func (g gatewayEnd) Hangup(context.Context) error {
	calls := g.server.Calls()
	if len(calls) == 0 {
		return ErrCannot
	}
	return g.server.Hangup(calls[len(calls)-1].ID)
}

// Heard are the keys of the last call.
func (g gatewayEnd) Heard() string {
	calls := g.server.Calls()
	if len(calls) == 0 {
		return ""
	}
	return calls[len(calls)-1].Digits
}

func (g gatewayEnd) Close() error { return g.stop() }

// Counts are those of the last call.
func (g gatewayEnd) Counts() []Count {
	calls := g.server.Calls()
	if len(calls) == 0 {
		return nil
	}
	return counts(calls[len(calls)-1].Media)
}
