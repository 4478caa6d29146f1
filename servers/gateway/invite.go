package gateway

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/media"
)

// repeatRinging keeps proxies from giving up on a long ring (RFC 3261 §13.3.1.1).
const repeatRinging = time.Minute

// onInvite takes a new call, or hands a re-INVITE to its call.
func (s *Server) onInvite(req *sip.Request, tx sip.ServerTransaction) {
	if !s.initial(req) {
		s.onReinvite(req, tx)
		return
	}
	s.count(func(st *Stats) { st.Invites++ })
	number, ok := s.callable(req, tx)
	if !ok {
		return
	}
	offer, ok := s.offerOf(req, tx)
	if !ok {
		return
	}
	c, status, reason := s.admit(req, number)
	if c == nil {
		s.refuse(req, tx, status, reason)
		return
	}
	c.run(req, tx, offer)
}

// initial is true for a request outside a dialog: filter gave it its To tag.
func (s *Server) initial(req *sip.Request) bool { return tagOf(req.To().Params) == s.tag(req) }

// callable looks at who is called and by whom (RFC 3261 §8.2.2.1, §12.1.1).
func (s *Server) callable(req *sip.Request, tx sip.ServerTransaction) (number string, ok bool) {
	switch uri := &req.Recipient; uri.Scheme {
	case "sip":
		number = uri.User
	case "tel":
		number = uri.Raw()
	default:
		s.refuse(req, tx, sip.StatusRequestedRangeNotSatisfiable, "Unsupported URI Scheme") // 416
		return "", false
	}
	if !s.cfg.Numbers(number) {
		s.refuse(req, tx, sip.StatusNotFound, "Not Found")
		return "", false
	}
	if h := req.Contact(); h == nil || !isSIP(&h.Address) {
		s.refuse(req, tx, sip.StatusBadRequest, "Missing Contact header field")
		return "", false
	}
	return number, true
}

// offerOf reads the session description of an INVITE; nil without an error
// means the caller wants us to offer (RFC 3261 §13.2.1).
func (s *Server) offerOf(req *sip.Request, tx sip.ServerTransaction) (*media.Description, bool) {
	body, ok := s.body(req, tx)
	if !ok || body == nil {
		return nil, ok
	}
	offer, err := media.Parse(body)
	if err == nil {
		_, err = media.Answer(offer, media.Description{Codecs: s.cfg.Codecs})
	}
	if err != nil {
		s.refuseOffer(req, tx, err)
		return nil, false
	}
	return &offer, true
}

// admit makes a call of an INVITE, or says with which status to refuse it.
func (s *Server) admit(req *sip.Request, number string) (*call, int, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	caller := callerOf(idOf(req))
	switch {
	case s.callers[caller] != nil: // the same request by another way, RFC 3261 §8.2.2.2
		return nil, sip.StatusLoopDetected, "Loop Detected"
	case s.draining || s.closed:
		return nil, sip.StatusServiceUnavailable, "Service Unavailable"
	case s.cfg.MaxCalls > 0 && len(s.dialogs) >= s.cfg.MaxCalls:
		return nil, sip.StatusBusyHere, "Busy Here"
	}
	source, _ := netip.ParseAddrPort(req.Source())
	from := req.From().Address
	ctx, over := context.WithCancel(context.Background())
	c := &call{
		s: s, n: s.arrivals, dialog: newDialog(req),
		ctx: ctx, over: over, canceled: newSignal(), hungUp: newSignal(),
		remoteCSeq: req.CSeq().SeqNo,
		acks:       map[uint32]chan *sip.Request{},
		view: Call{
			ID: req.CallID().Value(), Number: number, From: from.String(), Source: source, Invited: time.Now(),
		},
	}
	s.arrivals++
	s.calls = append(s.calls, c)
	s.dialogs[c.dialog.dialogID] = c
	s.callers[caller] = c
	return c, 0, ""
}

// run is the life of a call, on the goroutine of its INVITE.
func (c *call) run(req *sip.Request, tx sip.ServerTransaction, offer *media.Description) {
	s := c.s
	if !tx.OnCancel(func(*sip.Request) { c.canceled.raise() }) {
		c.end(Canceled)
		return
	}
	if !s.send(tx, s.response(req, sip.StatusTrying, "Trying", nil)) {
		c.end(SendFailed)
		return
	}
	mine, alive, err := c.openMedia(offer != nil && offer.Mux && s.cfg.Mux)
	if err != nil {
		s.log.Warn("no media", "call", c.dialog.callID, "error", err)
		s.refuse(req, tx, sip.StatusServiceUnavailable, "No Media Port", header("Retry-After", s.retryAfter()))
		c.end(NoPorts)
		return
	}
	if alive && c.ring(req, tx) && c.answer(req, tx, mine, offer) {
		c.talk()
		return
	}
	if v := c.snapshot(); v.Cause == CallerHungUp && v.Answered.IsZero() { // a BYE in the early dialog, RFC 3261 §15.1.2
		s.refuse(req, tx, sip.StatusRequestTerminated, "Request Terminated")
	}
}

