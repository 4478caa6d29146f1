package registrar

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// gruu is the public GRUU of a binding (RFC 5627): the address of record with the instance,
// by which any one of its user agents can be called. Empty if the instance cannot be written
// into a URI as it is.
func (s *Server) gruu(aor string, b *Binding) string {
	id := instanceID(b.Instance)
	if id == "" || strings.ContainsFunc(id, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.!~*'():", r))
	}) {
		return ""
	}
	text, _, _, _ := sipmsg.SplitAddress(aor)
	u, ok := sipmsg.ParseURI(text)
	if !ok {
		return ""
	}
	u.UriParams, u.Headers, u.Password = nil, nil, ""
	return u.String() + ";gr=" + id
}

// isGRUU says whether a Contact is one of ours: requests for it come here, and find the user
// agent without an alias.
func (s *Server) isGRUU(contact string) bool {
	if !s.cfg.GRUU {
		return false
	}
	text, _, _, _ := sipmsg.SplitAddress(contact)
	u, ok := sipmsg.ParseURI(text)
	_, gr := sipmsg.URIParam(&u, "gr")
	return ok && gr && s.isSelf(&u)
}

// gruuTarget is where requests of our own for a GRUU go; its address is invalid if the user agent
// is not registered.
func (s *Server) gruuTarget(contact string) *target {
	u, _ := sipmsg.ParseURI(contact)
	list := s.ofGRUU(&u, s.lookup(sipmsg.Unescape(u.User), s.now()))
	t := &target{uri: contact, by: ByFlow, rule: contact, gone: true}
	for i := len(list) - 1; i >= 0 && t.gone; i-- { // the newest flow that is there
		t = s.contactTarget(&list[i])
	}
	return t
}

// instanceID takes the brackets off a +sip.instance.
func instanceID(s string) string { return strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">") }

// ofGRUU leaves the bindings that a Request-URI with a gr parameter means.
func (s *Server) ofGRUU(uri *sip.Uri, list []Binding) []Binding {
	id, ok := sipmsg.URIParam(uri, "gr")
	if !ok || !s.cfg.GRUU {
		return list
	}
	id = sipmsg.Unescape(id)
	return slices.DeleteFunc(slices.Clone(list), func(b Binding) bool { return id == "" || !strings.EqualFold(instanceID(b.Instance), id) })
}
