package provision

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/natproof/natproof/ua"
)

// Resolve finds the address of a host name, as ua.Config.Resolve does.
type Resolve func(ctx context.Context, host string, port uint16) (netip.AddrPort, error)

// Profile is what a client of package ua takes, for one of the servers.
type Profile struct {
	ua.ProfileConfig           // for ua.Client.NewProfile
	Sessions         []Session // what it is for
}

// Capabilities are the kinds of session that it is for.
func (p Profile) Capabilities() Capabilities {
	var c Capabilities
	for _, s := range p.Sessions {
		c |= s.Type.Capability()
	}
	return c
}

// Profiles are those of the document, one for each proxy in its order, or one without a
// proxy if there is none. All register with the one registrar, through their proxy. Names of
// hosts are resolved with resolve; if it is nil, servers must have IP addresses. The error
// says everything that stands in the way: a rule that is broken, no registrar, an expiry that
// is not after now, and servers that cannot be spoken to.
func (d Document) Profiles(ctx context.Context, now time.Time, resolve Resolve) ([]Profile, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	var errs []error
	if !d.Expires.IsZero() && !now.Before(d.Expires) {
		errs = append(errs, fmt.Errorf("%w: %s", ErrExpired, timeText(d.Expires)))
	}
	var registrar *Profile
	var all []Profile
	for i, s := range d.Servers {
		at, err := s.resolved(ctx, resolve)
		if err != nil {
			errs = append(errs, fmt.Errorf("%w (sipsrv %d, %s)", err, i+1, s.Addr))
			continue
		}
		p := Profile{ua.ProfileConfig{Account: d.account(), Transport: ua.UDP}, s.Sessions}
		if s.Role == Registrar {
			p.Registrar = at
			registrar = &p
			continue
		}
		p.Proxy = at
		all = append(all, p)
	}
	switch {
	case len(errs) > 0:
		return nil, errors.Join(errs...)
	case registrar == nil:
		return nil, ErrNoRegistrar
	case len(all) == 0:
		return []Profile{*registrar}, nil
	}
	for i := range all {
		all[i].Registrar = registrar.Registrar
	}
	return all, nil
}

func (d Document) account() ua.Account {
	u := d.User
	return ua.Account{URI: u.URI, DisplayName: u.Name, User: u.Account, Password: u.Password, Realm: u.Realm}
}

// resolved is the address of a server that can be spoken to.
func (s Server) resolved(ctx context.Context, resolve Resolve) (netip.AddrPort, error) {
	if s.Protocol != UDP {
		return netip.AddrPort{}, fmt.Errorf("%w, not %s", ErrTransport, s.Protocol)
	}
	host, port, err := splitAddress(s.Addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if port == 0 {
		port = s.Protocol.DefaultPort()
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(a, port), nil
	}
	if resolve == nil {
		return netip.AddrPort{}, fmt.Errorf("%w: nobody resolves names", ErrResolve)
	}
	at, err := resolve(ctx, host, port)
	switch {
	case err != nil:
		return netip.AddrPort{}, fmt.Errorf("%w: %w", ErrResolve, err)
	case !at.IsValid():
		return netip.AddrPort{}, fmt.Errorf("%w: no answer", ErrResolve)
	}
	return at, nil
}
