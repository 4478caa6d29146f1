package ua

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// referTo is the value of a Refer-To header field (RFC 3515 section 2.1).
type referTo struct {
	uri      sip.Uri   // what is to be called: without header fields and method
	method   string    // of the request that is asked for
	replaces *Replaces // what its header field Replaces is to be
	require  []string  // what its header field Require is to be
	ignored  []string  // the names of the others, which are not honoured
}

// parseReferTo reads a Refer-To. Header fields in the URI are taken out of their escapes and
// must be fit to be header fields. What would be dangerous in them is not honoured, which is
// everything but Replaces and Require (RFC 3261 section 19.1.5).
func parseReferTo(value string) (referTo, error) {
	bad := func(what string) (referTo, error) {
		return referTo{}, fmt.Errorf("%w: Refer-To %q: %s", ErrReference, value, what)
	}
	text, _, _, ok := sipmsg.SplitAddress(value)
	if _, address := sipmsg.ParseAddress(value); !ok || !address || !isText(value) {
		return bad("no address")
	}
	base, headers := splitHeaders(text)
	uri, ok := sipmsg.ParseURI(base)
	if !ok {
		return bad("no URI")
	}
	r := referTo{uri: uri, method: string(sip.INVITE)}
	if !sipmsg.IsSIP(&uri) {
		return r, nil
	}
	if m, has := sipmsg.URIParam(&uri, "method"); has {
		r.method = m
		r.uri.UriParams = slices.DeleteFunc(slices.Clone(uri.UriParams), func(p sip.HeaderKV) bool { return strings.EqualFold(p.K, "method") })
	}
	if again, ok := sipmsg.ParseURI(r.uri.String()); !ok || again.String() != r.uri.String() { // the library loses a part of it
		return bad("no URI")
	}
	for _, h := range headers {
		name, v, err := unescapeHeader(h)
		if err != "" {
			return bad(err)
		}
		switch strings.ToLower(name) {
		case "replaces":
			rep, err := ParseReplaces(v)
			if err != nil {
				return referTo{}, err
			}
			if r.replaces != nil {
				return bad("Replaces twice")
			}
			r.replaces = &rep
		case "require":
			r.require = sipmsg.SplitList(r.require, v)
		default:
			r.ignored = append(r.ignored, name)
		}
	}
	return r, nil
}

// splitHeaders takes the header fields off a URI. A question mark may be in the user too.
func splitHeaders(uri string) (base string, headers []string) {
	at := strings.LastIndexByte(uri, '@') + 1
	rest, query, has := strings.Cut(uri[at:], "?")
	if !has {
		return uri, nil
	}
	return uri[:at] + rest, strings.Split(query, "&")
}

// unescapeHeader reads hname "=" hvalue (RFC 3261 section 25.1); err says what is wrong.
func unescapeHeader(h string) (name, value, err string) {
	name, value, has := strings.Cut(h, "=")
	name, okName := unescape(name)
	value, okValue := unescape(value)
	switch {
	case !has || !okName || !okValue:
		return "", "", "a header field that is none"
	case !isToken(name):
		return "", "", "a header field without a name"
	case !isText(value):
		return "", "", name + " has a line end or the like"
	}
	return name, value, ""
}

// unescape undoes %-escapes; false if one is none, or something should have been one.
func unescape(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "", false
			}
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		case unreserved(c) || strings.IndexByte("[]/?:+$", c) >= 0: // hnv-unreserved
			b.WriteByte(c)
		default:
			return "", false
		}
	}
	return b.String(), true
}

func unreserved(c byte) bool { return alphanum(c) || strings.IndexByte("-_.!~*'()", c) >= 0 }
func isHex(c byte) bool      { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// escape makes a header field's value fit for a URI.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; unreserved(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// writeReferTo is the value of a Refer-To.
func writeReferTo(uri sip.Uri, rep *Replaces) string {
	if rep == nil {
		return "<" + uri.String() + ">"
	}
	return "<" + uri.String() + "?Replaces=" + escape(rep.String()) + ">"
}
