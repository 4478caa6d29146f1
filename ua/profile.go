package ua

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// RegistrationState is where a profile stands.
type RegistrationState uint8

// The registration states.
const (
	NotRegistered RegistrationState = iota
	Registering
	Registered
	Rejected // the registrar said no: no further attempt is made
	Unregistering
	Error     // no answer, no mapping, or the registrar's trouble: another attempt follows
	NeverSent // the REGISTER may not leave (ErrMessageTooLarge): no further attempt is made
)

var registrationStateNames = [...]string{"not registered", "registering", "registered", "rejected", "unregistering", "error", "never sent"}

// String names the state.
func (s RegistrationState) String() string { return name(registrationStateNames[:], uint8(s)) }

// Account is who a profile is.
type Account struct {
	URI         string // address of record, like sip:alice@example.com
	DisplayName string
	User        string // for authentication; empty is the user of URI
	Password    string
	// Realm, if set, is the only one that credentials are given to. Otherwise the realm of
	// the first challenge is adopted.
	Realm string

	uri sip.Uri
}

// ProfileConfig says how a profile registers. Account.URI and Registrar are required.
type ProfileConfig struct {
	Account Account
	// Registrar is where REGISTER requests go, and, without Proxy, all others too.
	Registrar netip.AddrPort
	// Proxy is where all requests go that begin a transaction outside of a dialog,
	// REGISTER included (an outbound proxy, RFC 3261 section 8.1.2).
	Proxy netip.AddrPort
	// Outbound registers by flows (RFC 5626).
	Outbound Outbound
	// Transport is UDP or 0, which is UDP.
	Transport Transport
	// Expires is what is asked for, in whole seconds; 0 is an hour.
	Expires time.Duration
	// KeepAlive holds the way from the registrar open while registered.
	KeepAlive KeepAlive
	// RetryBase and RetryMax bound the time between attempts after an Error: RetryBase
	// doubled with each failure, and of that between half and all (RFC 5626 section
	// 4.5). 0 are 30 s and 30 min.
	RetryBase, RetryMax time.Duration
	// NoRetry makes an Error the end: the profile is then no longer enabled.
	NoRetry bool
}

func (c ProfileConfig) withDefaults() (ProfileConfig, error) {
	uri, err := parseURI(c.Account.URI)
	if err != nil {
		return c, fmt.Errorf("%w: Account.URI: %w", ErrConfig, err)
	}
	c.Account.uri = uri
	if c.Expires == 0 {
		c.Expires = time.Hour
	}
	if c.RetryBase == 0 {
		c.RetryBase = 30 * time.Second
	}
	if c.RetryMax == 0 {
		c.RetryMax = max(30*time.Minute, c.RetryBase)
	}
	switch {
	case uri.User == "":
		return c, fmt.Errorf("%w: Account.URI %q has no user", ErrConfig, c.Account.URI)
	case strings.ContainsAny(c.Account.DisplayName, "\r\n\"\\"):
		return c, fmt.Errorf("%w: DisplayName %q would need quoting", ErrConfig, c.Account.DisplayName)
	case !usable(c.Registrar):
		return c, fmt.Errorf("%w: Registrar %q is no address to send to", ErrConfig, c.Registrar)
	case c.Proxy != netip.AddrPort{} && !usable(c.Proxy):
		return c, fmt.Errorf("%w: Proxy %q is no address to send to", ErrConfig, c.Proxy)
	case c.Transport != 0 && c.Transport != UDP:
		return c, fmt.Errorf("%w: %s: SIP is spoken over UDP only", ErrConfig, c.Transport)
	case c.Expires < time.Second || c.Expires%time.Second != 0:
		return c, fmt.Errorf("%w: Expires %v is not a number of seconds", ErrConfig, c.Expires)
	case c.RetryBase < 0 || c.RetryMax < c.RetryBase:
		return c, fmt.Errorf("%w: RetryBase %v, RetryMax %v", ErrConfig, c.RetryBase, c.RetryMax)
	}
	if err := c.Outbound.check(c.Proxy); err != nil {
		return c, err
	}
	c.Transport = UDP
	c.KeepAlive, err = c.KeepAlive.withDefaults()
	return c, err
}

func usable(a netip.AddrPort) bool {
	return a.IsValid() && a.Port() != 0 && !a.Addr().IsUnspecified()
}

// Profile is an account and its registration.
type Profile struct {
	c    *Client
	cfg  ProfileConfig
	cred *credentials

	callID string // one for all REGISTERs (RFC 3261 section 10.2)

	owner *Profile   // that the flow is of
	flows []*Profile // the owner's; of another itself alone
	regID int        // 0 without outbound
	lost  chan struct{}
	dice  *rand.Rand // with outbound; mu guards it

	mu       sync.Mutex
	pm       PortManager
	enabled  bool
	state    RegistrationState
	life     context.Context // of an enabled profile
	stop     context.CancelFunc
	stopped  chan struct{} // closed when the loop has ended
	mapping  *held
	moved    chan struct{} // the mapping changed
	cseq     uint32
	expires  time.Duration
	failures int
	seen     netip.AddrPort
	learned  learner
	binding
	bound []netip.AddrPort // what may be bound, the newest last

	op oplock // held by Enable and Disable
}

