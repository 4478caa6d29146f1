package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// phone is an endpoint that can be told what to do.
type phone interface {
	register(ctx context.Context) error
	call(ctx context.Context, target string) error
	hangup(ctx context.Context) error
	message(ctx context.Context, target, text string) error
	close() error
}

// errCannot is the error of a step that means nothing at its moment.
var errCannot = errors.New("that cannot be done now")

var errNoCall = fmt.Errorf("%w: it has no call", errCannot)

// agent is a user agent with its account.
type agent struct {
	play    *play
	name    string
	is      *UA
	client  *ua.Client
	profile *ua.Profile

	mu    sync.Mutex
	host  *vnet.Host
	last  *ua.Session
	calls []*call
}

func (p *play) newAgent(name string, x *UA) (*agent, error) {
	a := &agent{play: p, name: name, is: x, host: p.hosts[x.Host]}
	latch, err := media.ParseLatch(string(x.Latch))
	if err != nil {
		return nil, err
	}
	manager, err := p.manager(x)
	if err != nil {
		return nil, err
	}
	if a.client, err = ua.New(ua.Config{
		Listen: a.listen, LocalAddr: a.host.Addr(), MediaPortMin: firstMediaPort, MediaPortMax: lastMediaPort,
		Seed: seedFor(p.seed, name), OnEvent: a.event,
		Options: ua.Options{
			Rport: x.Rport, LearnContact: x.Learn, Latch: latch, Strict: x.Strict, Silent: x.Silent, RTCPMux: x.Mux,
			Refer: ua.ReferFollow, Replaces: true, SessionTimer: ua.SessionTimer{Expires: time.Duration(x.Timer)},
		},
		Service: ua.Service{Codecs: codecs(x.Codecs), MediaInTurn: true},
	}); err != nil {
		return nil, err
	}
	cfg := ua.ProfileConfig{
		Account:   ua.Account{URI: x.URI, Password: x.Password},
		Registrar: p.file.proxyOf(&x.Account),
		Expires:   time.Duration(x.Expires),
	}
	if k := x.KeepAlive; k != nil {
		cfg.KeepAlive = ua.KeepAlive{Kind: keepAlives[slices.Index(k.Kind.words(), string(k.Kind))], Interval: time.Duration(k.Every)}
	}
	if a.profile, err = a.client.NewProfile(cfg); err != nil {
		return nil, err
	}
	return a, a.profile.SetPortManager(manager)
}

// codecs are those of the words, and the keys that are pressed.
func codecs(words []CodecWord) []media.Codec {
	if len(words) == 0 {
		return nil
	}
	var all []media.Codec
	for _, w := range words {
		for _, c := range media.DefaultCodecs() {
			if c.Name == string(w) {
				all = append(all, c)
			}
		}
	}
	for _, c := range media.DefaultCodecs() {
		if !slices.Contains(CodecWord("").words(), c.Name) {
			all = append(all, c)
		}
	}
	return all
}

// manager is the port manager of a user agent.
func (p *play) manager(x *UA) (ua.PortManager, error) {
	switch x.Ports {
	case managerSTUN:
		return ua.NewSTUN(ua.STUNConfig{Server: p.file.addr(p.file.Servers.Find(x.STUN)), NoPunch: x.Silent})
	case managerStatic:
		var known []ua.StaticMapping
		for _, f := range p.file.forwardsTo(x.Host) {
			known = append(known, ua.StaticMapping{Type: portType(f.internal.Port()), Internal: f.internal, External: f.external})
		}
		return ua.NewStatic(known...)
	}
	return ua.Local{}, nil
}

// portType is what a forwarded port is for: 5060 for SIP, an even one for RTP, an odd one for RTCP
// (RFC 3550 §11).
func portType(port uint16) ua.PortType {
	switch {
	case port == sipPort:
		return ua.SIP
	case port%2 == 0:
		return ua.AudioRTP
	}
	return ua.AudioRTCP
}

const sipPort = 5060

func (a *agent) listen(_ context.Context, at netip.AddrPort) (net.PacketConn, error) {
	a.mu.Lock()
	host := a.host
	a.mu.Unlock()
	return host.Listen(at)
}

func (a *agent) close() error { return a.client.Close() }

func (a *agent) register(ctx context.Context) error { return a.profile.Enable(ctx) }

