package ua

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// follows is a phone that does what a REFER asks.
func follows(c *Config) { c.Refer, c.Replaces = ReferFollow, true }

func asks(c *Config) { c.Refer, c.Replaces = ReferAsk, true }

// transfers lists what was reported of transfers.
func (a *agent) transfers() string {
	var list []string
	for _, e := range a.events() {
		if x, ok := e.(TransferEvent); ok {
			text := fmt.Sprint(x.Code)
			if x.Over {
				text += " over"
			}
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}

// answers says what to do with the calls to come.
func (a *agent) answers(f func(*Session)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.onIncoming = f
}

// connected is the session that was last connected.
func (a *agent) connected() *Session {
	es := a.events()
	for i := len(es) - 1; i >= 0; i-- {
		if s, ok := es[i].(SessionEvent); ok && s.State == Connected {
			return s.Session
		}
	}
	a.t.Fatal("no session was connected")
	return nil
}

// reference waits for the last ReferEvent.
func (a *agent) reference() *Reference {
	es := a.events()
	for i := len(es) - 1; i >= 0; i-- {
		if r, ok := es[i].(ReferEvent); ok {
			return r.Reference
		}
	}
	a.t.Fatal("no REFER")
	return nil
}

// notifies lists the NOTIFYs on the wire: Subscription-State without its expiry, and status.
func notifies(n *memnet, from string) string {
	var list []string
	for _, d := range n.packets(sipText("NOTIFY")) {
		if d.src != addr(from) {
			continue
		}
		parsed, _ := sip.ParseMessage(d.data)
		m := parsed.(*sip.Request)
		state, _, _ := strings.Cut(m.GetHeader("Subscription-State").Value(), ";expires")
		list = append(list, state+" "+strings.TrimSpace(strings.TrimPrefix(string(m.Body()), "SIP/2.0 ")))
	}
	return strings.Join(list, ", ")
}

// ringsFirst rings for a second before it answers.
func ringsFirst(s *Session) {
	go func() {
		_ = s.Ring(context.Background())
		time.Sleep(time.Second)
		_ = s.Answer(context.Background())
	}()
}

// trio is three phones, and a call from the first to the second.
func trio(t *testing.T, n *memnet, second func(*Config)) (a, b, c *agent, s *Session) {
	t.Helper()
	a, b, c = newAgent(t, n, "10.0.0.1:5060", follows), newAgent(t, n, "10.0.0.2:5060", second), newAgent(t, n, "10.0.0.3:5060", follows)
	b.onIncoming, c.onIncoming = answerNow, ringsFirst
	s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
	check(t, err)
	time.Sleep(time.Second)
	return a, b, c, s
}

func TestBlindTransfer(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b, c, s := trio(t, n, follows)
		old := b.lastSession()
		check(t, s.Transfer(t.Context(), "sip:carol@10.0.0.3"))
		equal(t, "reports", a.transfers(), "100, 180, 200 over")
		equal(t, "on the wire", notifies(n, "10.0.0.2:5060"), "active 100 Trying, active 180 Ringing, terminated;reason=noresource 200 OK")
		equal(t, "transferor", s.State(), Disconnected)
		time.Sleep(2 * time.Second)
		equal(t, "old call", old.State(), Disconnected)
		now := b.connected()
		equal(t, "new call", c.lastSession().State(), Connected)
		equal(t, "target", b.reference().Target, "sip:carol@10.0.0.3")
		equal(t, "referrer", now.Referrer(), old)
		equal(t, "referred by", c.lastSession().ReferredBy(), "<sip:anonymous@10.0.0.1>")
		st, _ := now.MediaStats()
		if st.RTPReceived < 90 {
			t.Errorf("media: %+v", st)
		}
		// The transferee holds the old call before it calls (RFC 5589).
		equal(t, "INVITEs of the transferee", order(n, "10.0.0.2:5060", "INVITE"), "INVITE 10.0.0.1:5060, INVITE 10.0.0.3:5060")
		check(t, now.Hangup(t.Context()))
		time.Sleep(time.Minute)
		equal(t, "sockets", n.open(), 3)
	})
}

