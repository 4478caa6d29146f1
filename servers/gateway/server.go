package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// Server is a gateway on one SIP socket. Make it with New, run it with Serve.
type Server struct {
	cfg    Config
	conn   net.PacketConn
	local  netip.AddrPort
	log    *slog.Logger
	parser *sip.Parser
	ua     *sipgo.UserAgent
	sip    *sipgo.Server
	client *sipgo.Client

	done    chan struct{} // closed by Close
	wg      sync.WaitGroup
	change  sync.Mutex          // held while OnChange runs
	sources map[string]struct{} // who has sent anything; the reading goroutine's

	mu       sync.Mutex
	serving  bool
	draining bool // Shutdown: no new calls
	closed   bool
	rng      *rand.Rand
	nextPort int
	arrivals uint64
	calls    []*call            // in order of arrival
	dialogs  map[dialogID]*call // the ones that have not ended
	callers  map[caller]*call   // the same
	stats    Stats
}

// Stats counts what a Server did since New.
type Stats struct {
	Invites     uint64         // that began a call or were refused one
	Refused     map[int]uint64 // final responses other than 2xx, by status
	Malformed   uint64         // datagrams that are no SIP message, dropped
	BadRequests uint64         // requests answered 400 before any transaction
	Unmatched   uint64         // responses nobody waited for
	Keepalives  uint64         // empty lines
}

// New makes a gateway on a socket that is bound to a concrete address. From
// now on the Server owns the socket and Close closes it; when New fails it
// stays the caller's.
func New(conn net.PacketConn, cfg Config) (*Server, error) {
	if conn == nil {
		return nil, fmt.Errorf("%w: no socket", ErrConfig)
	}
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return nil, fmt.Errorf("%w: local address: %v", ErrConfig, err)
	}
	cfg = cfg.withDefaults(local)
	if err := cfg.validate(local); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, conn: conn, local: local, log: cfg.Logger,
		parser:   sip.NewParser(),
		done:     make(chan struct{}),
		sources:  map[string]struct{}{},
		rng:      rand.New(rand.NewPCG(cfg.Seed, 0x6761746577617931)),
		nextPort: cfg.firstPort(),
		dialogs:  map[dialogID]*call{},
		callers:  map[caller]*call{},
		stats:    Stats{Refused: map[int]uint64{}},
	}
	if err := s.assemble(); err != nil {
		return nil, fmt.Errorf("gateway: new: %w", err)
	}
	return s, nil
}

// assemble puts sipgo's layers together around the one socket.
func (s *Server) assemble() (err error) {
	s.ua, err = sipgo.NewUA(
		sipgo.WithUserAgent("natproof-gateway"),
		sipgo.WithUserAgentHostname(s.local.Addr().String()),
		sipgo.WithUserAgentDNSResolver(&net.Resolver{PreferGo: true, Dial: noDNS}),
		sipgo.WithUserAgentTransactionLayerOptions(
			sip.WithTransactionLayerLogger(s.log),
			sip.WithTransactionLayerUnhandledResponseHandler(func(*sip.Response) { s.count(func(st *Stats) { st.Unmatched++ }) }),
		),
		sipgo.WithUserAgentTransportLayerOptions(
			sip.WithTransportLayerLogger(s.log),
			sip.WithTransportLayerReadFilter(s.filter),
		),
	)
	if err != nil {
		return err
	}
	if s.sip, err = sipgo.NewServer(s.ua, sipgo.WithServerLogger(s.log)); err != nil {
		return err
	}
	s.client, err = sipgo.NewClient(s.ua,
		sipgo.WithClientLogger(s.log),
		sipgo.WithClientAddr(s.local.String()),
		sipgo.WithClientConnectionAddr(s.local.String()), // requests leave from the one socket
		sipgo.WithClientNAT(),                            // rport, RFC 3581
	)
	if err != nil {
		return err
	}
	s.sip.OnInvite(s.handler(s.onInvite))
	s.sip.OnAck(s.handler(s.onACK))
	s.sip.OnBye(s.handler(s.onBYE))
	s.sip.OnOptions(s.handler(s.onOptions))
	s.sip.OnCancel(s.handler(s.onCancel))
	s.sip.OnNoRoute(s.handler(s.onOther))
	return nil
}

var errNoDNS = errors.New("gateway: names are not looked up")

