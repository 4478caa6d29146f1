package ua

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/stunclient"
)

// KeepAliveKind is what is sent to hold a NAT's mapping.
type KeepAliveKind uint8

// The kinds of keepalive. CRLF, zeros and STUN are sent from the SIP port itself; OPTIONS and
// REGISTER are requests, so with Options.Asymmetric they leave from the port that requests
// leave from. What the first two find out nobody is told, since nobody answers them.
const (
	KeepAliveNone     KeepAliveKind = iota
	KeepAliveCRLF                   // two CRLF, which nobody answers over UDP
	KeepAliveZero                   // four zero bytes, as some proxies send them
	KeepAliveSTUN                   // a Binding request (RFC 5626 section 4.4.2); no answer, or another mapping than at registration, is noticed
	KeepAliveOPTIONS                // a request; no answer is noticed, and with rport another mapping
	KeepAliveRegister               // a REGISTER, so that another mapping is registered at once; with rport it is told, too
)

var keepAliveNames = [...]string{"none", "crlf", "zero", "stun", "options", "register"}

// String names the kind.
func (k KeepAliveKind) String() string { return name(keepAliveNames[:], uint8(k)) }

// KeepAlive says how the way from the registrar is held open. The zero value does nothing.
type KeepAlive struct {
	Kind KeepAliveKind
	// Interval is the time between two; 0 is a random 24 to 29 s (RFC 5626 section 4.4.2).
	Interval time.Duration
	// Server is where they go; the zero value is where REGISTER goes, the one that is to
	// get through. A STUN server elsewhere holds the mapping, but opens the filter of no
	// NAT for the registrar. KeepAliveRegister has no other.
	Server netip.AddrPort
}

func (k KeepAlive) withDefaults() (KeepAlive, error) {
	switch {
	case k.Kind > KeepAliveRegister:
		return k, fmt.Errorf("%w: unknown kind of keepalive %d", ErrConfig, k.Kind)
	case k.Kind == KeepAliveNone && k != KeepAlive{}:
		return k, fmt.Errorf("%w: KeepAlive without a Kind", ErrConfig)
	case k.Kind == KeepAliveRegister && k.Server != netip.AddrPort{}:
		return k, fmt.Errorf("%w: KeepAlive.Server with a REGISTER, which goes to the registrar", ErrConfig)
	case k.Interval < 0:
		return k, fmt.Errorf("%w: KeepAlive.Interval %v", ErrConfig, k.Interval)
	case k.Server != netip.AddrPort{} && !usable(k.Server):
		return k, fmt.Errorf("%w: KeepAlive.Server %q is no address to send to", ErrConfig, k.Server)
	}
	return k, nil
}

// keepAlive is a profile's keepalive at work, used by the profile's loop.
type keepAlive struct {
	p      *Profile
	cfg    KeepAlive
	timer  *time.Timer // nil while there is nothing to do
	busy   chan struct{}
	broken chan error
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	mapped netip.AddrPort // as it was at registration, or as the last STUN answer had it
}

func (p *Profile) startKeepAlive() *keepAlive {
	k := &keepAlive{p: p, cfg: p.cfg.KeepAlive, busy: make(chan struct{}, 1), broken: make(chan error, 1)}
	k.ctx, k.cancel = context.WithCancel(p.life)
	k.enable(p.own() == Registered)
	k.registered()
	return k
}

// registered notes by which mapping the registrar can reach us: the one it says it has
// seen, if the keepalives go the same way as REGISTER; otherwise the one that a first
// keepalive, sent at once, is answered with. What differs later has changed since.
func (k *keepAlive) registered() {
	if k.timer == nil {
		return
	}
	k.p.mu.Lock()
	seen := k.p.seen
	k.p.mu.Unlock()
	// With Asymmetric, OPTIONS leaves from the port that REGISTER leaves from, STUN does not.
	if k.server() != k.p.hop() || k.p.c.cfg.Asymmetric && k.cfg.Kind == KeepAliveSTUN {
		seen = netip.AddrPort{}
	}
	if k.cfg.Kind == KeepAliveRegister {
		if err := k.found(seen); err != nil {
			k.p.c.emit(KeepAliveEvent{Profile: k.p.owner, Flow: k.p.regID, Err: err})
		}
		return
	}
	k.swap(seen)
	if !seen.IsValid() && k.shows() {
		k.send()
	}
}

// shows says whether the answer to a keepalive tells by which mapping it went, and that of a
// REGISTER does not.
func (k *keepAlive) shows() bool {
	elsewhere := k.server() != k.p.hop()
	return k.cfg.Kind == KeepAliveSTUN || k.cfg.Kind == KeepAliveOPTIONS && k.p.c.cfg.Rport && elsewhere
}