// order lists requests of a method with where they went.
func order(n *memnet, from, method string) string {
	var list []string
	for _, d := range n.packets(sipText(method)) {
		if d.src == addr(from) {
			list = append(list, method+" "+d.dst.String())
		}
	}
	return strings.Join(list, ", ")
}

// A call that the transferor has put on hold is not held a second time.
func TestTransferOfACallOnHold(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		_, _, c, s := trio(t, n, follows)
		check(t, s.Hold(t.Context()))
		check(t, s.Transfer(t.Context(), "sip:carol@10.0.0.3"))
		equal(t, "INVITEs of the transferee", order(n, "10.0.0.2:5060", "INVITE"), "INVITE 10.0.0.3:5060")
		time.Sleep(time.Second)
		equal(t, "new call", c.lastSession().State(), Connected)
	})
}

func TestTransferFails(t *testing.T) {
	for name, c := range map[string]struct {
		second func(*Config)
		target string
		third  func(*Session)
		code   int
		method string // of a refusal
		wire   string
		after  time.Duration
	}{
		"busy": {follows, "sip:carol@10.0.0.3", func(s *Session) { go s.Reject(context.Background(), 486, "") }, 486, "",
			"active 100 Trying, terminated;reason=noresource 486 Busy Here", 0},
		"declined": {follows, "sip:carol@10.0.0.3", func(s *Session) { go s.Reject(context.Background(), 603, "No") }, 603, "",
			"active 100 Trying, terminated;reason=noresource 603 No", 0},
		"nobody there": {follows, "sip:carol@10.0.0.9", nil, 408, "",
			"active 100 Trying, terminated;reason=noresource 408 Request Timeout", 32 * time.Second},
		"nowhere": {follows, "sip:carol@example.com", nil, 503, "",
			"active 100 Trying, terminated;reason=noresource 503 Service Unavailable", 0},
		"method unknown": {func(*Config) {}, "sip:carol@10.0.0.3", nil, 405, "REFER", "", 0},
		"policy":         {func(c *Config) { c.Refer = ReferDecline }, "sip:carol@10.0.0.3", nil, 603, "REFER", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				_, b, third, s := trio(t, n, c.second)
				third.answers(c.third)
				start := time.Now()
				err := s.Transfer(t.Context(), c.target)
				equal(t, "time", time.Since(start).Round(time.Second), c.after)
				var failed *TransferError
				var refused *ResponseError
				switch {
				case c.method == "" && (!errors.As(err, &failed) || failed.Code != c.code || !errors.Is(err, ErrTransfer)):
					t.Errorf("got %v", err)
				case c.method != "" && (!errors.As(err, &refused) || refused.Code != c.code || refused.Method != c.method):
					t.Errorf("got %v", err)
				}
				equal(t, "on the wire", notifies(n, "10.0.0.2:5060"), c.wire)
				time.Sleep(3 * time.Second)
				equal(t, "transferor", s.State(), Connected) // resumed
				equal(t, "answered", b.Stats().Answered[c.code], map[bool]uint64{true: 1}[c.method != ""])
				before, _ := s.MediaStats()
				time.Sleep(time.Second)
				after, _ := s.MediaStats()
				equal(t, "packets in a second", after.RTPReceived-before.RTPReceived, 50)
			})
		})
	}
}

