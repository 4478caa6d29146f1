package sipmsg

import (
	"bytes"
	"strconv"
	"strings"
)

// Brief is as much of a datagram as tells which SIP message it is and whom it names.
type Brief struct {
	StartLine
	CallID  string
	FromTag string
	ToTag   string
	CSeq    CSeq   // Number 0 and no Method if it is not there
	Via     string // the topmost value
	Contact string // the first value
	Expires string // as it was written
	State   string // Subscription-State (RFC 6665 §8.2.3), as it was written
	Body    []byte // a part of the datagram, as long as that is
	// Cut: the datagram ends within the header, or before the body does.
	Cut bool
}

// Names is the method of a request, and of the request that a response answers.
func (b *Brief) Names() string {
	if b.Status != 0 {
		return b.CSeq.Method
	}
	return b.Method
}

// Peek reads the first line and the fields of a Brief from a datagram; false if it is not
// SIP. The message may be cut short anywhere behind its first line, and its other fields
// as broken as they like: a line without its end is not used, since it may go on. Of a
// field that occurs twice the first counts.
func Peek(b []byte) (Brief, bool) {
	b = bytes.TrimLeft(b, "\r\n")
	if len(b) == 0 || !isTokenChar(b[0]) {
		return Brief{}, false
	}
	head, body := b, []byte(nil)
	if i := bytes.Index(b, endOfHeader); i >= 0 {
		head, body = b[:i+len(endOfHeader)], b[i+len(endOfHeader):]
	}
	line, rest, whole := strings.Cut(string(head), crlf)
	start, ok := ParseStartLine(line)
	if !whole || !ok {
		return Brief{}, false
	}
	m := Brief{StartLine: start, Cut: true}
	length := -1
	for len(rest) > 0 {
		if line, rest, whole = nextField(rest); !whole {
			return m, true
		}
		if len(line) == 0 {
			m.Body, m.Cut = body, length > len(body)
			if length >= 0 && !m.Cut {
				m.Body = body[:length] // RFC 3261 §18.3
			}
			return m, true
		}
		name, value, _ := strings.Cut(line, ":")
		m.field(Canonical(strings.TrimSpace(name)), value, &length)
	}
	return m, true
}

func (m *Brief) field(name, value string, length *int) {
	switch name {
	case "call-id":
		first(&m.CallID, value, bare)
	case "from":
		first(&m.FromTag, value, tag)
	case "to":
		first(&m.ToTag, value, tag)
	case "via":
		first(&m.Via, value, one)
	case "contact":
		first(&m.Contact, value, one)
	case "expires":
		first(&m.Expires, value, text)
	case "subscription-state":
		first(&m.State, value, text)
	case "cseq":
		if m.CSeq == (CSeq{}) {
			m.CSeq, _ = ParseCSeq(text(value))
		}
	case "content-length":
		if n, err := strconv.ParseUint(text(value), 10, 31); err == nil && *length < 0 {
			*length = int(n)
		}
	}
}

// first reads a field unless it was read before.
func first(s *string, value string, read func(string) string) {
	if *s == "" {
		*s = read(value)
	}
}

func text(value string) string { return unfold(trim(value)) }

// bare is text without any space around it, which sipgo takes off of some fields.
func bare(value string) string { return strings.TrimSpace(text(value)) }

func tag(value string) string { return TagOf(text(value)) }

// one is the first value of a list.
func one(value string) string {
	v, _, _ := Cut(text(value), ',')
	return trim(v)
}

const crlf = "\r\n"

var endOfHeader = []byte(crlf + crlf)

// nextField takes a header field off s, folded lines and all (RFC 3261 §7.3.1), without
// its line end; not whole if that is missing.
func nextField(s string) (field, rest string, whole bool) {
	for at := 0; ; {
		i := strings.Index(s[at:], crlf)
		if i < 0 {
			return s, "", false
		}
		end := at + i
		at = end + len(crlf)
		if end > 0 && at < len(s) && (s[at] == ' ' || s[at] == '\t') {
			continue
		}
		return s[:end], s[at:], true
	}
}

// unfold makes one line of a folded value.
func unfold(s string) string {
	if !strings.Contains(s, "\r\n") {
		return s
	}
	lines := strings.Split(s, "\r\n")
	for i := range lines {
		lines[i] = strings.Trim(lines[i], " \t")
	}
	return strings.Join(lines, " ")
}
