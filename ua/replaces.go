package ua

import (
	"errors"
	"fmt"
	"strings"

	"github.com/natproof/natproof/internal/sipmsg"
)

// ErrReference: a Refer-To or Replaces value that is not as it should be.
var ErrReference = errors.New("ua: malformed reference")

// Replaces names a dialog that a new one is to take the place of (RFC 3891), as the end that
// is asked for it knows it: ToTag is its own tag, FromTag that of its peer.
type Replaces struct {
	CallID, ToTag, FromTag string
	// EarlyOnly asks for that only while the dialog is not confirmed yet.
	EarlyOnly bool
}

// String is the value of the header field.
func (r Replaces) String() string {
	s := r.CallID + ";to-tag=" + r.ToTag + ";from-tag=" + r.FromTag
	if r.EarlyOnly {
		s += ";early-only"
	}
	return s
}

// ParseReplaces reads the value of a Replaces header field. Both tags must be there, and
// nothing twice; parameters that nobody knows are left out.
func ParseReplaces(value string) (Replaces, error) {
	var r Replaces
	bad := func(what string) (Replaces, error) {
		return Replaces{}, fmt.Errorf("%w: Replaces %q: %s", ErrReference, value, what)
	}
	id, params, more := strings.Cut(value, ";")
	if r.CallID = strings.Trim(id, sipmsg.LWS); !isCallID(r.CallID) {
		return bad("no Call-ID")
	}
	seen := map[string]bool{}
	for more {
		var p string
		p, params, more = sipmsg.Cut(params, ';')
		name, v, has := strings.Cut(p, "=")
		name, v = strings.ToLower(strings.Trim(name, sipmsg.LWS)), strings.Trim(v, sipmsg.LWS)
		switch {
		case !isToken(name) || has && !isParamValue(v):
			return bad("a parameter that is none")
		case seen[name]:
			return bad(name + " twice")
		}
		seen[name] = true
		switch name {
		case "to-tag", "from-tag":
			if !isToken(v) {
				return bad(name + " is no token")
			}
			if name == "to-tag" {
				r.ToTag = v
			} else {
				r.FromTag = v
			}
		case "early-only":
			if has {
				return bad("early-only has a value")
			}
			r.EarlyOnly = true
		}
	}
	if r.ToTag == "" || r.FromTag == "" {
		return bad("a tag is missing")
	}
	return r, nil
}

// isCallID recognises word ["@" word] (RFC 3261 section 25.1).
func isCallID(s string) bool {
	a, b, at := strings.Cut(s, "@")
	return isWord(a) && (!at || isWord(b))
}

func isWord(s string) bool {
	return all(s, func(c byte) bool { return tokenChar(c) || strings.IndexByte(`()<>:\"/[]?{}`, c) >= 0 })
}
func isToken(s string) bool  { return all(s, tokenChar) }
func tokenChar(c byte) bool  { return alphanum(c) || strings.IndexByte("-.!%*_+`'~", c) >= 0 }
func alphanum(c byte) bool   { return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' }
func printable(c byte) bool  { return c >= ' ' && c != 0x7f }
func isText(s string) bool   { return s == "" || all(s, printable) }
func isQuoted(s string) bool { return len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' && isText(s) }

// isParamValue recognises the value of a generic-param: a token, a host or a quoted string.
func isParamValue(s string) bool {
	return isQuoted(s) || all(s, func(c byte) bool { return tokenChar(c) || strings.IndexByte("[]:", c) >= 0 })
}

// all says whether s has only characters that are wanted, and one at least.
func all(s string, wanted func(byte) bool) bool {
	for i := range len(s) {
		if !wanted(s[i]) {
			return false
		}
	}
	return s != ""
}