func TestReferAsks(t *testing.T) {
	for name, c := range map[string]struct {
		decide func(*Reference) error
		after  time.Duration
		err    string
		wire   string
	}{
		"reject": {func(r *Reference) error { return r.Reject(context.Background(), 603, "") }, 0, "ua: REFER: 603 Decline", ""},
		"reject late": {func(r *Reference) error { return r.Reject(context.Background(), 603, "") }, 10 * time.Second, "ua: transfer: 603 Decline",
			"pending 100 Trying, terminated;reason=rejected 603 Decline"},
		"accept": {func(r *Reference) error { _, err := r.Accept(context.Background()); return err }, 0, "",
			"active 100 Trying, active 180 Ringing, terminated;reason=noresource 200 OK"},
		"accept late": {func(r *Reference) error { _, err := r.Accept(context.Background()); return err }, 10 * time.Second, "",
			"pending 100 Trying, active 100 Trying, active 180 Ringing, terminated;reason=noresource 200 OK"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				_, b, _, s := trio(t, n, asks)
				result := make(chan error, 1)
				go func() { result <- s.Transfer(context.Background(), "sip:carol@10.0.0.3") }()
				time.Sleep(c.after + 100*time.Millisecond)
				r := b.reference()
				check(t, c.decide(r))
				if err := c.decide(r); !errors.Is(err, ErrState) {
					t.Errorf("a second decision: %v", err)
				}
				got := ""
				if err := <-result; err != nil {
					got = err.Error()
				}
				equal(t, "error", got, c.err)
				equal(t, "on the wire", notifies(n, "10.0.0.2:5060"), c.wire)
				equal(t, "REFERs", len(n.packets(sipText("REFER"))), map[bool]int{true: 4, false: 1}[c.after > 0])
			})
		})
	}
}

// Where both agree on no reports (RFC 4488), the transferor is done when the REFER is accepted.
func TestTransferWithoutReports(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b, c := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.NoReferSub = true }), newAgent(t, n, "10.0.0.2:5060", follows), newAgent(t, n, "10.0.0.3:5060")
		b.onIncoming, c.onIncoming = answerNow, ringsFirst
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		check(t, err)
		check(t, s.Transfer(t.Context(), "sip:carol@10.0.0.3"))
		equal(t, "transferor", s.State(), Disconnected)
		time.Sleep(2 * time.Second)
		equal(t, "NOTIFYs", len(n.packets(sipText("NOTIFY"))), 0)
		equal(t, "new call", c.lastSession().State(), Connected)
	})
}

// A transferor that hangs up at once goes on being told: the subscription outlives the call.
func TestReportsAfterBYE(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b, c, s := trio(t, n, asks)
		result := make(chan error, 1)
		go func() { result <- s.Transfer(context.Background(), "sip:carol@10.0.0.3") }()
		time.Sleep(100 * time.Millisecond)
		go func() { _, _ = b.reference().Accept(context.Background()) }()
		time.Sleep(500 * time.Millisecond)
		check(t, s.Hangup(t.Context()))
		check(t, <-result)
		equal(t, "reports", a.transfers(), "100, 180, 200 over")
		time.Sleep(time.Second)
		equal(t, "new call", c.lastSession().State(), Connected)
	})
}

func TestAttendedTransfer(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b, c, s := trio(t, n, follows)
		check(t, s.Hold(t.Context()))
		rec := NewRecorder(Local{})
		c.answers(func(s *Session) { check(t, s.SetPortManager(rec)); ringsFirst(s) })
		other, err := a.call(t, nil, "sip:carol@10.0.0.3", nil)
		check(t, err)
		time.Sleep(time.Second)
		theirs := c.lastSession()
		check(t, other.Hold(t.Context()))
		c.answers(nil) // a call that replaces one does not ring
		check(t, s.TransferTo(t.Context(), other))
		<-other.Done()
		<-theirs.Done()
		time.Sleep(time.Second)
		reason, _ := theirs.Reason()
		equal(t, "why the target's old call ended", reason, Replaced)
		reason, err = other.Reason()
		equal(t, "why the transferor's ended", reason, Normal)
		check(t, err)
		equal(t, "reports", a.transfers(), "100, 200 over")
		equal(t, "target", c.states(), "incoming, answering, connected, hold, incoming, answering, connected, disconnected(replaced)")
		var replaces *Session
		for _, e := range c.events() {
			if x, ok := e.(SessionEvent); ok && x.State == Incoming {
				replaces = x.Replaces
			}
		}
		equal(t, "replaces", replaces, theirs)
		var asked []string
		for _, call := range rec.Calls() {
			if call.Method == "GetMapping" {
				asked = append(asked, call.Type.String())
			}
		}
		equal(t, "port manager of the target", strings.Join(asked, ", "), "SIP, RTP, RTCP, SIP, RTP, RTCP")
		equal(t, "BYEs of the target", order(n, "10.0.0.3:5060", "BYE"), "BYE 10.0.0.1:5060")
		equal(t, "BYEs of the transferor", order(n, "10.0.0.1:5060", "BYE"), "BYE 10.0.0.2:5060")
		before, _ := c.connected().MediaStats()
		time.Sleep(time.Second)
		after, _ := c.connected().MediaStats()
		equal(t, "packets in a second", after.RTPReceived-before.RTPReceived, 50)
		for _, x := range []*agent{a, b, c} {
			equal(t, "outcomes", outcomes(x.Stats()), x.Stats().Datagrams)
		}
	})
}

