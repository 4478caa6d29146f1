package sipalg

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// text is a message as the SIP helper of Linux reads it: it looks for fields at the
// beginnings of lines, wherever a message ends, and does not mind what is between.
type text []byte

// span is a part of a text.
type span struct{ start, end int }

func (t *text) replace(s span, by string) {
	out := make([]byte, 0, len(*t)+len(by))
	out = append(append(append(out, (*t)[:s.start]...), by...), (*t)[s.end:]...)
	*t = out
}

// field is a header field (RFC 3261 section 20), perhaps with a compact name, and what
// of its value counts: a number, or the address behind a word.
type field struct {
	name, compact string
	behind        string
	value         func(t text, at int) (span, bool)
}

var (
	cseqField     = &field{"CSeq", "", "", digits}
	from          = &field{"From", "f", "sip:", uriHost}
	to            = &field{"To", "t", "sip:", uriHost}
	contact       = &field{"Contact", "m", "sip:", uriHost}
	via           = &field{"Via", "v", "UDP ", host}
	expires       = &field{"Expires", "", "", digits}
	contentLength = &field{"Content-Length", "l", "", digits}
)

// found is a value of a header field.
type found struct {
	span
	value  uint64 // the number there, if one is
	broken bool   // the field is there and makes no sense
	past   int    // where a broken one was left
}

// find returns the next field after a place in the text, which must not be the field
// itself.
func (t text) find(f *field, at int) (found, bool) {
	for ; at < len(t); at++ {
		if at = t.newline(at); at < 0 || at >= len(t) {
			break
		}
		if t[at] == ' ' || t[at] == '\t' { // a continuation line
			continue
		}
		switch rest := t[at:]; {
		case foldPrefix(rest, f.name):
			at += len(f.name)
		case f.compact != "" && len(rest) >= 2 && foldPrefix(rest, f.compact) && !isAlpha(rest[1]):
			at++
		default:
			continue
		}
		if at = t.blanks(at); at < 0 || at >= len(t) || t[at] != ':' {
			break
		}
		if at++; at >= len(t) {
			break
		}
		if at = t.blanks(at); at < 0 {
			break
		}
		start := at
		if f.behind != "" {
			if at = t.inField(at, f.behind, len(t)); at < 0 {
				return found{broken: true, past: start}, false
			}
			at += len(f.behind)
		}
		s, ok := f.value(t, at)
		if !ok {
			return found{broken: true, past: start}, false
		}
		return found{span: s, value: number(t[s.start:])}, true
	}
	return found{}, false
}

// newline returns where the line after the next line end begins, or -1.
func (t text) newline(at int) int {
	for at < len(t) && t[at] != '\r' && t[at] != '\n' {
		at++
	}
	if at+1 >= len(t) {
		return -1
	}
	if at++; t[at-1] == '\r' && t[at] == '\n' {
		at++
	}
	return at
}

// folds returns where the text goes on behind a line end that is followed by a
// continuation line (RFC 3261 section 7.3.1), or -1.
func (t text) folds(at int) int {
	at = t.newline(at)
	if at < 0 || at >= len(t) || t[at] != ' ' && t[at] != '\t' {
		return -1
	}
	for at < len(t) && (t[at] == ' ' || t[at] == '\t') {
		at++
	}
	return at
}

func (t text) blanks(at int) int {
	for ; at < len(t); at++ {
		if t[at] == ' ' {
			continue
		}
		if t[at] != '\r' && t[at] != '\n' {
			break
		}
		if at = t.folds(at); at < 0 {
			return -1
		}
	}
	return at
}

// inField returns where a word stands in the rest of a header field, before limit, or -1.
func (t text) inField(at int, word string, limit int) int {
	for limit -= len(word); at < limit; at++ {
		if t[at] == '\r' || t[at] == '\n' {
			if at = t.folds(at); at < 0 {
				return -1
			}
			continue
		}
		if foldPrefix(t[at:], word) {
			return at
		}
	}
	return -1
}

