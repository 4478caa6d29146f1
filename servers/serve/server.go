package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/servers/limit"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/servers/registrar/sqlite"
	"github.com/natproof/natproof/servers/stun"
)

// ErrConfig is wrapped by errors of New that another configuration would cure; all others are
// of the system: no socket, a file that cannot be used.
var ErrConfig = errors.New("configuration refused")

// A Server is all servers of a configuration.
type Server struct {
	cfg    Config
	log    *slog.Logger
	panics panics

	store     *sqlite.Store
	sipAddr   netip.AddrPort
	registrar *registrar.Server
	stun      *stun.Server
	stunAddrs []netip.AddrPort
	gateway   *gateway.Server
	probes    *probes
	limits    map[string]*limit.Limiter
	ended     endedCalls
	metrics   *metricsServer

	closeOnce sync.Once
	closeErr  error
	closed    chan struct{}
}

// New opens the sockets and the store, and prepares the servers. Serve has them serve. If it
// fails nothing stays open.
func New(cfg Config, log *slog.Logger) (*Server, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if cfg.Open == nil {
		cfg.Open = func(a netip.AddrPort) (net.PacketConn, error) {
			return net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
		}
	}
	s := &Server{cfg: cfg, log: log, limits: map[string]*limit.Limiter{}, closed: make(chan struct{})}
	s.panics.log = log
	for _, open := range []func() error{s.openStore, s.openProbes, s.openGateway, s.openRegistrar, s.openSTUN, s.openMetrics} {
		if err := open(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (s *Server) openStore() (err error) {
	if s.cfg.Users != "" {
		if s.cfg.Registrar.Users, err = ReadUsers(s.cfg.Users); err != nil {
			return fmt.Errorf("--users: %w", err)
		}
	}
	if s.cfg.Store != "" {
		if s.store, err = sqlite.Open(s.cfg.Store); err != nil {
			return err
		}
		s.cfg.Registrar.Store = s.store
	}
	return nil
}

// open opens a socket of a server, with a limiter.
func (s *Server) open(server string, at netip.AddrPort) (net.PacketConn, error) {
	conn, err := s.cfg.Open(at)
	if err != nil || s.cfg.Limit.Rate == 0 {
		return conn, err
	}
	l := s.limits[server]
	if l == nil {
		cfg := s.cfg.Limit
		cfg.Exempt = s.isOurs
		if l, err = limit.New(cfg); err != nil {
			return nil, errors.Join(fmt.Errorf("%w: %w", ErrConfig, err), conn.Close())
		}
		s.limits[server] = l
	}
	return l.Conn(conn), nil
}

// isOurs says whether something comes from a server of ours: what the registrar sends on to the
// gateway was limited when it came, and what the gateway answers it was asked for. No socket is
// read before all are open.
func (s *Server) isOurs(a netip.AddrPort) bool {
	return a == s.sipAddr || a == s.registrar.Addr() || s.gateway != nil && a == s.gateway.LocalAddr()
}

func (s *Server) openProbes() error {
	if !s.cfg.SIPProbe {
		return nil
	}
	var conn net.PacketConn
	if s.cfg.SIPProbeAlternate.IsValid() {
		var err error
		if conn, err = s.open("sip-probe", s.cfg.SIPProbeAlternate); err != nil {
			return err
		}
	}
	s.probes = newProbes(conn)
	return nil
}

func (s *Server) openGateway() error {
	if !s.cfg.GatewayListen.IsValid() {
		return nil
	}
	conn, err := s.open("gateway", s.cfg.GatewayListen)
	if err != nil {
		return err
	}
	cfg := s.cfg.Gateway
	cfg.Logger, cfg.OnPanic = s.log.With("server", "gateway"), s.panics.of("gateway")
	cfg.OnChange = s.ended.change
	cfg.Listen = s.cfg.Open
	if s.gateway, err = gateway.New(conn, cfg); err != nil {
		return errors.Join(fmt.Errorf("%w: %w", ErrConfig, err), conn.Close())
	}
	at := s.gateway.LocalAddr()
	r := &s.cfg.Registrar
	for _, prefix := range s.cfg.GatewayPrefixes {
		r.Routes = append(r.Routes, registrar.Route{Prefix: prefix, To: at})
	}
	r.Peers = append(r.Peers, at)
	return nil
}

func (s *Server) openRegistrar() error {
	conn, err := s.open("registrar", s.cfg.Listen)
	if err != nil {
		return err
	}
	if s.probes != nil {
		conn = s.probes.Beside(conn, s.cfg.Registrar.Advertise)
	}
	cfg := s.cfg.Registrar
	cfg.OnEvent, cfg.OnPanic = s.event(cfg.OnEvent), s.panics.of("registrar")
	if s.registrar, err = registrar.New(conn, cfg); err != nil {
		if errors.Is(err, registrar.ErrConfig) {
			err = fmt.Errorf("%w: %w", ErrConfig, err)
		}
		return errors.Join(err, conn.Close())
	}
	if a, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		s.sipAddr = sipmsg.Unmap(a.AddrPort())
	}
	return nil
}

func (s *Server) openSTUN() error {
	if !s.cfg.STUN.IsValid() {
		return nil
	}
	conns, err := stun.Listen(func(a netip.AddrPort) (net.PacketConn, error) { return s.open("stun", a) }, s.cfg.STUN, s.cfg.STUNAlternate)
	if err != nil {
		return err
	}
	for _, c := range conns {
		if a, ok := c.LocalAddr().(*net.UDPAddr); ok {
			s.stunAddrs = append(s.stunAddrs, a.AddrPort())
		}
	}
	if s.stun, err = stun.New(stun.Config{Conns: conns, OnPanic: s.panics.of("stun")}); err != nil {
		errs := []error{fmt.Errorf("%w: %w", ErrConfig, err)}
		for _, c := range conns {
			errs = append(errs, c.Close())
		}
		return errors.Join(errs...)
	}
	return nil
}

// Domain is that of the addresses of record.
func (s *Server) Domain() string {
	if s.cfg.Registrar.Domain != "" {
		return s.cfg.Registrar.Domain
	}
	return s.registrar.Addr().Addr().String()
}

// An Endpoint is an address that is served on.
type Endpoint struct {
	Server string // "sip", "stun", "gateway", "sip-probe" or "metrics"
	Addr   netip.AddrPort
}

// Endpoints lists them, SIP first.
func (s *Server) Endpoints() []Endpoint {
	list := []Endpoint{{"sip", s.sipAddr}}
	for _, a := range s.stunAddrs {
		list = append(list, Endpoint{"stun", a})
	}
	if s.gateway != nil {
		list = append(list, Endpoint{"gateway", s.gateway.LocalAddr()})
	}
	if s.probes != nil && s.probes.alternate.IsValid() {
		list = append(list, Endpoint{"sip-probe", s.probes.alternate})
	}
	if s.metrics != nil {
		list = append(list, Endpoint{"metrics", s.metrics.addr})
	}
	return list
}

// Serve serves until ctx ends, and then shuts down: calls of the gateway get a BYE, its new ones
// 503, subscriptions end (those that are kept do not), and the store is closed. That takes
// Config.ShutdownTimeout at most, or until now ends. An error is a server that failed; the
// others end with it.
func (s *Server) Serve(ctx, now context.Context) error {
	var running sync.WaitGroup
	failed := make(chan error, 8)
	run := func(name string, serve func() error) {
		running.Go(func() {
			if err := serve(); err != nil {
				failed <- fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	run("registrar", s.registrar.Serve)
	if s.stun != nil {
		run("stun", s.stun.Serve)
	}
	if s.gateway != nil {
		run("gateway", func() error {
			if err := s.gateway.Serve(); !errors.Is(err, gateway.ErrClosed) {
				return err
			}
			return nil
		})
	}
	if s.probes != nil && s.probes.conn != nil {
		run("sip-probe", s.probes.serve)
	}
	if s.metrics != nil {
		run("metrics", s.metrics.serve)
	}
	s.log.Info("serving", "domain", s.Domain(), "sip", s.sipAddr)
	var err error
	select {
	case err = <-failed:
		s.log.Error("a server failed", "error", err)
	case <-ctx.Done():
		s.shutdown(now)
	}
	err = errors.Join(err, s.Close())
	running.Wait()
	s.log.Info("stopped")
	return err
}

// shutdown tells those who are in a call with us, or watch a user.
func (s *Server) shutdown(now context.Context) {
	ctx, cancel := context.WithTimeout(now, s.cfg.ShutdownTimeout)
	defer cancel()
	start := time.Now()
	s.log.Info("shutting down", "timeout", s.cfg.ShutdownTimeout)
	if s.gateway != nil { // whose BYEs go through the registrar
		if err := s.gateway.Shutdown(ctx); err != nil {
			s.log.Warn("calls were cut off", "after", time.Since(start), "error", err)
		}
	}
	if err := s.registrar.Shutdown(ctx); err != nil {
		s.log.Warn("subscriptions were cut off", "after", time.Since(start), "error", err)
	}
}

// Close ends everything at once, without a word to anybody.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		var errs []error
		if s.gateway != nil {
			errs = append(errs, s.gateway.Close())
		}
		if s.registrar != nil {
			errs = append(errs, s.registrar.Close())
		}
		if s.stun != nil {
			errs = append(errs, s.stun.Close())
		}
		if s.probes != nil {
			errs = append(errs, s.probes.close())
		}
		if s.metrics != nil {
			errs = append(errs, s.metrics.close())
		}
		if s.store != nil { // last: what was promised is on the disk
			errs = append(errs, s.store.Close())
		}
		s.closeErr = errors.Join(errs...)
		close(s.closed)
	})
	<-s.closed
	return s.closeErr
}
