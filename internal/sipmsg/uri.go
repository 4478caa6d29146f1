package sipmsg

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// DefaultPort is the registered port of SIP over UDP (RFC 3261 §19.1.2).
const DefaultPort = 5060

// ParseURI parses a URI and refuses what the library lets through but nobody can route. Of a
// URI that is not SIP's what follows the scheme is left as it is.
func ParseURI(s string) (sip.Uri, bool) {
	lent := uris.Get().(*sip.Uri)
	ok := parseURI(s, lent)
	u := *lent
	*lent = sip.Uri{}
	uris.Put(lent)
	return u, ok
}

// uris are those that are parsed into, since the library wants one that is not on the stack.
var uris = sync.Pool{New: func() any { return new(sip.Uri) }}

func parseURI(s string, u *sip.Uri) bool {
	scheme, rest, _ := strings.Cut(s, ":")
	if !isScheme(scheme) || rest == "" || strings.ContainsAny(s, LWS+"<>\"") {
		return false
	}
	err := sip.ParseUri(s, u)
	if u.Scheme == "" { // sipgo knows no scheme with a digit, plus, minus or dot
		err = sip.ParseUri("x:"+rest, u)
		u.Scheme = strings.ToLower(scheme)
	}
	return err == nil && (!IsSIP(u) || validHost(u.Host) && u.Port >= 0 && u.Port <= 65535)
}

// isScheme recognises the name of a scheme (RFC 3986 §3.1).
func isScheme(s string) bool {
	for i := range len(s) {
		letter := 'a' <= s[i]|0x20 && s[i]|0x20 <= 'z'
		if !letter && (i == 0 || !('0' <= s[i] && s[i] <= '9' || strings.IndexByte("+-.", s[i]) >= 0)) {
			return false
		}
	}
	return s != ""
}

// validHost recognises a host (RFC 3261 §25.1), with the underscore that names have in
// spite of it.
func validHost(s string) bool {
	if strings.HasPrefix(s, "[") {
		_, ok := HostAddr(s)
		return ok && strings.HasSuffix(s, "]")
	}
	for i := range len(s) {
		if c := s[i]; !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return s != ""
}

// IsSIP says whether a URI's scheme is sip or sips.
func IsSIP(u *sip.Uri) bool { return u.Scheme == "sip" || u.Scheme == "sips" }

// URIParam looks a parameter of a URI up; names ignore case.
func URIParam(u *sip.Uri, name string) (string, bool) {
	for _, p := range u.UriParams {
		if strings.EqualFold(p.K, name) {
			return p.V, true
		}
	}
	return "", false
}

// URIPort is the port a URI stands for.
func URIPort(u *sip.Uri) uint16 { return PortOr(u.Port) }

// PortOr is p, or 5060 where that is no port.
func PortOr(p int) uint16 {
	if p <= 0 || p > 65535 {
		return DefaultPort
	}
	return uint16(p)
}

// Hop is the host and port that a request for a URI is sent to: its maddr, or its host
// (RFC 3263 §4). It is false when the URI asks for another transport than UDP or is not a
// sip: URI.
func Hop(u *sip.Uri) (host string, port uint16, ok bool) {
	if v, ok := URIParam(u, "transport"); ok && !strings.EqualFold(v, "udp") {
		return "", 0, false
	}
	host = u.Host
	if v, ok := URIParam(u, "maddr"); ok && v != "" {
		host = v
	}
	return Unbracket(host), URIPort(u), u.Scheme == "sip" && u.Port >= 0 && u.Port <= 65535
}

// Resolve returns the address a URI stands for, invalid when that is not an address to
// send to over UDP that is known without DNS.
func Resolve(u *sip.Uri) netip.AddrPort {
	host, port, ok := Hop(u)
	a, literal := HostAddr(host)
	if !ok || !literal || a.IsUnspecified() || a.IsMulticast() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, port)
}

// Unescape undoes %-escapes, so that equal users compare equal (RFC 3261 §19.1.4).
func Unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// EqualURI compares two SIP URIs (RFC 3261 §19.1.4).
func EqualURI(a, b string) bool {
	if a == b {
		return true
	}
	ua, okA := ParseURI(a)
	ub, okB := ParseURI(b)
	return okA && okB && ua.Scheme == ub.Scheme && Unescape(ua.User) == Unescape(ub.User) &&
		ua.Password == ub.Password && strings.EqualFold(ua.Host, ub.Host) && ua.Port == ub.Port &&
		agreeParams(&ua, &ub) && agreeParams(&ub, &ua) && equalHeaders(ua.Headers, ub.Headers)
}

// agreeParams reports whether no parameter of a contradicts b. Most count only where both
// URIs have them; user, ttl, method, maddr and transport must not be in one alone.
func agreeParams(a, b *sip.Uri) bool {
	for _, p := range a.UriParams {
		v, ok := URIParam(b, p.K)
		switch strings.ToLower(p.K) {
		case "user", "ttl", "method", "maddr", "transport":
			if !ok {
				return false
			}
		}
		if ok && !strings.EqualFold(v, p.V) {
			return false
		}
	}
	return true
}

func equalHeaders(a, b sip.HeaderParams) bool {
	if len(a) != len(b) {
		return false
	}
	for _, p := range a {
		if v, ok := b.Get(p.K); !ok || v != p.V {
			return false
		}
	}
	return true
}

// Unbracket takes the brackets off an IPv6 reference.
func Unbracket(host string) string {
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// HostAddr parses the host of a URI or Via as an address literal.
func HostAddr(host string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(Unbracket(host))
	return a.Unmap(), err == nil
}

// HostText writes an address as the host of a URI.
func HostText(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// AddrPort is the netip form of an address, without IPv4-in-IPv6; invalid if it has none.
func AddrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case nil:
		return netip.AddrPort{}
	case *net.UDPAddr:
		return Unmap(a.AddrPort())
	default:
		ap, _ := netip.ParseAddrPort(a.String())
		return Unmap(ap)
	}
}

// Unmap makes IPv4 of IPv4-in-IPv6.
func Unmap(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