// cseq returns the number of CSeq, which may be zero but not missing.
func (t text) cseq() (found, bool) { return t.find(cseqField, 0) }

// uri is an endpoint that a header field names.
type uri struct {
	span
	at netip.AddrPort
}

// walk goes through the values of a field that may occur more than once.
type walk struct {
	field  *field
	at     int
	inside bool // a list of values, separated by commas
}

// uri returns the first endpoint that a field names.
func (t text) uri(f *field, at int) (uri, bool) {
	w := walk{field: f, at: at}
	return t.next(&w)
}

// next returns the next endpoint, past values that make no sense.
func (t text) next(w *walk) (uri, bool) {
	value, ok := t.listed(w)
	if !ok {
		at := w.at
		for {
			if value, ok = t.find(w.field, at); ok {
				break
			}
			if !value.broken {
				return uri{}, false
			}
			at += value.past
		}
		w.inside = true
	}
	u, ok := t.endpoint(value.start)
	w.at = u.end
	return u, ok
}

// listed returns the next value of the same field.
func (t text) listed(w *walk) (found, bool) {
	at := w.at
	for w.inside {
		comma := t.inField(at, ",", len(t))
		if comma < 0 {
			break
		}
		word := t.inField(comma, w.field.behind, len(t))
		if word < 0 {
			break
		}
		start := word + len(w.field.behind)
		if s, ok := w.field.value(t, start); ok {
			return found{span: s}, true
		}
		at += start
		if at >= len(t) {
			break
		}
	}
	w.at, w.inside = at, false
	return found{}, false
}

// endpoint reads "10.0.0.1:5060", or an address that stands for port 5060.
func (t text) endpoint(start int) (uri, bool) {
	a, end, ok := t.ipv4(start)
	if !ok {
		return uri{}, false
	}
	port := uint64(sipPort)
	if end < len(t) && t[end] == ':' {
		end++
		port = number(t[end:])
		for end < len(t) && isDigit(t[end]) {
			end++
		}
		if port < 1024 || port > 65535 {
			return uri{}, false
		}
	}
	return uri{span: span{start, end}, at: netip.AddrPortFrom(a, uint16(port))}, true
}

// requestURI reads the address of a request line.
func (t text) requestURI() (uri, bool) {
	at := 0
	for at < len(t) && isAlpha(t[at]) {
		at++
	}
	if at == 0 || at+1 >= len(t) {
		return uri{}, false
	}
	for at++; at < len(t)-len("sip:"); at++ {
		if t[at] == '\r' || t[at] == '\n' {
			return uri{}, false
		}
		if foldPrefix(t[at:], "sip:") {
			at += len("sip:")
			break
		}
	}
	s, ok := uriHost(t, at)
	if !ok {
		return uri{}, false
	}
	return t.endpoint(s.start)
}

// digits, host and uriHost are what the value of a field may be.

func digits(t text, at int) (span, bool) {
	end := at
	for end < len(t) && isDigit(t[end]) {
		end++
	}
	return span{at, end}, end > at
}

func host(t text, at int) (span, bool) {
	_, end, ok := t.ipv4(at)
	if !ok {
		return span{}, false
	}
	if end < len(t) && t[end] == ':' {
		for end++; end < len(t) && isDigit(t[end]); {
			end++
		}
	}
	return span{at, end}, true
}

// uriHost skips the user of a URI, up to the last sign of one in the line.
func uriHost(t text, at int) (span, bool) {
	end := at
	for end < len(t) && t[end] != '@' && t[end] != '\r' && t[end] != '\n' {
		end++
	}
	if end < len(t) && t[end] == '@' {
		at = end + 1
	}
	return host(t, at)
}

