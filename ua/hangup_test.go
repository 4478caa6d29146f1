package ua

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// The callee may end a call at any moment: what is said, how both ends see it, and that nothing
// is left.
func TestHangupByCalleeInEveryState(t *testing.T) {
	bg := context.Background()
	// connect is a call that is up.
	connect := func(t *testing.T, a, b *agent) (mine, theirs *Session) {
		b.answers(answerNow)
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		check(t, err)
		time.Sleep(time.Second)
		return s, b.lastSession()
	}
	for name, c := range map[string]struct {
		// play brings the call to where the callee hangs up, and says what Call or the like returns.
		play           func(t *testing.T, n *memnet, a, b *agent) error
		err            error
		caller, callee TerminateReason
		byes           int // of the callee, as they left it
		code           int // of the refusal in its place
	}{
		"incoming": {func(t *testing.T, n *memnet, a, b *agent) error {
			b.answers(func(s *Session) { go s.Hangup(bg) })
			_, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
			return err
		}, &ResponseError{}, Declined, Declined, 0, 603},
		"ringing": {func(t *testing.T, n *memnet, a, b *agent) error {
			b.answers(func(s *Session) { go func() { _ = s.Ring(bg); time.Sleep(time.Second); _ = s.Hangup(bg) }() })
			_, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
			return err
		}, &ResponseError{}, Declined, Declined, 0, 603},
		"answering, before the 200": {func(t *testing.T, n *memnet, a, b *agent) error {
			b.answers(func(s *Session) {
				_ = s.SetPortManager(&funcManager{get: func(context.Context, MappingRequest) (Mapping, error) {
					time.Sleep(time.Second)
					return Mapping{}, nil
				}})
				go func() { _ = s.Answer(bg) }()
				go func() { time.Sleep(500 * time.Millisecond); _ = s.Hangup(bg) }()
			})
			_, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
			return err
		}, &ResponseError{}, Declined, Canceled, 0, 603},
		"answering, before the ACK": {func(t *testing.T, n *memnet, a, b *agent) error {
			b.answers(func(s *Session) { go func() { _ = s.Answer(bg); _ = s.Hangup(bg) }() })
			_, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
			return err
		}, nil, Normal, Normal, 1, 0},
		"connected": {func(t *testing.T, n *memnet, a, b *agent) error {
			_, s := connect(t, a, b)
			return s.Hangup(bg)
		}, nil, Normal, Normal, 1, 0},
		"held by the caller": {func(t *testing.T, n *memnet, a, b *agent) error {
			s, o := connect(t, a, b)
			check(t, s.Hold(bg))
			time.Sleep(time.Second)
			return o.Hangup(bg)
		}, nil, Normal, Normal, 1, 0},
		"held by itself": {func(t *testing.T, n *memnet, a, b *agent) error {
			_, o := connect(t, a, b)
			check(t, o.Hold(bg))
			return o.Hangup(bg)
		}, nil, Normal, Normal, 1, 0},
		"while the caller's re-INVITE is under way": {func(t *testing.T, n *memnet, a, b *agent) error {
			s, o := connect(t, a, b)
			held := make(chan error, 1)
			go func() { held <- s.Hold(bg) }()
			time.Sleep(500 * time.Microsecond)
			check(t, o.Hangup(bg))
			return <-held
		}, ErrState, Normal, Normal, 1, 0},
		"while its own re-INVITE is under way": {func(t *testing.T, n *memnet, a, b *agent) error {
			_, o := connect(t, a, b)
			held := make(chan error, 1)
			go func() { held <- o.Hold(bg) }()
			time.Sleep(500 * time.Microsecond)
			check(t, o.Hangup(bg))
			return <-held
		}, ErrState, Normal, Normal, 1, 0},
		"both at once": {func(t *testing.T, n *memnet, a, b *agent) error {
			s, o := connect(t, a, b)
			mine := make(chan error, 1)
			go func() { mine <- s.Hangup(bg) }()
			check(t, o.Hangup(bg))
			return <-mine
		}, nil, Normal, Normal, 1, 0},
		"asked for a transfer": {func(t *testing.T, n *memnet, a, b *agent) error {
			s, o := connect(t, a, b)
			asked := make(chan error, 1)
			go func() { asked <- s.Transfer(bg, "sip:carol@10.0.0.9") }()
			time.Sleep(time.Second)
			check(t, o.Hangup(bg)) // the report still comes
			return <-asked
		}, ErrTransfer, Normal, Normal, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060", follows)
				err := c.play(t, n, a, b)
				var r *ResponseError
				switch {
				case c.code != 0 && (!errors.As(err, &r) || r.Code != c.code), c.code == 0 && !errors.Is(err, c.err):
					t.Errorf("got %v", err)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				for _, x := range []struct {
					who  *agent
					want TerminateReason
				}{{a, c.caller}, {b, c.callee}} {
					for _, e := range x.who.events() {
						if s, ok := e.(SessionEvent); ok && s.State == Disconnected && s.Session.Referrer() == nil && s.Reason != x.want {
							t.Errorf("%v: %s", x.who.Addr(), s.Reason)
						}
					}
				}
				byes := 0
				for _, d := range n.packets(sipText("BYE")) {
					if d.src == b.Addr() {
						byes++
					}
				}
				equal(t, "BYEs", byes, c.byes)
				equal(t, "sockets", n.open(), 2)
				for _, x := range []*agent{a, b} {
					equal(t, "outcomes", outcomes(x.Stats()), x.Stats().Datagrams)
				}
			})
		})
	}
}

// A BYE that is lost is sent again; one that nobody ever answers ends the call for its sender.
func TestHangupByCalleeWithLoss(t *testing.T) {
	for name, lost := range map[string]int{"the first": 1, "all": 1000} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
				b.onIncoming = answerNow
				s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
				check(t, err)
				time.Sleep(time.Second)
				byes := 0
				n.setDrop(func(d datagram) bool {
					if !sipText("BYE")(d) {
						return false
					}
					byes++
					return byes <= lost
				})
				start := time.Now()
				o := b.lastSession()
				err = o.Hangup(t.Context())
				equal(t, "callee", o.State(), Disconnected)
				if lost == 1 {
					check(t, err)
					<-s.Done()
					return
				}
				if !errors.Is(err, ErrTransactionTimeout) {
					t.Error(err)
				}
				equal(t, "time", time.Since(start), 32*time.Second) // Timer F
				equal(t, "caller", s.State(), Connected)
				n.setDrop(nil)
				check(t, s.Hangup(t.Context())) // 481 is as good as 200
			})
		})
	}
}
