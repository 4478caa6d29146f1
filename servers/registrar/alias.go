package registrar

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// The alias parameter carries the address a message came from inside the Contact URI,
// in the form Kamailio's nathelper gives it: ip~port~protocol, protocol 1 being UDP. The
// peer returns it in the Request-URI, this server takes it off and sends there. Unlike
// rewriting the Contact it leaves the user agent's own URI intact.
const aliasParam = "alias"

// aliases reports whether the Contact of a request gets an alias: only that of the user
// agent itself, not one that came through another proxy.
func (s *Server) aliases(req *request) bool {
	return s.policy.alias && len(req.Vias) == 1 && req.Method != sip.REGISTER &&
		!s.ownFlow(req).IsValid()
}

// aliasesResponse is aliases for responses. The topmost Record-Route being ours means
// that no proxy after this one stays in the dialog, unless the request came by here twice;
// then the Contact has its alias from the first time.
func (s *Server) aliasesResponse(res *response, contact string) bool {
	if !s.policy.alias || res.StatusCode >= 300 || res.CSeq.Method == string(sip.REGISTER) ||
		strings.Contains(contact, ";"+aliasParam+"=") || s.isGRUU(contact) {
		return false
	}
	rr := res.Values("record-route")
	if len(rr) == 0 {
		return true
	}
	uri, _, _, ok := sipmsg.SplitAddress(rr[0])
	u, valid := sipmsg.ParseURI(uri)
	return ok && valid && s.isSelf(&u) && !s.isFlow(&u, res.Source)
}

// aliased adds the alias to a Contact value, unless its URI names already what the policy
// makes of it and of the source.
func (p *rules) aliased(contact string, source netip.AddrPort) string {
	values := sipmsg.SplitList(nil, contact)
	if len(values) != 1 {
		return contact // "*" or several: not a dialog's Contact
	}
	contact = values[0]
	text, _, at, ok := sipmsg.SplitAddress(contact)
	u, valid := sipmsg.ParseURI(text)
	if !ok || !valid || !sipmsg.IsSIP(&u) {
		return contact
	}
	before, after := contact[:at], contact[at+len(text):]
	if !strings.HasSuffix(before, "<") { // an addr-spec must be bracketed to take parameters
		before, after = before+"<", ">"+after
	}
	text = withoutAlias(text)
	from := p.reach(&u, source)
	if host, ok := sipmsg.HostAddr(u.Host); !ok || host != from.Addr() || sipmsg.URIPort(&u) != from.Port() {
		base, headers, asks := strings.Cut(text, "?")
		text = base + ";" + aliasParam + "=" + from.Addr().String() + "~" + strconv.Itoa(int(from.Port())) + "~1"
		if asks {
			text += "?" + headers
		}
	}
	return before + text + after
}

// withoutAlias removes the alias parameter from a URI.
func withoutAlias(uri string) string {
	host := strings.LastIndexByte(uri, '@') + 1
	i := strings.Index(uri[host:], ";"+aliasParam+"=")
	if i < 0 {
		return uri
	}
	i += host
	end := strings.IndexAny(uri[i+1:], ";?")
	if end < 0 {
		return uri[:i]
	}
	return uri[:i] + uri[i+1+end:]
}

// aliasOf reads the alias of a URI.
func aliasOf(u *sip.Uri) (netip.AddrPort, bool) {
	v, ok := sipmsg.URIParam(u, aliasParam)
	parts := strings.Split(v, "~")
	if !ok || len(parts) != 3 || parts[2] != "1" {
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(parts[0])
	port, perr := strconv.ParseUint(parts[1], 10, 16)
	if err != nil || perr != nil || port == 0 {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), true
}