func (a *agent) call(ctx context.Context, target string) error {
	s, err := a.client.NewSession(a.profile)
	if err != nil {
		return err
	}
	c := a.keep(s, true, target)
	err = s.Call(ctx, target)
	never := err != nil && s.State() == ua.Idle // it has not even begun
	if never {
		_ = s.Hangup(ctx)
		err = fmt.Errorf("%w: %w", errCannot, err)
	}
	a.play.record.end(a.name, func(*ended) { c.id, c.err, c.code = s.CallID(), err, codeOf(err) })
	return err
}

// codeOf is the status of a refusal, or 0.
func codeOf(err error) int {
	var refused *ua.ResponseError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return 0
}

// keep notes a call.
func (a *agent) keep(s *ua.Session, out bool, peer string) *call {
	c := &call{out: out, peer: peer, session: s, id: s.CallID()}
	a.mu.Lock()
	a.last = s
	a.calls = append(a.calls, c)
	a.mu.Unlock()
	a.play.record.end(a.name, func(e *ended) {
		c.made = a.play.record.time()
		e.calls = append(e.calls, c)
	})
	return c
}

// of is what is known of the call of a session.
func (a *agent) of(s *ua.Session) *call {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.calls {
		if c.session == s {
			return c
		}
	}
	return nil
}

// session is the last call that is not over.
func (a *agent) session() (*ua.Session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range slices.Backward(a.calls) {
		if c.session.State() != ua.Disconnected {
			return c.session, nil
		}
	}
	return nil, errNoCall
}

// in does something to the last call.
func (a *agent) in(ctx context.Context, do func(*ua.Session, context.Context) error) error {
	s, err := a.session()
	if err != nil {
		return err
	}
	if err = do(s, ctx); errors.Is(err, ua.ErrState) {
		err = fmt.Errorf("%w: %w", errCannot, err)
	}
	return err
}

func (a *agent) hangup(ctx context.Context) error { return a.in(ctx, (*ua.Session).Hangup) }

func (a *agent) message(ctx context.Context, target, text string) error {
	return a.profile.Message(ctx, target, "text/plain", []byte(text))
}

// move moves to another host.
func (a *agent) move(ctx context.Context, to *vnet.Host) error {
	a.mu.Lock()
	a.host = to
	a.mu.Unlock()
	return a.client.Move(ctx, to.Addr())
}

