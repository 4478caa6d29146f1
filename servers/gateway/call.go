package gateway

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/ua"
)

// State is how far a call has come.
type State uint8

// The states in their order. A call that fails goes from any of them to Ended.
const (
	Trying   State = iota // INVITE received
	Ringing               // 180 sent, or 183
	Answered              // 200 on its way, no ACK yet
	Talking               // ACK received
	Hangup                // the gateway hangs up: BYE, no response yet
	Ended
)

var stateNames = [...]string{"trying", "ringing", "answered", "talking", "hangup", "ended"}

func (s State) String() string { return name(stateNames[:], s) }

func name[T ~uint8](names []string, i T) string {
	if int(i) < len(names) {
		return names[i]
	}
	return "unknown"
}

// Cause is why a call ended.
type Cause uint8

// The causes.
const (
	NotEnded       Cause = iota
	CallerHungUp         // BYE received
	GatewayHungUp        // BYE sent: TalkTime, Hangup or Shutdown
	Canceled             // CANCEL received
	Expired              // the INVITE's Expires passed while ringing
	NoACK                // the 200 was never acknowledged (RFC 3261 §13.3.1.4)
	BadAnswer            // the ACK to our offer has no usable answer
	NoPorts              // no media socket could be opened
	SendFailed           // a response could not be sent
	Closed               // Close
	SessionExpired       // nobody refreshed it: Config.SessionTimer
	Broken               // a panic, see Config.OnPanic
)

var causeNames = [...]string{"", "caller hung up", "gateway hung up", "canceled", "expired", "no ACK", "bad answer", "no media port", "send failed", "closed", "session expired", "panic"}

func (c Cause) String() string { return name(causeNames[:], c) }

// causes are what the reasons of a session that are not of the gateway's own making mean.
var causes = map[ua.TerminateReason]Cause{
	ua.Normal: CallerHungUp, ua.Canceled: Canceled, ua.Expired: Expired, ua.Timeout: NoACK,
	ua.NotSupported: BadAnswer, ua.PortMapping: NoPorts, ua.Failed: SendFailed, ua.Shutdown: Closed,
	ua.SessionExpired: SessionExpired,
}

// Call is a snapshot of one call.
type Call struct {
	ID     string         // Call-ID
	Number string         // the user part that was called
	From   string         // the caller's URI
	Source netip.AddrPort // where the INVITE came from
	State  State
	Cause  Cause // when ended

	Invited, Answered, Established, Ended time.Time // zero until then

	// Retransmissions counts repeated 200 responses. A caller whose ACKs are
	// lost shows here before NoACK.
	Retransmissions int
	Reinvites       int // accepted ones

	Digits string // what the caller pressed (RFC 4733), the last 1,000

	Local, Remote media.Description // as last exchanged
	Agreed        media.Agreement   // what they come to: addresses, codec, direction
	Media         media.Stats       // the last ones when ended
}

// maxDigits bounds what a call remembers of the keys that were pressed.
const maxDigits = 1000

// call is the session of one INVITE. Server.mu guards it.
type call struct {
	s       *Server
	session *ua.Session
	view    Call          // as far as the session does not know better
	ours    atomic.Uint32 // the Cause the gateway ends it for
}

// snapshot is what Calls shows; mu is held.
func (c *call) snapshot() Call {
	v := c.view
	v.Retransmissions = c.session.Repeats()
	v.Media, _ = c.session.MediaStats()
	if n, ok := c.session.Negotiated(); ok {
		v.Local, v.Remote, v.Agreed = n.Local, n.Remote, n.Agreed
	}
	return v
}

// guarded has something done in the course of the call, of which a panic is the end of the call
// alone if Config.OnPanic is told of it.
func (c *call) guarded(do func()) {
	if told := c.s.cfg.OnPanic; told != nil {
		defer func() {
			if v := recover(); v != nil {
				told(v, nil, c.session.Source())
				c.ours.CompareAndSwap(uint32(NotEnded), uint32(Broken))
				_ = c.session.Refuse(context.Background(), ua.Refusal{Code: 500})
			}
		}()
	}
	do()
}