// found compares the mapping that a keepalive was answered with.
func (k *keepAlive) found(now netip.AddrPort) error {
	if !now.IsValid() {
		return nil
	}
	if was := k.swap(now); was.IsValid() && was != now {
		return fmt.Errorf("ua: keepalive: %w from %s to %s", stunclient.ErrMappingChanged, was, now)
	}
	return nil
}

// swap notes a mapping and returns the one before.
func (k *keepAlive) swap(now netip.AddrPort) (was netip.AddrPort) {
	k.mu.Lock()
	defer k.mu.Unlock()
	was, k.mapped = k.mapped, now
	return was
}

// server is where keepalives go.
func (k *keepAlive) server() netip.AddrPort {
	if k.cfg.Server.IsValid() {
		return k.cfg.Server
	}
	return k.p.hop()
}

func (k *keepAlive) enable(on bool) {
	on = on && k.cfg.Kind != KeepAliveNone
	switch {
	case on && k.timer == nil:
		k.timer = time.NewTimer(k.interval())
	case !on && k.timer != nil:
		k.timer.Stop()
		k.timer = nil
	}
}

func (k *keepAlive) interval() time.Duration {
	if flow := k.p.flowTimer(); flow > 0 && (k.cfg.Interval == 0 || k.cfg.Interval > flow) {
		return flow
	}
	if k.cfg.Interval > 0 {
		return k.cfg.Interval
	}
	return 24*time.Second + k.p.jitter(5*time.Second)
}

// flowTimer is between 80 and 100 per cent of what the registrar's Flow-Timer says, or 0 (RFC
// 5626 section 4.4).
func (p *Profile) flowTimer() time.Duration {
	p.mu.Lock()
	most := p.timer
	p.mu.Unlock()
	if most == 0 {
		return 0
	}
	return most - p.jitter(most/5)
}

func (k *keepAlive) due() <-chan time.Time {
	if k.timer == nil {
		return nil
	}
	return k.timer.C
}

// stop waits for a keepalive under way.
func (k *keepAlive) stop() {
	k.enable(false)
	k.cancel()
	k.busy <- struct{}{}
}

// isRegister says whether the keepalive that is due is a REGISTER, the business of the
// profile's loop.
func (k *keepAlive) isRegister() bool {
	if k.cfg.Kind != KeepAliveRegister {
		return false
	}
	k.timer.Reset(k.interval())
	return true
}

// send sends one. Those that wait for an answer do so on a goroutine, one at a time.
func (k *keepAlive) send() {
	k.timer.Reset(k.interval())
	h := k.p.held()
	if h == nil {
		return
	}
	dst := k.server()
	switch k.cfg.Kind {
	case KeepAliveCRLF:
		k.note(h.sip.send([]byte("\r\n\r\n"), dst))
	case KeepAliveZero:
		k.note(h.sip.send(make([]byte, 4), dst))
	case KeepAliveSTUN:
		k.ask(func() error { return k.stun(h.sip, dst) })
	case KeepAliveOPTIONS:
		k.ask(func() error { return k.options(h, dst) })
	}
}

func (k *keepAlive) note(err error) {
	if err != nil && k.ctx.Err() == nil {
		select {
		case k.broken <- err:
		default:
		}
	}
}

func (k *keepAlive) ask(f func() error) {
	select {
	case k.busy <- struct{}{}:
	default:
		return // the last one still waits
	}
	if !k.p.c.spawn(func(context.Context) {
		k.note(f())
		<-k.busy
	}) {
		<-k.busy
	}
}

func (k *keepAlive) stun(p *port, server netip.AddrPort) error {
	client := stunclient.New(p, stunclient.Options{})
	defer client.Close()
	defer p.OnSTUN(func(b []byte, from net.Addr) { client.Handle(b, from) })()
	r, err := client.Binding(k.ctx, server)
	if err != nil {
		return fmt.Errorf("ua: keepalive: %w", err)
	}
	return k.found(r.Address())
}

// options asks the server itself; any answer will do that does not say it has come from
// elsewhere (RFC 3581).
func (k *keepAlive) options(h *held, dst netip.AddrPort) error {
	path := k.p.c.sendPath(h)
	uri := sip.Uri{Scheme: "sip", Host: dst.Addr().String(), Port: int(dst.Port())}
	req := newRequest(sip.OPTIONS, uri, k.p.ends(token(), uri), 1, path, nil)
	req.AppendHeader(k.p.contact(path))
	res, err := k.p.c.transact(k.ctx, path, dst, req)
	if err != nil {
		return err
	}
	return k.found(res.Top.Seen())
}

func (p *Profile) held() *held {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mapping
}
