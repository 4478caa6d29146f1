package provision

import (
	"fmt"
	"slices"
)

// rules are those about more than one attribute.
func (r *reader) rules() {
	registrars := 0
	for i, s := range r.doc.Servers {
		g := r.servers[i]
		if s.Role == Registrar {
			if registrars++; registrars > 1 {
				r.add(g.where("role"), g.path, ErrMultipleRegistrars)
			}
		}
		r.overTransport(g, s)
	}
	r.realm()
}

// overTransport holds the methods to the transport: basic needs TLS, and over UDP there is
// digest only (IRTCClientProvisioning::CreateProfile, IRTCProfile2::put_AllowedAuth).
func (r *reader) overTransport(g given, s Server) {
	if s.Protocol == "" { // which has been noted
		return
	}
	at := g.where("protocol")
	if len(r.doc.User.AllowedAuth) == 0 {
		at = g.where("auth")
	}
	for _, a := range r.doc.authOf(s) {
		switch {
		case a == Basic && s.Protocol != TLS:
			r.add(at, g.path, fmt.Errorf("%w, not %s", ErrBasicNeedsTLS, s.Protocol))
		case a != Basic && a != Digest && s.Protocol == UDP:
			r.add(at, g.path, fmt.Errorf("%w, not %s", ErrUDPNotSupported, a))
		}
	}
}

// realm: basic authentication cannot do without.
func (r *reader) realm() {
	if r.user.node == nil || r.doc.User.Realm != "" {
		return
	}
	for _, s := range r.doc.Servers {
		if slices.Contains(r.doc.authOf(s), Basic) {
			r.add(r.user.where("realm"), "user", ErrNoRealm)
			return
		}
	}
}