// announced is where it wants the RTP of its last call.
func (a *agent) announced() (netip.AddrPort, error) {
	s, err := a.session()
	if err != nil {
		return netip.AddrPort{}, err
	}
	for _, m := range s.Mappings() {
		if m.Type == ua.AudioRTP {
			return m.External, nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("%w: its call has no media", errCannot)
}

func (a *agent) sample() counts {
	a.mu.Lock()
	calls := slices.Clone(a.calls)
	a.mu.Unlock()
	var n counts
	for _, c := range calls {
		if s, ok := c.session.MediaStats(); ok {
			n.used += s.RTPReceived
			n.strict += s.RTPStrictDropped
		}
	}
	return n
}

// event takes note of what the user agent tells, and answers calls.
func (a *agent) event(e ua.Event) {
	switch e := e.(type) {
	case ua.RegistrationEvent:
		a.registration(e)
	case ua.SessionEvent:
		a.sessionEvent(e)
	case ua.MessageEvent:
		a.play.record.end(a.name, func(r *ended) {
			r.texts = append(r.texts, text{a.play.record.time(), string(e.Body)})
			a.play.record.told(LineTold, a.name, "gets the text %.60q from %s", e.Body, a.play.callerName(e.From))
		})
	case ua.DTMFEvent:
		a.tell("hears the key %c", e.Digit)
	case ua.KeepAliveEvent:
		a.tell("notices by its keepalive: %v", e.Err)
	case ua.ContactEvent:
		if e.Learned {
			a.tell("has learned its address: %v", e.New)
		}
	case ua.DiscardEvent:
		a.discarded(e)
	case ua.UnsentEvent:
		a.tell("cannot send %s: %v", e.Method, e.Err)
	case ua.SocketEvent:
		a.tell("has lost its socket %v: %v", e.Local, e.Err)
	case ua.TransferEvent:
		if e.Over {
			a.tell("hears of the transfer: %d %s", e.Code, e.Reason)
		}
	case ua.ReferEvent:
		a.tell("is asked to call %s", a.play.callerName(e.Reference.Target))
	}
}

// discarded tells of a response that is of no use, and not of its copies.
func (a *agent) discarded(e ua.DiscardEvent) {
	why := fmt.Sprintf("discards the %d to %s: the Via of the request named %s, that of the response %s (RFC 3261 §18.1.2)", e.Code, e.Method, e.Sent, e.Got)
	a.play.record.end(a.name, func(r *ended) {
		if said := a.name + " " + why; !slices.Contains(r.said, said) {
			r.said = append(r.said, said)
			a.play.record.told(LineTold, a.name, "%s", why)
		}
	})
}

func (a *agent) tell(format string, args ...any) {
	a.play.record.tell(LineTold, a.name, format, args...)
}

func (a *agent) registration(e ua.RegistrationEvent) {
	if e.State == ua.Registering || e.State == ua.Unregistering {
		return
	}
	r := a.play.record
	r.end(a.name, func(x *ended) {
		n := registration{at: r.time(), holds: e.State == ua.Registered}
		if n.holds {
			n.contact = e.Contact.String()
		}
		if e.Err != nil {
			n.why = brief(e.Err)
		}
		var before registration
		if len(x.registrations) > 0 {
			before = x.registrations[len(x.registrations)-1]
		}
		x.registrations = append(x.registrations, n)
		switch {
		case n.holds && before.holds && before.contact == n.contact: // refreshed
		case n.holds:
			r.told(LineTold, a.name, "is registered as %s for %v", n.contact, e.Expires)
		case e.State == ua.NotRegistered:
			r.told(LineTold, a.name, "is not registered any more")
		default:
			again := ""
			if e.Retry > 0 {
				again = fmt.Sprintf("; tries again in %v", e.Retry.Round(time.Second))
			}
			r.told(LineTold, a.name, "is not registered: %s%s", n.why, again)
		}
	})
}

// brief is an error without the name of the package.
func brief(err error) string {
	return strings.ReplaceAll(strings.ReplaceAll(err.Error(), "ua: ", ""), "stage: ", "")
}

func (a *agent) sessionEvent(e ua.SessionEvent) {
	r := a.play.record
	s := e.Session
	c := a.of(s)
	if c == nil && e.State == ua.Incoming {
		c = a.keep(s, false, s.Peer())
	} else if c == nil {
		c = a.keep(s, s.Outgoing(), s.Peer())
	}
	peer := a.play.callerName(c.peer)
	switch e.State {
	case ua.Incoming:
		a.tell("is called by %s", peer)
		if e.Replaces == nil {
			a.answer(s)
		}
	case ua.Connected:
		r.end(a.name, func(*ended) {
			if c.answered == nil {
				now := r.time()
				c.answered = &now
				c.id = s.CallID()
				r.told(LineTold, a.name, "is in a call with %s", peer)
			} else {
				r.told(LineTold, a.name, "goes on with the call with %s", peer)
			}
		})
	case ua.Hold:
		a.tell("the call with %s is on hold", peer)
	case ua.Disconnected:
		r.end(a.name, func(*ended) {
			now := r.time()
			c.ended, c.reason, c.id = &now, e.Reason, s.CallID()
			if e.Code != 0 {
				c.code = e.Code
			}
			if e.Err != nil {
				c.err = e.Err
			}
			why := e.Reason.String()
			if e.Err != nil {
				why += ": " + brief(e.Err)
			}
			r.told(LineTold, a.name, "the call with %s is over: %s", peer, why)
		})
	}
}

// answer does what the file says of calls that come in. What fails here is seen on the wire.
func (a *agent) answer(s *ua.Session) {
	ctx := context.Background()
	var rules AnswerRules
	if a.is.Answer != nil {
		rules = *a.is.Answer
	}
	switch {
	case rules.Refuse != 0 && rules.Rings == 0:
		_ = s.Reject(ctx, int(rules.Refuse), "")
		return
	case rules.Early:
		_ = s.EarlyMedia(ctx, 183)
	default:
		_ = s.Ring(ctx)
	}
	switch {
	case rules.Never:
	case rules.Rings == 0:
		_ = s.Answer(ctx)
	default:
		a.play.wg.Go(func() { a.pickUp(s, rules) })
	}
}

// pickUp answers, or refuses, when it has rung long enough.
func (a *agent) pickUp(s *ua.Session, rules AnswerRules) {
	ringing := time.NewTimer(time.Duration(rules.Rings))
	defer ringing.Stop()
	select {
	case <-ringing.C:
	case <-s.Done():
		return
	case <-a.play.ctx.Done():
		return
	}
	if rules.Refuse != 0 {
		_ = s.Reject(a.play.ctx, int(rules.Refuse), "")
		return
	}
	_ = s.Answer(a.play.ctx)
}