func noDNS(context.Context, string, string) (net.Conn, error) { return nil, errNoDNS }

// Serve answers calls until Close, and then returns nil. If the socket fails
// before that it returns ErrSocket.
func (s *Server) Serve() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	if s.serving {
		s.mu.Unlock()
		return fmt.Errorf("gateway: serve: already serving")
	}
	s.serving = true
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()

	err := s.sip.ServeUDP(socket{s.conn, s.seal})
	select {
	case <-s.done:
		return nil
	default:
	}
	if err != nil {
		return fmt.Errorf("%w: %v", ErrSocket, err)
	}
	return ErrSocket
}

// Close stops at once, as a power cut would: media ends, callers are not told
// by SIP. It returns when every goroutine has ended. See Shutdown.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.done)
	err := s.conn.Close()
	for _, c := range s.snapshot() {
		c.end(Closed)
	}
	s.wg.Wait()
	s.ua.TransactionLayer().Close() // stops the timers; the transport layer is only what seal left
	return err
}

// Shutdown takes no more calls (503), hangs up those there are, and closes
// when they have ended or ctx has.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	for _, c := range s.snapshot() {
		c.hangup()
	}
	for _, c := range s.snapshot() {
		select {
		case <-c.ctx.Done():
		case <-ctx.Done():
			return errors.Join(ctx.Err(), s.Close())
		}
	}
	return s.Close()
}

// Hangup ends an established call with a BYE. It does not wait for the
// response; the call's state tells.
func (s *Server) Hangup(callID string) error {
	for _, c := range s.snapshot() {
		if c.dialog.callID != callID {
			continue
		}
		switch c.state() {
		case Ended:
			continue
		case Trying, Ringing:
			return ErrNotReady
		}
		c.hangup()
		return nil
	}
	return ErrNoCall
}

// Calls lists the calls in the order they arrived, the ended ones included.
func (s *Server) Calls() []Call {
	var list []Call
	for _, c := range s.snapshot() {
		list = append(list, c.snapshot())
	}
	return list
}

// Stats returns the counters of this moment.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Refused = map[int]uint64{}
	for status, n := range s.stats.Refused {
		st.Refused[status] = n
	}
	return st
}

// LocalAddr is the address of the SIP socket.
func (s *Server) LocalAddr() netip.AddrPort { return s.local }

func (s *Server) snapshot() []*call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *Server) count(f func(*Stats)) {
	s.mu.Lock()
	f(&s.stats)
	s.mu.Unlock()
}

// changed tells OnChange; s.change is held.
func (s *Server) changed(c Call) {
	s.log.Info("call", "id", c.ID, "number", c.Number, "state", c.State.String(), "cause", c.Cause.String())
	if s.cfg.OnChange != nil {
		s.cfg.OnChange(c)
	}
}

// enter counts a handler in, unless the server has closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Add(1)
	return true
}

// find is the call of a request in a dialog.
func (s *Server) find(req *sip.Request) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialogs[idOf(req)]
}

// forget takes an ended call out of the dialogs, and out of the list once
// there are too many.
func (s *Server) forget(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.dialogs, c.dialog.dialogID)
	delete(s.callers, callerOf(c.dialog.dialogID))
	for extra := len(s.calls) - len(s.dialogs) - s.cfg.History; extra > 0; extra-- {
		i := slices.IndexFunc(s.calls, func(c *call) bool { return s.dialogs[c.dialog.dialogID] != c })
		s.calls = slices.Delete(s.calls, i, i+1)
	}
}

// tag is the To tag for a request: the same for the same request, so that a
// response sent without a transaction has it too (RFC 3261 §8.2.7).
func (s *Server) tag(req *sip.Request) string {
	h := sha256.New()
	var seed [8]byte
	binary.BigEndian.PutUint64(seed[:], s.cfg.Seed)
	h.Write(seed[:])
	add := func(text string) { h.Write([]byte(strconv.Itoa(len(text)) + ":" + text)) }
	if v := req.CallID(); v != nil {
		add(v.Value())
	}
	if v := req.From(); v != nil {
		add(v.Value())
	}
	if v := req.CSeq(); v != nil {
		add(strconv.FormatUint(uint64(v.SeqNo), 10))
	}
	if v := req.Via(); v != nil {
		add(v.Params.GetOr("branch", ""))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
