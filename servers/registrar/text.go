package registrar

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

const lws = " \t\r\n"

// cut splits s at the first sep outside quoted strings and angle brackets.
func cut(s string, sep byte) (before, after string, found bool) {
	quoted, angle := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == sep && !angle:
			return s[:i], s[i+1:], true
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		}
	}
	return s, "", false
}

// splitList appends the comma-separated values of a header field (RFC 3261 §7.3.1) to dst.
func splitList(dst []string, s string) []string {
	for more := true; more; {
		var v string
		v, s, more = cut(s, ',')
		if v = strings.Trim(v, lws); v != "" {
			dst = append(dst, v)
		}
	}
	return dst
}

// splitAddress takes a name-addr or addr-spec with parameters apart (RFC 3261 §20.10:
// without angle brackets everything after the first semicolon belongs to the header, and
// a question mark is not allowed).
// at is the offset of the URI in s.
func splitAddress(s string) (uri, params string, at int, ok bool) {
	if open, ok := openBracket(s); ok {
		end := strings.IndexByte(s[open:], '>')
		if end < 0 {
			return "", "", 0, false
		}
		uri, params = s[open+1:open+end], s[open+end+1:]
		_, params, _ = cut(params, ';')
		return uri, params, open + 1, uri != ""
	}
	uri, params, _ = cut(s, ';')
	trimmed := strings.TrimLeft(uri, lws)
	at = len(uri) - len(trimmed)
	uri = strings.TrimRight(trimmed, lws)
	return uri, params, at, uri != "" && !strings.ContainsAny(uri, "\"<>? ")
}

// openBracket finds the '<' that follows the display name.
func openBracket(s string) (int, bool) {
	before, _, found := cut(s, '<')
	return len(before), found
}

// param looks a parameter up in a ';'-separated list. Names ignore case, values lose
// their quotes.
func param(params, name string) (value string, ok bool) {
	for more := params != ""; more; {
		var p string
		p, params, more = cut(params, ';')
		k, v, _ := cut(p, '=')
		if strings.EqualFold(strings.Trim(k, lws), name) {
			return strings.Trim(strings.Trim(v, lws), `"`), true
		}
	}
	return "", false
}

// uriParam is param for the parameters of a parsed URI.
func uriParam(u *sip.Uri, name string) (string, bool) {
	for _, p := range u.UriParams {
		if strings.EqualFold(p.K, name) {
			return p.V, true
		}
	}
	return "", false
}

// parseURI parses a URI and refuses what the library lets through but nobody can route.
func parseURI(s string) (sip.Uri, bool) {
	var u sip.Uri
	if strings.ContainsAny(s, lws+"<>\"") || sip.ParseUri(s, &u) != nil {
		return u, false
	}
	if isSIP(&u) && (u.Host == "" || u.Wildcard || u.Port < 0 || u.Port > 65535) {
		return u, false
	}
	return u, true
}

func isSIP(u *sip.Uri) bool { return u.Scheme == "sip" || u.Scheme == "sips" }

// unescape undoes %-escapes, so that equal users compare equal (RFC 3261 §19.1.4).
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// hostAddr parses the host of a URI or Via as an address literal.
func hostAddr(host string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return a.Unmap(), err == nil
}

// hostText writes an address as the host of a URI.
func hostText(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case nil:
		return netip.AddrPort{}
	case *net.UDPAddr:
		return unmap(a.AddrPort())
	default:
		ap, _ := netip.ParseAddrPort(a.String())
		return unmap(ap)
	}
}

func unmap(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// canonical returns the long name of a header field in lower case (RFC 3261 §7.3.3).
func canonical(name string) string {
	if len(name) == 1 {
		switch name[0] | 0x20 {
		case 'v':
			return "via"
		case 'f':
			return "from"
		case 't':
			return "to"
		case 'i':
			return "call-id"
		case 'm':
			return "contact"
		case 'l':
			return "content-length"
		case 'k':
			return "supported"
		}
	}
	return sip.HeaderToLower(name)
}

// parseCSeq parses "4711 INVITE". The number fits in 31 bits (RFC 3261 §8.1.1.5).
func parseCSeq(s string) (seq uint32, method string, ok bool) {
	num, method, ok := strings.Cut(strings.Trim(s, lws), " ")
	n, err := strconv.ParseUint(strings.Trim(num, lws), 10, 31)
	return uint32(n), strings.Trim(method, lws), ok && err == nil
}

// fixed writes an identifier of a length that does not depend on it: the size of a
// message must not change with what endpoints draw at random.
func fixed(id uint64) string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, id))
}
