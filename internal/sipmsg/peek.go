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
	if len(b) == 0 || !isToken(string(b[:1])) {
		return Brief{}, false
	}
	line, rest, whole := bytes.Cut(b, crlf)
	start, ok := ParseStartLine(string(line))
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
			m.Body, m.Cut = rest, length > len(rest)
			if length >= 0 && !m.Cut {
				m.Body = rest[:length] // RFC 3261 §18.3
			}
			return m, true
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		m.field(Canonical(string(bytes.TrimSpace(name))), value, &length)
	}
	return m, true
}

func (m *Brief) field(name string, value []byte, length *int) {
	first := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	text := func() string { return unfold(strings.Trim(string(value), LWS)) }
	one := func() string {
		v, _, _ := Cut(text(), ',')
		return strings.Trim(v, LWS)
	}
	switch name {
	case "call-id":
		first(&m.CallID, strings.TrimSpace(text())) // sipgo takes other space off too
	case "from":
		first(&m.FromTag, TagOf(text()))
	case "to":
		first(&m.ToTag, TagOf(text()))
	case "via":
		first(&m.Via, one())
	case "contact":
		first(&m.Contact, one())
	case "cseq":
		if m.CSeq == (CSeq{}) {
			m.CSeq, _ = ParseCSeq(text())
		}
	case "content-length":
		if n, err := strconv.ParseUint(text(), 10, 31); err == nil && *length < 0 {
			*length = int(n)
		}
	}
}

var crlf = []byte("\r\n")

// nextField takes a header field off b, folded lines and all (RFC 3261 §7.3.1), without
// its line end; not whole if that is missing.
func nextField(b []byte) (field, rest []byte, whole bool) {
	for at := 0; ; {
		i := bytes.Index(b[at:], crlf)
		if i < 0 {
			return b, nil, false
		}
		end := at + i
		at = end + len(crlf)
		if end > 0 && at < len(b) && (b[at] == ' ' || b[at] == '\t') {
			continue
		}
		return b[:end], b[at:], true
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
