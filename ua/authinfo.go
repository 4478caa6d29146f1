package ua

import (
	"strings"

	"github.com/natproof/natproof/internal/sipmsg"
)

// heard takes the nonce that a server wants to see next (RFC 3261 section 20.6). It saves the
// challenge that a nonce for one use would bring each time.
func (c *credentials) heard(res *sipmsg.Response) {
	if c == nil || isChallenge(res) {
		return
	}
	info, ok := res.Value("authentication-info")
	if !ok {
		return
	}
	nonce := nextNonce(info)
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.known[0].c; nonce != "" && old != nil && nonce != old.Nonce {
		next := *old
		next.Nonce = nonce
		c.known[0] = challenge{c: &next}
	}
}

// nextNonce reads the parameter of an Authentication-Info header field; empty if there is no
// good one.
func nextNonce(info string) string {
	for _, p := range sipmsg.SplitList(nil, info) {
		name, value, _ := strings.Cut(p, "=")
		value = strings.Trim(value, sipmsg.LWS)
		if !strings.EqualFold(strings.Trim(name, sipmsg.LWS), "nextnonce") {
			continue
		}
		if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
			return ""
		}
		return unquote(value[1 : len(value)-1])
	}
	return ""
}

// unquote undoes the quoted pairs of a quoted string (RFC 3261 section 25.1); empty if it is
// none, or has what cannot be written back.
func unquote(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' {
			if i++; i == len(s) {
				return ""
			}
			c = s[i]
		} else if c == '"' {
			return ""
		}
		if c < ' ' || c >= 0x7f {
			return ""
		}
		b.WriteByte(c)
	}
	return b.String()
}
