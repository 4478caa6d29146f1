package media

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// A Stream sends and receives one audio stream. Make it with New; its methods
// may be called from any goroutine.
type Stream struct {
	cfg     Config
	samples uint32

	wg sync.WaitGroup

	sending sync.Mutex  // held while what is due is sent; taken before mu
	timer   *time.Timer // when something is due; nil before Start
	ended   bool        // nothing is sent any more but the BYE

	mu         sync.Mutex
	closed     bool
	listening  bool
	start      time.Time // zero until Start
	rng        *rand.Rand
	send, recv bool
	rtp, rtcp  target
	out        outgoing
	in         source
	hearing    incomingEvents
	report     reporter
	conflicts  [4]netip.AddrPort // RFC 3550 §8.2: where our own SSRC came from
	nConflicts int
	stats      Stats
}

// New starts reading the sockets at once, so that STUN can run on them (but see
// Config.ReadLate), and sends nothing until Start. From now on the Stream owns the
// sockets and Close closes them; when New fails they stay the caller's.
func New(cfg Config) (*Stream, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Stream{
		cfg:     cfg,
		samples: cfg.samples(),
		send:    true,
		recv:    true,
	}
	s.rtp.latching = latching{policy: cfg.Latch, lasts: cfg.LatchFor}
	s.rtcp.latching = s.rtp.latching
	if !cfg.ReadLate {
		s.listen()
	}
	return s, nil
}

// listen starts to read the sockets.
func (s *Stream) listen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listening = true
	s.listenOn(s.cfg.RTP, true)
	s.listenRTCP()
}

func (s *Stream) listenRTCP() {
	if conn := s.cfg.RTCP; conn != nil {
		s.listenOn(conn, false)
	}
}

// AddRTCP gives a Stream that was made without one a socket for RTCP, for a peer that no longer
// multiplexes; SetRemote says so. After an error the socket stays the caller's.
func (s *Stream) AddRTCP(conn net.PacketConn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.cfg.RTCP != nil || conn == nil || conn == s.cfg.RTP:
		return fmt.Errorf("%w: one socket for RTCP beside that of RTP", ErrConfig)
	}
	s.cfg.RTCP = conn
	if s.listening {
		s.listenRTCP()
	}
	return nil
}

// Start begins to send: RTP now and every PTime after, RTCP now and then at
// the intervals of RFC 3550 §6.2.
//
// The RTCP at once is what RFC 3550 §6.2 allows in a unicast session, and
// behind a NAT it matters: it is the packet that opens the way for the peer's
// RTCP, which otherwise stays shut for up to three seconds.
//
// An address that is not valid means "not known": nothing is sent there until
// SetRemote or, with Config.Latch, a packet from the peer names one. When
// remoteRTCP equals remoteRTP the peer multiplexes, and RTCP leaves from the
// RTP socket; when Config.RTCP is nil, remoteRTCP may be left out.
func (s *Stream) Start(remoteRTP, remoteRTCP netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if !s.start.IsZero() {
		return ErrStarted
	}
	s.start = time.Now()
	s.rng = rand.New(rand.NewPCG(s.cfg.Seed, s.identity(remoteRTP)))
	s.out.init(s.cfg, s.rng)
	s.report.init(s.rng, s.start)
	s.stats.Started = true
	s.setRemote(remoteRTP, remoteRTCP)
	s.timer = time.NewTimer(0)
	s.wg.Go(s.run)
	return nil
}

// identity tells streams that were given one seed apart. Two ends of a call
// differ at least in the address they send to.
func (s *Stream) identity(remote netip.AddrPort) uint64 {
	h := fnv.New64a()
	for _, part := range []string{s.cfg.RTP.LocalAddr().String(), remote.String(), s.cfg.CNAME} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return h.Sum64()
}

// SetRemote says where the peer now wants RTP and RTCP, as a re-INVITE does.
// An address that has not changed keeps what it latched to: a session refresh
// must not undo it. A new one forgets it. Either way LatchOnce and LatchWindow begin
// anew. Before Start it does nothing that
// Start would not undo.
func (s *Stream) SetRemote(rtp, rtcp netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setRemote(rtp, rtcp)
	s.nudge()
}

func (s *Stream) setRemote(rtp, rtcp netip.AddrPort) {
	if !rtcp.IsValid() && s.cfg.RTCP == nil {
		rtcp = rtp
	}
	now := time.Now()
	s.rtp.signal(rtp, now)
	s.rtcp.signal(rtcp, now)
}

// SetDirection holds and resumes: send off stops RTP (RTCP goes on), recv off
// counts what still arrives as RTPHeld. Both are on at first. Latching goes on
// either way, for where the peer is does not depend on who talks.
func (s *Stream) SetDirection(send, recv bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send, s.recv = send, recv
	s.nudge()
}

// SetEvents says how telephone events go from now on, as a re-INVITE may.
func (s *Stream) SetEvents(e Events) error {
	if err := e.validate(s.cfg.PayloadType); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Events = e
	if e.Send == 0 {
		s.out.events.fail(ErrNoEvents)
	}
	return nil
}

// LocalAddr is the local address of the RTP socket.
func (s *Stream) LocalAddr() net.Addr { return s.cfg.RTP.LocalAddr() }

// Stats returns the counters and states of this moment.
func (s *Stream) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.SSRC = s.out.ssrc
	s.in.fill(&st, s.cfg.ClockRate)
	st.Signalled, st.SendTo, st.LatchedTo = s.rtp.signalled, s.rtp.current(), s.rtp.latched
	st.RTCPSignalled, st.RTCPSendTo, st.RTCPLatchedTo = s.rtcp.signalled, s.rtcp.current(), s.rtcp.latched
	return st
}

// Close sends what is due at this very moment, says goodbye by RTCP BYE if anything was
// sent, closes the sockets and waits until both are let go. A second Close does nothing.
func (s *Stream) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	started := !s.start.IsZero()
	s.mu.Unlock()

	if started {
		s.end() // nothing may follow the BYE
	}
	s.sendBye()
	err := s.cfg.RTP.Close()
	if s.cfg.RTCP != nil {
		if e := s.cfg.RTCP.Close(); err == nil {
			err = e
		}
	}
	s.wg.Wait()
	return err
}

// nudge has what is due looked at again. s.mu is held.
func (s *Stream) nudge() {
	if !s.closed && s.timer != nil {
		s.timer.Reset(0)
	}
}
