package sipstack

import (
	"bytes"
	"net/netip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// A subject is what is being handled while something panics: a datagram, or a timer, which has
// none.
type subject struct {
	datagram []byte
	from     netip.AddrPort
}

// about notes what is handled from now on, for who is told of a panic. s.mu is held.
func (s *Stack) about(b []byte, from netip.AddrPort) {
	if s.cfg.OnPanic != nil {
		s.subject = subject{bytes.Clone(b), from}
	}
}

// tellOr is tell; after a panic of f, undo is called with s.mu held.
func (s *Stack) tellOr(f, undo func()) {
	if s.cfg.OnPanic == nil {
		s.calls = append(s.calls, f)
		return
	}
	about := s.subject
	s.calls = append(s.calls, func() {
		defer s.recovered(about, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.stats.Panics++
			if undo != nil && !s.closed {
				undo()
			}
		})
		f()
	})
}

// recovered is deferred: it ends a panic, has it counted, and tells of it.
func (s *Stack) recovered(about subject, count func()) {
	if v := recover(); v != nil {
		count()
		s.cfg.OnPanic(v, about.datagram, about.from)
	}
}

// sort takes a datagram to where it belongs. s.mu is held, and is after a panic.
func (s *Stack) sort(k *Socket, b []byte, from netip.AddrPort) {
	if s.cfg.OnPanic == nil {
		s.take(k, b, from)
		return
	}
	s.about(b, from)
	about, outcomes := s.subject, s.stats.Outcomes
	defer func() { s.subject = subject{} }()
	defer s.recovered(about, func() {
		s.stats.Panics++
		if s.stats.Outcomes == outcomes {
			s.stats.Panicked++
		}
	})
	s.take(k, b, from)
}

// stun hands a STUN message on. s.mu is held, and is after a panic.
func (s *Stack) stun(k *Socket, b []byte, from netip.AddrPort) {
	s.mu.Unlock()
	defer s.mu.Lock()
	s.cfg.OnSTUN(k, b, from)
}

// fire runs the timers that are due. A panic of one is not the end of the others.
func (s *Stack) fire() {
	if s.cfg.OnPanic == nil {
		s.timers.run()
		return
	}
	for again := true; again; {
		func() {
			defer s.recovered(subject{}, func() { s.stats.Panics++ })
			s.timers.run()
			again = false
		}()
	}
}

// unserved answers a request whose user has failed (RFC 3261 §21.5.1).
func (tx *ServerTx) unserved(req *sipmsg.Request) {
	_ = tx.respond(500, req.Respond(500, "Server Internal Error", tx.Tag, nil))
}