// run takes a call from its INVITE to the 200.
func (c *call) run() {
	ctx, session := context.Background(), c.session
	noPorts := ua.Refusal{Code: 503, Reason: "No Media Port", Headers: []ua.Header{{Name: "Retry-After", Value: "5"}}}
	if c.fails(session.Progress(ctx, 100, ""), SendFailed, ua.Refusal{Code: 500}) ||
		c.fails(session.Prepare(ctx), NoPorts, noPorts) ||
		c.fails(c.ring(ctx), SendFailed, ua.Refusal{Code: 500}) {
		return
	}
	c.become(Ringing)
	pickUp := time.NewTimer(c.s.cfg.RingTime)
	defer pickUp.Stop()
	select {
	case <-session.Done(): // CANCEL, BYE, Expires, Shutdown or Close
	case <-pickUp.C:
		c.fails(session.Answer(ctx), SendFailed, ua.Refusal{Code: 500})
	}
}

// ring says that the phone rings, or lets it be heard.
func (c *call) ring(ctx context.Context) error {
	if c.s.cfg.EarlyMedia && c.session.HasOffer() {
		return c.session.EarlyMedia(ctx, 183)
	}
	return c.session.Ring(ctx)
}

// fails refuses the call after an error, unless the call is over anyhow.
func (c *call) fails(err error, cause Cause, r ua.Refusal) bool {
	if err == nil {
		return false
	}
	c.s.cfg.Logger.Warn("call fails", "call", c.view.ID, "error", err)
	c.ours.CompareAndSwap(uint32(NotEnded), uint32(cause)) // Shutdown may have refused it
	_ = c.session.Refuse(context.Background(), r)          // its end is told by an event
	return true
}

// hangup ends an answered call with a BYE, once its ACK has come (RFC 3261 §15).
func (c *call) hangup() {
	c.ours.CompareAndSwap(uint32(NotEnded), uint32(GatewayHungUp))
	c.become(Hangup)
	_ = c.session.Hangup(context.Background())
}

// talk hangs up after TalkTime, unless the call is over before.
func (c *call) talk(d time.Duration) {
	enough := time.NewTimer(d)
	defer enough.Stop()
	select {
	case <-c.session.Done():
	case <-enough.C:
		c.hangup()
	}
}

// become changes the state, unless the call is over or past it or not so far, and tells OnChange.
func (c *call) become(to State) {
	c.s.mu.Lock()
	if c.view.State >= to || to == Hangup && c.view.State != Talking {
		c.s.mu.Unlock()
		return
	}
	c.view.State = to
	switch now := time.Now(); to {
	case Answered:
		c.view.Answered = now
	case Talking:
		c.view.Established = now
		if d := c.s.cfg.TalkTime; d > 0 {
			c.s.wg.Go(func() { c.guarded(func() { c.talk(d) }) })
		}
	case Ended:
		c.view.Ended = now
		c.s.forget(c)
	}
	v := c.snapshot()
	c.s.changes.Put(v)
	c.s.mu.Unlock()
	c.s.cfg.Logger.Info("call", "id", v.ID, "number", v.Number, "state", v.State.String(), "cause", v.Cause.String())
}

// follow takes the call to where its session is.
func (c *call) follow(e ua.SessionEvent) {
	ours := Cause(c.ours.Load())
	switch e.State {
	case ua.Answering:
		c.become(Answered)
	case ua.Connected, ua.Hold:
		c.become(Talking)
		if ours == GatewayHungUp { // and waited for the ACK
			c.become(Hangup)
		}
	case ua.Disconnected:
		cause, known := causes[e.Reason]
		if !known || e.Reason == ua.Normal && ours == GatewayHungUp {
			cause = ours // the gateway refused it, or hung up
		}
		c.s.mu.Lock()
		c.view.Cause = cause
		c.s.mu.Unlock()
		c.become(Ended)
	}
}