// NewProfile makes a profile; Enable registers it.
func (c *Client) NewProfile(cfg ProfileConfig) (*Profile, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	p := c.newFlow(cfg, newCredentials(cfg.Account))
	p.newFlows()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	c.profiles = append(c.profiles, p)
	return p, nil
}

func (c *Client) newFlow(cfg ProfileConfig, cred *credentials) *Profile {
	return &Profile{
		c: c, cfg: cfg, cred: cred, callID: token(), pm: Local{},
		moved: make(chan struct{}, 1), lost: make(chan struct{}, 1), op: newOplock(),
	}
}

// Account is who the profile is.
func (p *Profile) Account() Account { return p.cfg.Account }

// State is where the registration stands, of several flows that of the first that is up.
func (p *Profile) State() RegistrationState { return p.flow().own() }

// own is State of one flow.
func (p *Profile) own() RegistrationState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Enabled says whether the profile registers, or tries to.
func (p *Profile) Enabled() bool { return slices.ContainsFunc(p.flows, (*Profile).isEnabled) }

func (p *Profile) isEnabled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.enabled
}

// Mapping is the SIP mapping in use; false if there is none.
func (p *Profile) Mapping() (Mapping, bool) {
	h := p.flow().held()
	if h == nil {
		return Mapping{}, false
	}
	return h.mapping(), true
}

