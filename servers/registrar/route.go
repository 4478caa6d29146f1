package registrar

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// A target is one place to send a request to.
type target struct {
	uri    string         // its Request-URI
	to     netip.AddrPort // its address; invalid when URI cannot be reached from here
	routes []string       // its Route
	by     Cause
	rule   string  // the URI that rule read
	q      float64 // preference of a registered contact
	user   bool    // a registered contact

	flow     netip.AddrPort // of RFC 5626, invalid without one
	gone     bool           // the flow is
	instance string         // that the flow goes to
	others   []*target      // further flows to it
}

// route determines the targets of a request (RFC 3261 §16.5).
func (s *Server) route(req *request) ([]*target, *failure) {
	uri := req.uriText
	if s.policy.alias && req.dialog && len(req.routes) == 0 {
		if to, ok := aliasOf(&req.uri); ok {
			return []*target{{uri: withoutAlias(uri), to: to, by: ByAlias, rule: uri}}, nil
		}
	}
	switch {
	case req.flow.IsValid() && (len(req.routes) > 0 || !s.isSelf(&req.uri)):
		return s.routeFlow(req)
	case len(req.routes) > 0:
		return s.routeOn(req)
	case s.isSelf(&req.uri):
		return s.routeUser(req)
	}
	if p := s.peerRoute(&req.uri); p != nil {
		return []*target{{uri: uri, to: p.To, by: ByPeer, rule: uri}}, nil
	}
	if req.uri.Scheme == "tel" {
		return nil, fail(416, "Unsupported URI Scheme", "no route for "+uri)
	}
	t := &target{uri: uri, to: sipmsg.Resolve(&req.uri), by: ByRequestURI, rule: uri}
	if !s.mayReach(req, t.to) {
		return nil, fail(403, "Relaying Denied", uri+" is not served here")
	}
	return []*target{t}, nil
}

// routeOn follows a Route that is not ours.
func (s *Server) routeOn(req *request) ([]*target, *failure) {
	text, _, _, ok := sipmsg.SplitAddress(req.routes[0])
	u, valid := sipmsg.ParseURI(text)
	if !ok || !valid || !sipmsg.IsSIP(&u) {
		return nil, fail(400, "Bad Route", req.routes[0])
	}
	t := &target{uri: req.uriText, to: sipmsg.Resolve(&u), routes: req.routes, by: ByRoute, rule: text}
	if _, lr := sipmsg.URIParam(&u, "lr"); !lr { // §16.6 step 6: the next hop is a strict router
		t.uri = text
		t.routes = append(slices.Clone(req.routes[1:]), "<"+req.uriText+">")
	}
	if !s.mayReach(req, t.to) {
		return nil, fail(403, "Relaying Denied", "Route "+text)
	}
	return []*target{t}, nil
}

// routeUser looks a user of the domain up.
func (s *Server) routeUser(req *request) ([]*target, *failure) {
	user := sipmsg.Unescape(req.uri.User)
	now := s.now()
	bindings := s.ofGRUU(&req.uri, s.lookup(user, now))
	if len(bindings) == 0 {
		if p := s.peerRoute(&req.uri); p != nil && !s.knows(user) {
			return []*target{{uri: req.uriText, to: p.To, by: ByPeer, rule: req.uriText}}, nil
		}
		if !s.knows(user) {
			return nil, fail(404, "Not Found", "")
		}
		return nil, fail(480, "Temporarily Unavailable", "no binding")
	}
	targets := make([]*target, len(bindings))
	for i := range bindings {
		targets[i] = s.contactTarget(&bindings[i])
	}
	slices.SortStableFunc(targets, func(a, b *target) int { // §16.6: in the order of q
		switch {
		case a.q > b.q:
			return -1
		case a.q < b.q:
			return 1
		}
		return 0
	})
	return byInstance(targets), nil
}

// contactTarget says how to reach a binding.
func (s *Server) contactTarget(b *Binding) *target {
	t := &target{uri: requestURI(b.Contact), by: s.policy.by, rule: b.Contact, q: b.Q, user: true}
	if b.Outbound {
		t.instance = b.Instance
	}
	if len(b.Path) > 0 { // RFC 3327 §5.4
		text, _, _, _ := sipmsg.SplitAddress(b.Path[0])
		if u, ok := sipmsg.ParseURI(text); ok {
			t.to = sipmsg.Resolve(&u)
		}
		t.routes, t.by, t.rule = b.Path, ByPath, text
		return t
	}
	if b.Outbound {
		s.flowTarget(t, b)
		return t
	}
	if u, ok := sipmsg.ParseURI(b.Contact); ok {
		t.to = s.policy.reach(&u, b.Received)
	}
	return t
}

// requestURI takes what may not stand in a Request-URI off a Contact (RFC 3261 §16.6 step 2).
func requestURI(contact string) string {
	u, ok := sipmsg.ParseURI(contact)
	if _, method := sipmsg.URIParam(&u, "method"); !ok || len(u.Headers) == 0 && !method {
		return contact
	}
	u.Headers = nil
	u.UriParams = slices.DeleteFunc(u.UriParams, func(p sip.HeaderKV) bool { return strings.EqualFold(p.K, "method") })
	return u.String()
}

func (s *Server) knows(user string) bool {
	_, account := s.cfg.Users[user]
	return account || s.location.users[user] != nil
}

// peerRoute returns the first matching entry of Config.Routes.
func (s *Server) peerRoute(u *sip.Uri) *Route {
	user, phone := u.User, false
	if u.Scheme == "tel" {
		user, _, _ = strings.Cut(u.Raw(), ";")
		phone = true
	} else if v, ok := sipmsg.URIParam(u, "user"); ok {
		phone = strings.EqualFold(v, "phone")
	}
	user = dialled(sipmsg.Unescape(user))
	for i := range s.cfg.Routes {
		r := &s.cfg.Routes[i]
		domain := u.Scheme == "tel" || s.isSelf(u)
		if r.Domain != "" {
			domain = strings.EqualFold(u.Host, r.Domain)
		}
		if domain && (phone || !r.Phone) && strings.HasPrefix(user, r.Prefix) {
			return r
		}
	}
	return nil
}

// dialled removes the visual separators of a telephone number (RFC 3966 §5.1.1).
func dialled(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("-.()", r) {
			return -1
		}
		return r
	}, s)
}

// mayReach says whether req may be relayed to an address outside the domain.
func (s *Server) mayReach(req *request, to netip.AddrPort) bool {
	return s.cfg.Relay || req.dialog || to.IsValid() && s.isPeer(to)
}

func (s *Server) isPeer(a netip.AddrPort) bool {
	return slices.Contains(s.cfg.Peers, a) ||
		slices.ContainsFunc(s.cfg.Routes, func(r Route) bool { return r.To == a })
}
