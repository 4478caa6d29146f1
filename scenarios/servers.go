package scenarios

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/servers/stun"
	"github.com/natproof/natproof/vnet"
)

// Ports of the servers.
const (
	stunPort    = 3478
	stunAltPort = 3479
	proxyPort   = 5060
	gatewayPort = 5060
)

// Domain is the domain of the addresses of record. Nobody resolves it: every
// request goes through the outbound proxy.
const Domain = "example.com"

// PhoneNumber is the number behind the PSTN gateway, the seeds' own.
const PhoneNumber = "1234567"

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
func (w *World) ServeSTUN() (stop func() error, err error) {
	conns, err := stun.Listen(listener(w.STUN),
		netip.AddrPortFrom(stunAddr, stunPort), netip.AddrPortFrom(stunAltAddr, stunAltPort))
	if err != nil {
		return nil, fmt.Errorf("scenarios: stun server: %w", err)
	}
	server, err := stun.New(stun.Config{Conns: conns})
	if err != nil {
		return nil, fmt.Errorf("scenarios: stun server: %w", err)
	}
	return start(server), nil
}

// ServeProxy runs the registrar and proxy as the cell wants it until stop is called.
func (w *World) ServeProxy(c Cell, seed uint64) (stop func() error, err error) {
	conn, err := w.Proxy.Listen(netip.AddrPortFrom(proxyAddr, proxyPort))
	if err != nil {
		return nil, fmt.Errorf("scenarios: proxy: %w", err)
	}
	cfg := registrar.Config{Domain: Domain, Seed: seedFor(seed, BoxProxy), OnEvent: w.proxyEvent}
	if c.Registrar == RegistrarReceived {
		cfg.Policy = registrar.PolicyReceived
	}
	if w.Gateway != nil {
		cfg.Routes = []registrar.Route{{Prefix: PhoneNumber, Phone: true, To: netip.AddrPortFrom(gatewayAddr, gatewayPort)}}
	}
	server, err := registrar.New(conn, cfg)
	if err != nil {
		return nil, fmt.Errorf("scenarios: proxy: %w", err)
	}
	return start(server), nil
}

// proxyEvent takes note of what the proxy threw away. The server calls it one at a time.
func (w *World) proxyEvent(e registrar.Event) {
	if e.Kind == registrar.Dropped {
		w.refused = append(w.refused, e)
	}
}

// ringTime is how long the telephone behind the gateway rings.
const ringTime = time.Second

// GatewayService is a running PSTN gateway.
type GatewayService struct {
	Server *gateway.Server
	Stop   func() error
}

// ServeGateway runs the PSTN gateway as the cell wants it until it is stopped.
func (w *World) ServeGateway(c Cell, seed uint64) (*GatewayService, error) {
	conn, err := w.Gateway.Listen(netip.AddrPortFrom(gatewayAddr, gatewayPort))
	if err != nil {
		return nil, fmt.Errorf("scenarios: gateway: %w", err)
	}
	server, err := gateway.New(conn, gateway.Config{
		RingTime: ringTime,
		MinPort:  RTPPort, MaxPort: RTCPPort,
		Listen: listener(w.Gateway),
		Latch:  c.Latch.Has(B), Strict: c.Strict.Has(B), Silent: c.Silent.Has(B),
		Seed: seed,
	})
	if err != nil {
		return nil, fmt.Errorf("scenarios: gateway: %w", err)
	}
	return &GatewayService{Server: server, Stop: start(server)}, nil
}

// Media is what the gateway's last call has counted; false if there was none.
func (g *GatewayService) Media() (media.Stats, bool) {
	calls := g.Server.Calls()
	if len(calls) == 0 {
		return media.Stats{}, false
	}
	return calls[len(calls)-1].Media, true
}
