package sipmsg

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// LWS are the characters of linear white space (RFC 3261 §25.1).
const LWS = " \t\r\n"

// scan finds the first stop outside quoted strings and angle brackets, or -1, and says
// whether one of them is open at the end of what it has seen.
func scan(s string, stop int) (at int, open bool) {
	quoted, angle := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case int(c) == stop && !angle:
			return i, false
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		}
	}
	return -1, quoted || angle
}

// opens says whether a quoted string or an angle bracket begins in s: mostly none does
// before the first separator.
func opens(s string) bool { return strings.IndexByte(s, '"') >= 0 || strings.IndexByte(s, '<') >= 0 }

// trim takes linear white space off both ends.
func trim(s string) string {
	for s != "" && isLWS(s[0]) {
		s = s[1:]
	}
	for s != "" && isLWS(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isLWS(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// Cut splits s at the first sep outside quoted strings and angle brackets.
func Cut(s string, sep byte) (before, after string, found bool) {
	at := strings.IndexByte(s, sep)
	if at >= 0 && opens(s[:at]) {
		at, _ = scan(s, int(sep))
	}
	if at >= 0 {
		return s[:at], s[at+1:], true
	}
	return s, "", false
}

// closed says whether every quoted string and angle bracket in s ends: what is appended to
// a value that is not closed would be a part of it.
func closed(s string) bool {
	if !opens(s) {
		return true
	}
	_, open := scan(s, -1)
	return !open
}

// SplitList appends the comma-separated values of a header field (RFC 3261 §7.3.1) to dst.
// There may be none.
func SplitList(dst []string, s string) []string {
	for more := true; more; {
		var v string
		v, s, more = Cut(s, ',')
		if v = trim(v); v != "" {
			dst = append(dst, v)
		}
	}
	return dst
}

// Param looks a parameter up in a ';'-separated list, blanks around its parts or not.
// Names ignore case, values lose their quotes.
func Param(params, name string) (value string, ok bool) {
	for more := params != ""; more; {
		var p string
		p, params, more = Cut(params, ';')
		k, v, _ := Cut(p, '=')
		if strings.EqualFold(trim(k), name) {
			return strings.Trim(trim(v), `"`), true
		}
	}
	return "", false
}

// compactNames are the short forms of header field names (RFC 3261 §7.3.3 and the IANA
// registry of SIP header fields).
var compactNames = [26]string{
	'a' - 'a': "accept-contact", 'b' - 'a': "referred-by", 'c' - 'a': "content-type", 'd' - 'a': "request-disposition",
	'e' - 'a': "content-encoding", 'f' - 'a': "from", 'i' - 'a': "call-id", 'j' - 'a': "reject-contact",
	'k' - 'a': "supported", 'l' - 'a': "content-length", 'm' - 'a': "contact", 'n' - 'a': "identity-info",
	'o' - 'a': "event", 'r' - 'a': "refer-to", 's' - 'a': "subject", 't' - 'a': "to",
	'u' - 'a': "allow-events", 'v' - 'a': "via", 'x' - 'a': "session-expires", 'y' - 'a': "identity",
}

// Canonical returns the long name of a header field in lower case.
func Canonical(name string) string {
	if len(name) == 1 {
		if c := name[0] | 0x20; 'a' <= c && c <= 'z' && compactNames[c-'a'] != "" {
			return compactNames[c-'a']
		}
	}
	return sip.HeaderToLower(name)
}

// CSeq is the value of that header field.
type CSeq struct {
	Number uint32
	Method string
}

// String is the value as it is written.
func (c CSeq) String() string { return strconv.FormatUint(uint64(c.Number), 10) + " " + c.Method }

// ParseCSeq reads "4711 INVITE". The number fits in 31 bits (RFC 3261 §8.1.1.5).
func ParseCSeq(s string) (CSeq, bool) {
	number, method := trim(s), ""
	if i := strings.IndexAny(number, LWS); i >= 0 {
		number, method = number[:i], strings.TrimLeft(number[i:], LWS)
	}
	n, err := strconv.ParseUint(number, 10, 31) // digits, without a sign
	if err != nil || !IsToken(method) {
		return CSeq{}, false
	}
	return CSeq{uint32(n), method}, true
}

// DeltaSeconds reads a number of seconds, up to a parameter or comment as Retry-After may
// have (RFC 3261 §20.33).
func DeltaSeconds(v string) (uint32, bool) {
	if i := strings.IndexAny(v, " \t;("); i >= 0 {
		v = v[:i]
	}
	if !digits(v) {
		return 0, false
	}
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil {
		return 0, false
	}
	return uint32(n), true
}

// Printable makes a piece of a message fit for a reason phrase.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s[:min(len(s), 80)])
}
