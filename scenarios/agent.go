package scenarios

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// agent is the user agent of one side, with its account. It answers every call.
type agent struct {
	client  *ua.Client
	profile *ua.Profile

	mu        sync.Mutex
	last      *ua.Session // the last call that came in
	discarded []ua.DiscardEvent
}

// retryBase keeps a failed registration from being tried again while the flow
// is played: one REGISTER, one verdict.
const retryBase = time.Hour

// newAgent starts a user agent as the cell wants it.
func newAgent(c Cell, side Side, host *vnet.Host, seed uint64) (*agent, error) {
	a := &agent{}
	cfg := ua.Config{
		Listen:       func(_ context.Context, at netip.AddrPort) (net.PacketConn, error) { return host.Listen(at) },
		LocalAddr:    host.Addr(),
		SIPPort:      SIPPort,
		MediaPortMin: RTPPort, MediaPortMax: RTCPPort,
		Seed:    seed,
		OnEvent: a.event,
		Options: ua.Options{Rport: c.Rport, Latch: c.Latch.Has(side), Strict: c.Strict.Has(side), Silent: !c.HasMedia() || c.Silent.Has(side), NameRTCP: c.ALG != ALGOff},
	}
	manager, err := newManager(c, side)
	if err != nil {
		return nil, err
	}
	if a.client, err = ua.New(cfg); err != nil {
		return nil, err
	}
	if a.profile, err = a.client.NewProfile(ua.ProfileConfig{
		Account:   ua.Account{URI: fmt.Sprintf("sip:%s@%s", side, Domain)},
		Registrar: netip.AddrPortFrom(proxyAddr, proxyPort),
		RetryBase: retryBase,
	}); err != nil {
		return nil, err
	}
	if err := a.profile.SetPortManager(manager); err != nil {
		return nil, err
	}
	return a, a.client.Start(context.Background())
}

// newManager makes the port manager that the cell names. A side that is silent
// opens no hole by punching either.
func newManager(c Cell, side Side) (ua.PortManager, error) {
	nat, err := c.Behavior(side)
	if err != nil {
		return nil, err
	}
	switch {
	case c.PortManager == ManagerSTUN:
		return ua.NewSTUN(ua.STUNConfig{Server: netip.AddrPortFrom(stunAddr, stunPort), NoPunch: c.Silent.Has(side)})
	case c.PortManager == ManagerStatic && nat.Translates():
		var known []ua.StaticMapping
		for i, f := range forwards(sides[side]) {
			known = append(known, ua.StaticMapping{Type: []ua.PortType{ua.SIP, ua.AudioRTP, ua.AudioRTCP}[i], Internal: f.Internal, External: f.External})
		}
		return ua.NewStatic(known...)
	}
	return ua.Local{}, nil
}

// event answers calls, and takes note of responses that were of no use.
func (a *agent) event(e ua.Event) {
	if d, ok := e.(ua.DiscardEvent); ok {
		a.mu.Lock()
		a.discarded = append(a.discarded, d)
		a.mu.Unlock()
		return
	}
	s, ok := e.(ua.SessionEvent)
	if !ok || s.State != ua.Incoming {
		return
	}
	a.mu.Lock()
	a.last = s.Session
	a.mu.Unlock()
	// What fails here is seen on the wire: the caller gets no 2xx, or another response.
	if s.Session.Ring(context.Background()) == nil {
		_ = s.Session.Answer(context.Background())
	}
}

// media is what the last call that came in has counted.
func (a *agent) media() (media.Stats, bool) {
	a.mu.Lock()
	s := a.last
	a.mu.Unlock()
	if s == nil {
		return media.Stats{}, false
	}
	return s.MediaStats()
}
