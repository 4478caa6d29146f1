package suites_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/natproof/natproof/ua"
)

// outgoing is a call that the application makes and ends.
func (d *desk) outgoing(to string) func() error {
	return func() error {
		profile, err := d.enabledProfile()
		if err != nil {
			return err
		}
		if d.world.B != nil {
			if err := d.callee(); err != nil {
				return err
			}
		}
		return errors.Join(d.calling(profile, to), profile.Disable(context.Background()))
	}
}

// calling is the call itself. Profile may be nil.
func (d *desk) calling(profile *ua.Profile, to string) error {
	session, err := d.client.NewSession(profile)
	if err != nil {
		return err
	}
	manager := ua.PortManager(d.forSession)
	if d.sessionManager != nil {
		manager = d.sessionManager()
	}
	if err := session.SetPortManager(manager); err != nil {
		return err
	}
	d.session = session
	if err := session.Call(context.Background(), to); err != nil {
		return err
	}
	d.refused = session.SetPortManager(manager)
	time.Sleep(talk)
	d.count(session)
	return session.Hangup(context.Background())
}

// toGateway is a call to a gateway that has two addresses, without a profile.
func (d *desk) toGateway(media netip.Addr) func() error {
	return func() error {
		h, err := d.world.Proxy.Site().AddHost("itsp", netip.MustParseAddr(gatewayAddr), netip.MustParseAddr(gatewayMedia))
		if err != nil {
			return err
		}
		if err := d.telephone(h, media); err != nil {
			return err
		}
		return d.calling(nil, gatewayTo)
	}
}

// incoming is a call of b, which ends it. Answering is what the application does with it; nil
// is to set the port manager and answer.
func (d *desk) incoming(answering func(*ua.Session) error) func() error {
	if answering == nil {
		answering = func(s *ua.Session) error {
			return errors.Join(s.SetPortManager(d.forSession), s.Answer(context.Background()))
		}
	}
	var answers sync.WaitGroup
	var answered error
	d.on = func(e ua.Event) {
		if s, ok := e.(ua.SessionEvent); ok && s.State == ua.Incoming {
			d.session = s.Session
			answers.Go(func() { answered = answering(s.Session) })
		}
	}
	return func() error {
		if _, err := d.enabledProfile(); err != nil {
			return err
		}
		b, profile, err := d.other(nil, nil)
		if err != nil {
			return err
		}
		session, err := b.NewSession(profile)
		if err != nil {
			return err
		}
		err = session.Call(context.Background(), "sip:a@example.com")
		if err == nil {
			time.Sleep(talk)
			d.count(d.session)
			err = session.Hangup(context.Background())
		}
		answers.Wait()
		d.caller = err
		return errors.Join(err, answered)
	}
}

// subscribing is a subscription of the application to the presence of b.
func (d *desk) subscribing() error {
	profile, err := d.enabledProfile()
	if err != nil {
		return err
	}
	if _, _, err := d.other(nil, withPresence); err != nil {
		return err
	}
	sub, err := profile.Subscribe(context.Background(), ua.SubscribeConfig{Target: "sip:b@example.com", Event: "presence", NoRetry: true})
	if err != nil {
		return err
	}
	time.Sleep(time.Second)
	err = sub.Unsubscribe(context.Background())
	<-sub.Done()
	return errors.Join(err, profile.Disable(context.Background()))
}

// notifying is a subscription of b to the presence of the application.
func (d *desk) notifying() error {
	profile, err := d.enabledProfile()
	if err != nil {
		return err
	}
	_, b, err := d.other(d.heardOf, nil)
	if err != nil {
		return err
	}
	sub, err := b.Subscribe(context.Background(), ua.SubscribeConfig{Target: "sip:a@example.com", Event: "presence", NoRetry: true})
	if err != nil {
		return err
	}
	time.Sleep(time.Second)
	err = sub.Unsubscribe(context.Background())
	<-sub.Done()
	time.Sleep(time.Second)
	return errors.Join(err, profile.Disable(context.Background()))
}

// messaging is a message to b and one from there.
func (d *desk) messaging() error {
	profile, err := d.enabledProfile()
	if err != nil {
		return err
	}
	_, b, err := d.other(d.heardOf, nil)
	if err != nil {
		return err
	}
	return errors.Join(
		profile.Message(context.Background(), "sip:b@example.com", "text/plain", []byte("to b")),
		b.Message(context.Background(), "sip:a@example.com", "text/plain", []byte("to a")),
		profile.Disable(context.Background()),
	)
}

func withPresence(c *ua.Config) { c.Notifier.Packages = []ua.EventPackage{ua.PresencePackage()} }

// heardOf keeps what messages and notifications said.
func (d *desk) heardOf(e ua.Event) {
	switch e := e.(type) {
	case ua.MessageEvent:
		d.tell(string(e.Body))
	case ua.NotifyEvent:
		d.tell(string(e.Body))
	}
}

func (d *desk) tell(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.told != "" {
		s = fmt.Sprint(d.told, ", ", s)
	}
	d.told = s
}

// manners is a port manager that does something else first, and fails if that does.
type manners struct {
	ua.PortManager
	get    func(context.Context, ua.MappingRequest) error
	update func(context.Context) error
	gone   func(context.Context) error
}

func (m manners) GetMapping(ctx context.Context, r ua.MappingRequest) (ua.Mapping, error) {
	if m.get != nil {
		if err := m.get(ctx, r); err != nil {
			return ua.Mapping{}, err
		}
	}
	return m.PortManager.GetMapping(ctx, r)
}

func (m manners) UpdateRemoteAddress(ctx context.Context, mapping ua.Mapping, remote netip.AddrPort) error {
	if m.update != nil {
		if err := m.update(ctx); err != nil {
			return err
		}
	}
	return m.PortManager.UpdateRemoteAddress(ctx, mapping, remote)
}

func (m manners) ReleaseMapping(ctx context.Context, mapping ua.Mapping) error {
	if m.gone != nil {
		if err := m.gone(ctx); err != nil {
			return err
		}
	}
	return m.PortManager.ReleaseMapping(ctx, mapping)
}