// SetPortManager says who knows the external address of the SIP port. It must be called
// before Enable, and each call replaces the one before. Sessions of the profile use it
// too unless they have one of their own.
func (p *Profile) SetPortManager(pm PortManager) error {
	if isNil(pm) {
		return fmt.Errorf("%w: no port manager", ErrConfig)
	}
	if p.Enabled() {
		return ErrPortManagerAlreadySet
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pm = pm
	return nil
}

func isNil(pm PortManager) bool {
	if pm == nil {
		return true
	}
	v := reflect.ValueOf(pm)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

func (p *Profile) manager() PortManager {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pm
}

// operate begins an operation of the profile, which done ends. There is one at a time.
func (p *Profile) operate(ctx context.Context) (_ context.Context, done func(), err error) {
	ctx, leave, err := p.c.enter(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := p.op.lock(ctx); err != nil {
		leave()
		return nil, nil, err
	}
	return ctx, func() { p.op.unlock(); leave() }, nil
}

// enable is Enable of one flow.
func (p *Profile) enable(ctx context.Context) error {
	ctx, done, err := p.operate(ctx)
	if err != nil {
		return err
	}
	defer done()
	p.mu.Lock()
	if p.enabled {
		p.mu.Unlock()
		return ErrEnabled
	}
	select {
	case <-p.moved: // of an earlier life
	default:
	}
	select {
	case <-p.lost:
	default:
	}
	p.binding = binding{}
	p.enabled, p.failures, p.learned, p.bound = true, 0, learner{}, nil
	p.life, p.stop = context.WithCancel(p.c.ctx)
	p.stopped = make(chan struct{})
	p.mu.Unlock()

	wait, err := p.attempt(ctx)
	if err != nil && (ctx.Err() != nil || wait == 0) {
		p.disabled()
		return err
	}
	if !p.c.spawn(func(context.Context) { p.run(wait) }) {
		p.disabled()
		return ErrClosed
	}
	return err
}

// disabled gives back what an enabled profile holds. The loop does not run.
func (p *Profile) disabled() {
	p.mu.Lock()
	p.enabled = false
	p.stop()
	h := p.mapping
	p.mapping = nil
	p.mu.Unlock()
	if h != nil {
		p.c.release(h)
	}
}

// disable is Disable of one flow.
func (p *Profile) disable(ctx context.Context) error {
	ctx, done, err := p.operate(ctx)
	if err != nil {
		return err
	}
	defer done()
	p.mu.Lock()
	if !p.enabled {
		p.mu.Unlock()
		return fmt.Errorf("%w: the profile is not enabled", ErrState)
	}
	p.stop()
	p.mu.Unlock()
	<-p.stopped
	err = p.unregister(ctx)
	said(ctx)
	p.disabled()
	p.setState(RegistrationEvent{State: NotRegistered, Err: err})
	return err
}

func (p *Profile) unregister(ctx context.Context) error {
	p.mu.Lock()
	h, was := p.mapping, p.state
	p.mu.Unlock()
	if h == nil || was != Registered && was != Registering {
		return nil
	}
	p.setState(RegistrationEvent{State: Unregistering})
	res, err := p.register(ctx, h, 0)
	if err == nil && res.StatusCode >= 300 {
		err = responseError(sip.REGISTER, res)
	}
	return err
}

// end is shutdown of one flow.
func (p *Profile) end() {
	_ = p.op.lock(context.Background()) // Enable and Disable are about to end: their contexts have
	defer p.op.unlock()
	p.mu.Lock()
	if !p.enabled {
		p.mu.Unlock()
		return
	}
	p.stop()
	p.mu.Unlock()
	<-p.stopped
	p.disabled()
	p.setState(RegistrationEvent{State: NotRegistered, Err: ErrClosed})
}

// run keeps the registration fresh. wait is the time to the next REGISTER.
func (p *Profile) run(wait time.Duration) {
	defer close(p.stopped)
	next := time.NewTimer(wait)
	defer next.Stop()
	k := p.startKeepAlive()
	defer k.stop()
	for {
		select {
		case <-p.life.Done():
			return
		case <-next.C:
		case <-p.moved:
		case <-p.lost:
		case <-k.due():
			if !k.isRegister() {
				k.send()
				continue
			}
		case err := <-k.broken:
			p.down()
			p.c.emit(KeepAliveEvent{Profile: p.owner, Flow: p.regID, Err: err})
		}
		wait, ok := p.refresh(p.life)
		if !ok {
			return
		}
		next.Reset(wait)
		k.enable(p.own() == Registered)
		k.registered()
	}
}

// refresh registers again; false means that the profile is finished with.
func (p *Profile) refresh(ctx context.Context) (time.Duration, bool) {
	wait, err := p.attempt(ctx)
	if err == nil || wait > 0 {
		return wait, true
	}
	if ctx.Err() == nil { // Rejected, or NoRetry
		p.disabled()
	}
	return 0, false
}

// attempt registers once and says when to do so again; 0 is never.
func (p *Profile) attempt(ctx context.Context) (time.Duration, error) {
	p.setState(RegistrationEvent{State: Registering})
	h, err := p.ensureMapping(ctx)
	var res *sipmsg.Response
	if err == nil {
		res, err = p.registerLearning(ctx, h)
	}
	switch {
	case err == nil && res.StatusCode < 300:
		return p.succeeded(h, res), nil
	case err == nil:
		err = responseError(sip.REGISTER, res)
	}
	return p.failed(ctx, res, err), err
}

// ensureMapping asks the port manager if the profile has no mapping yet.
func (p *Profile) ensureMapping(ctx context.Context) (*held, error) {
	if h := p.held(); h != nil {
		return h, nil
	}
	h, err := p.c.getMapping(ctx, p.owner.manager(), want{typ: SIP, remote: p.hop(), changed: p.mappingChanged})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.mapping = h
	p.mu.Unlock()
	return h, nil
}

func (p *Profile) mappingChanged(old, now Mapping) {
	p.c.emit(MappingEvent{Profile: p.owner, Old: old, New: now})
	select {
	case p.moved <- struct{}{}:
	default: // a change is waiting already; the REGISTER will have the newest mapping
	}
}

// path is how requests of the profile leave; false if it has no mapping.
func (p *Profile) path() (path, bool) {
	h := p.flow().held()
	if h == nil {
		return path{}, false
	}
	return p.c.sendPath(h), true
}

func (p *Profile) setState(e RegistrationEvent) {
	p.mu.Lock()
	p.state = e.State
	p.up = p.up && e.State != Error && e.State != Rejected && e.State != NeverSent && e.State != NotRegistered
	p.mu.Unlock()
	e.Profile, e.Flow = p.owner, p.regID
	p.c.emit(e)
}

// ends are those of a REGISTER, and of other requests outside of dialogs.
func (p *Profile) ends(callID string, to sip.Uri) ends {
	return ends{callID: callID, local: p.aor(), localName: p.cfg.Account.DisplayName, localTag: token(), remote: to}
}

// aor is the address of record without port and parameters.
func (p *Profile) aor() sip.Uri {
	u := p.cfg.Account.uri
	return sip.Uri{Scheme: "sip", User: u.User, Host: u.Host}
}

// responseError makes an error of a final response.
func responseError(m sip.RequestMethod, res *sipmsg.Response) *ResponseError {
	e := &ResponseError{Method: string(m), Code: res.StatusCode, Reason: reasonOf(res)}
	if res.StatusCode/100 == 3 {
		for _, u := range redirects(res) {
			e.Contacts = append(e.Contacts, u.String())
		}
	}
	if n, ok := seconds(res, "retry-after"); ok {
		e.RetryAfter = time.Duration(n) * time.Second
	}
	return e
}

// permanent says whether trying again is of no use: the registrar refused, and not for
// trouble of its own.
func permanent(res *sipmsg.Response, err error) bool {
	if errors.Is(err, ErrAuthentication) {
		return true
	}
	if res == nil {
		return false
	}
	switch res.StatusCode { // RFC 3261 section 21: these ask for patience
	case sip.StatusRequestTimeout, sip.StatusTemporarilyUnavailable, sip.StatusRequestPending:
		return false
	}
	return res.StatusCode < 500 || res.StatusCode >= 600
}
