package sipmsg

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// SplitAddress takes a name-addr or addr-spec with parameters apart (RFC 3261 §20.10:
// without angle brackets everything after the first semicolon belongs to the header, and
// a question mark is not allowed). at is the offset of the URI in s.
func SplitAddress(s string) (uri, params string, at int, ok bool) {
	if open, ok := openBracket(s); ok {
		end := strings.IndexByte(s[open:], '>')
		if end < 0 {
			return "", "", 0, false
		}
		uri, params = s[open+1:open+end], s[open+end+1:]
		_, params, _ = Cut(params, ';')
		return uri, params, open + 1, uri != ""
	}
	uri, params, _ = Cut(s, ';')
	trimmed := strings.TrimLeft(uri, LWS)
	at = len(uri) - len(trimmed)
	uri = strings.TrimRight(trimmed, LWS)
	return uri, params, at, uri != "" && !strings.ContainsAny(uri, "\"<>? ")
}

// openBracket finds the '<' that follows the display name.
func openBracket(s string) (int, bool) {
	before, _, found := Cut(s, '<')
	return len(before), found
}

// Address is a name-addr or addr-spec, taken apart.
type Address struct {
	Name   string // as written, without the quotes around it
	URI    sip.Uri
	Params string // as written, see Param
}

// ParseAddress reads the value of From, To, Contact, Route, Record-Route and their like;
// false if there is no URI that makes sense.
func ParseAddress(s string) (Address, bool) {
	text, params, at, ok := SplitAddress(s)
	uri, valid := ParseURI(text)
	if !ok || !valid || !closed(params) {
		return Address{}, false
	}
	name := ""
	if before, bracket := strings.CutSuffix(s[:at], "<"); bracket {
		name = trim(before)
		if len(name) > 1 && name[0] == '"' && name[len(name)-1] == '"' {
			name = name[1 : len(name)-1]
		}
	}
	return Address{Name: name, URI: uri, Params: params}, true
}

// Param is a header parameter.
func (a *Address) Param(name string) (string, bool) { return Param(a.Params, name) }

// TagOf is the tag of a From or To value, empty if there is none.
func TagOf(address string) string {
	_, params, _, _ := SplitAddress(address)
	tag, _ := Param(params, "tag")
	return tag
}