// A target that knows no Replaces says 420; both calls go on.
func TestAttendedTransferToAPlainPhone(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b, c := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060", follows), newAgent(t, n, "10.0.0.3:5060")
		b.onIncoming, c.onIncoming = answerNow, answerNow
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		check(t, err)
		other, err := a.call(t, nil, "sip:carol@10.0.0.3", nil)
		check(t, err)
		var failed *TransferError
		if err := s.TransferTo(t.Context(), other); !errors.As(err, &failed) || failed.Code != 420 {
			t.Error(err)
		}
		time.Sleep(time.Second)
		equal(t, "call", s.State(), Connected)
		equal(t, "other call", other.State(), Connected)
	})
}

// While the transfer is under way the port manager is asked for the ports of the new call, in
// the order of any other.
func TestTransferAsksThePortManager(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, "203.0.113.10:5060")
		a, b, c := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060", follows), newAgent(t, n, "10.0.0.3:5060")
		b.onIncoming, c.onIncoming = answerNow, answerNow
		rec := NewRecorder(Local{})
		bob := b.profile(t, "bob", p)
		check(t, bob.SetPortManager(rec))
		alice, carol := a.profile(t, "alice", p), c.profile(t, "carol", p)
		for _, x := range []*Profile{alice, bob, carol} {
			check(t, x.Enable(t.Context()))
		}
		s, err := a.call(t, alice, "sip:bob@example.com", nil)
		check(t, err)
		time.Sleep(time.Second)
		before := len(rec.Calls())
		check(t, s.Transfer(t.Context(), "sip:carol@example.com"))
		time.Sleep(time.Second)
		var list []string
		for _, call := range rec.Calls()[before:] {
			list = append(list, call.Method+" "+call.Type.String())
		}
		equal(t, "profile of the new call", b.connected().Profile(), bob)
		equal(t, "calls", strings.Join(list, ", "), "GetMapping SIP, GetMapping RTP, GetMapping RTCP, UpdateRemoteAddress RTP, UpdateRemoteAddress RTCP, ReleaseMapping SIP, ReleaseMapping RTP, ReleaseMapping RTCP")
	})
}

func TestTransferIsRefusedBeforeItBegins(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, _, _, s := trio(t, n, follows)
		idle := must(a.NewSession(nil))(t)
		for name, c := range map[string]struct{ err, want error }{
			"idle":         {idle.Transfer(t.Context(), "sip:carol@10.0.0.3"), ErrState},
			"to idle":      {s.TransferTo(t.Context(), idle), ErrState},
			"to itself":    {s.TransferTo(t.Context(), s), ErrConfig},
			"to nobody":    {s.TransferTo(t.Context(), nil), ErrConfig},
			"with headers": {s.Transfer(t.Context(), "sip:c@10.0.0.3?Subject=x"), ErrConfig},
		} {
			if !errors.Is(c.err, c.want) {
				t.Errorf("%s: %v", name, c.err)
			}
		}
		equal(t, "REFERs", len(n.packets(sipText("REFER"))), 0)
		synctest.Wait()
	})
}