// ipv4 reads an address that ends with anything but a letter of a hexadecimal number.
func (t text) ipv4(at int) (netip.Addr, int, bool) {
	var b [4]byte
	for i := range b {
		s, ok := digits(t, at)
		n := number(t[min(at, len(t)):])
		if !ok || n > 255 {
			return netip.Addr{}, 0, false
		}
		b[i] = byte(n)
		at = s.end
		if i < 3 {
			if at >= len(t) || t[at] != '.' {
				return netip.Addr{}, 0, false
			}
			at++
		}
	}
	if at < len(t) && (t[at] == '.' || strings.IndexByte("abcdefABCDEF", t[at]) >= 0) {
		return netip.Addr{}, 0, false
	}
	return netip.AddrFrom4(b), at, true
}

// param returns what follows a word in the rest of a header field, up to the next
// value in a list.
func (t text) param(at int, word string) ([]byte, bool) {
	at = t.inField(at, word, t.valueEnd(at))
	if at < 0 {
		return nil, false
	}
	return t[at+len(word):], true
}

func (t text) valueEnd(at int) int {
	if end := t.inField(at, ",", len(t)); end >= 0 {
		return end
	}
	return len(t)
}

func (t text) numberParam(at int, word string) (found, bool) {
	start := t.inField(at, word, t.valueEnd(at))
	if start < 0 {
		return found{}, false
	}
	start += len(word)
	s, ok := digits(t, start)
	return found{span: s, value: number(t[start:])}, ok
}

type address struct {
	span
	a netip.Addr
}

func (t text) addressParam(at int, word string) (address, bool) {
	start := t.inField(at, word, t.valueEnd(at))
	if start < 0 {
		return address{}, false
	}
	start += len(word)
	a, end, ok := t.ipv4(start)
	return address{span{start, end}, a}, ok
}

// sdpField is a line of a session description (RFC 4566 section 5).
type sdpField struct {
	name, behind string
	value        func(t text, at int) (span, bool)
}

var (
	sdpVersion    = sdpField{"v=", "", digits}
	sdpOwner      = sdpField{"o=", "IN IP4 ", host}
	sdpConnection = sdpField{"c=", "IN IP4 ", host}
	sdpMedia      = sdpField{"m=", "", mediaPort}
)

// mediaPort reads "audio 4000".
func mediaPort(t text, at int) (span, bool) {
	end := at
	for end < len(t) && isAlpha(t[end]) {
		end++
	}
	if end >= len(t) || t[end] != ' ' {
		return span{}, false
	}
	s, _ := digits(t, end+1)
	return span{at, s.end}, true
}

// line returns the next line with a name after a place, before the next one with the
// name of until.
func (t text) line(f sdpField, at int, until *sdpField) (found, bool) {
	for ; at < len(t); at++ {
		if at = t.newline(at); at < 0 || at >= len(t) {
			break
		}
		switch {
		case until != nil && foldPrefix(t[at:], until.name):
			return found{}, false
		case foldPrefix(t[at:], f.name):
			at += len(f.name)
		default:
			continue
		}
		if f.behind != "" {
			line := t[at:]
			if end := bytes.IndexAny(line, "\r\n"); end >= 0 {
				line = line[:end]
			}
			i := bytes.Index(line, []byte(f.behind))
			if i < 0 || at+i >= len(t)-len(f.behind) {
				return found{}, false
			}
			at += i + len(f.behind)
		}
		s, ok := f.value(t, at)
		return found{span: s}, ok
	}
	return found{}, false
}

// quad returns the address of the next line with a name, before another one.
func (t text) quad(f sdpField, at int, until sdpField) (netip.Addr, bool) {
	s, ok := t.line(f, at, &until)
	if !ok {
		return netip.Addr{}, false
	}
	a, _, ok := t.ipv4(s.start)
	return a, ok
}

func foldPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && strings.EqualFold(string(b[:len(prefix)]), prefix)
}

func isAlpha(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

// number reads the digits at the beginning, or 0.
func number(b []byte) uint64 {
	end := 0
	for end < len(b) && isDigit(b[end]) {
		end++
	}
	n, _ := strconv.ParseUint(string(b[:end]), 10, 64)
	return n
}