// ring sends 180 and waits; true means answer now.
func (c *call) ring(req *sip.Request, tx sip.ServerTransaction) bool {
	s := c.s
	if !s.send(tx, s.response(req, sip.StatusRinging, "Ringing", nil, s.contact())) {
		c.end(SendFailed)
		return false
	}
	c.become(Ringing)
	picksUp := time.NewTimer(s.cfg.RingTime)
	defer picksUp.Stop()
	again := time.NewTicker(repeatRinging)
	defer again.Stop()
	expires, stop := expiry(req)
	defer stop()
	for {
		select {
		case <-c.canceled.ch: // sipgo has sent 200 to the CANCEL and 487
			c.end(Canceled)
			return false
		case <-c.ctx.Done(): // a BYE, or Close
			return false
		case <-expires: // RFC 3261 §13.3.1
			s.refuse(req, tx, sip.StatusRequestTerminated, "Request Terminated")
			c.end(Expired)
			return false
		case <-c.hungUp.ch: // Shutdown
			s.refuse(req, tx, sip.StatusServiceUnavailable, "Service Unavailable")
			c.end(GatewayHungUp)
			return false
		case <-again.C:
			s.send(tx, s.response(req, sip.StatusRinging, "Ringing", nil, s.contact()))
		case <-picksUp.C:
			return true
		}
	}
}

// expiry is the INVITE's own limit, RFC 3261 §20.19.
func expiry(req *sip.Request) (<-chan time.Time, func()) {
	if h := req.GetHeader("expires"); h != nil {
		if seconds, err := strconv.ParseUint(strings.TrimSpace(h.Value()), 10, 31); err == nil {
			t := time.NewTimer(time.Duration(seconds) * time.Second)
			return t.C, func() { t.Stop() }
		}
	}
	return nil, func() {}
}

// answer sends 200 and sees it acknowledged; true means the call is up.
func (c *call) answer(req *sip.Request, tx sip.ServerTransaction, mine media.Description, offer *media.Description) bool {
	s := c.s
	if offer != nil {
		var err error
		if mine, err = media.Answer(*offer, mine); err != nil {
			s.refuseOffer(req, tx, err)
			c.end(SendFailed)
			return false
		}
	}
	c.describe(mine, offer)
	acked := c.expectACK(req.CSeq().SeqNo)
	ok := s.accept(req, mine)
	sent := s.send(tx, ok)
	select {
	case <-c.canceled.ch: // it came between the ring and the 200
		c.end(Canceled)
		return false
	default:
	}
	if !sent {
		c.end(SendFailed)
		return false
	}
	c.become(Answered)
	if offer != nil {
		if err := c.agree(mine, *offer); err != nil {
			s.log.Warn("media", "call", c.dialog.callID, "error", err)
		}
	}
	ack := c.awaitACK(tx, ok, acked)
	switch {
	case ack == nil:
		c.bye(NoACK) // RFC 3261 §13.3.1.4; nothing if the call is over
		return false
	case offer == nil && !c.takeAnswer(ack, mine):
		c.bye(BadAnswer)
		return false
	}
	return c.become(Talking)
}

// accept is the 200 for an INVITE.
func (s *Server) accept(req *sip.Request, mine media.Description) *sip.Response {
	return s.response(req, sip.StatusOK, "OK", media.Marshal(mine), s.contact(),
		header("Allow", allow), header("Content-Type", sdpType))
}

func (c *call) describe(mine media.Description, theirs *media.Description) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.view.Local = mine
	if theirs != nil {
		c.view.Remote = *theirs
	}
}

// agree starts media as offer and answer say.
func (c *call) agree(mine, theirs media.Description) error {
	agreed, err := media.Agree(mine, theirs)
	if err != nil {
		return err
	}
	return c.startMedia(agreed)
}

// takeAnswer reads the answer to our offer from the ACK (RFC 3261 §13.2.2.4).
func (c *call) takeAnswer(ack *sip.Request, mine media.Description) bool {
	theirs, err := media.Parse(ack.Body())
	if err == nil {
		c.describe(mine, &theirs)
		err = c.agree(mine, theirs)
	}
	if err != nil {
		c.s.log.Warn("answer in ACK", "call", c.dialog.callID, "error", err)
	}
	return err == nil
}

// awaitACK repeats a 2xx until its ACK comes: at T1, then at twice the
// interval up to T2, and no longer than 64*T1 (RFC 3261 §13.3.1.4). sipgo's
// dialogs do not: they repeat every T2 and begin the 64*T1 anew each time.
func (c *call) awaitACK(tx sip.ServerTransaction, res *sip.Response, acked <-chan *sip.Request) *sip.Request {
	interval := sip.T1
	again := time.NewTimer(interval)
	defer again.Stop()
	giveUp := time.NewTimer(64 * sip.T1)
	defer giveUp.Stop()
	for {
		select {
		case ack := <-acked:
			return ack
		case ack := <-tx.Acks(): // one with the branch of the INVITE; RFC 3261 §8.1.1.7 wants another
			c.ack(ack)
		case <-again.C:
			c.mu.Lock()
			c.view.Retransmissions++
			c.mu.Unlock()
			c.s.send(tx, res)
			interval = min(2*interval, sip.T2)
			again.Reset(interval)
		case <-giveUp.C:
			return nil
		case <-c.ctx.Done():
			return nil
		}
	}
}

// talk waits for the end of an established call.
func (c *call) talk() {
	var enough <-chan time.Time
	if d := c.s.cfg.TalkTime; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		enough = t.C
	}
	select {
	case <-c.ctx.Done():
	case <-enough:
		c.bye(GatewayHungUp)
	case <-c.hungUp.ch:
		c.bye(GatewayHungUp)
	}
}

// hangup asks for the end of the call; its own goroutine sends the BYE, when
// it may: not before the ACK (RFC 3261 §15).
func (c *call) hangup() { c.hungUp.raise() }

func (s *Server) retryAfter() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strconv.Itoa(s.rng.IntN(11)) // RFC 3261 §14.2: 0 to 10 seconds
}
