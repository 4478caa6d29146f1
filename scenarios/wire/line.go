package wire

import (
	"bytes"
	"strconv"
)

// line is as much of a SIP message as tells which step it belongs to.
type line struct {
	method  string // of the request, or the one a response answers
	status  int    // 0 in a request
	callID  string
	fromTag string
}

// readLine reads the first line, CSeq, Call-ID and From; false if it is not SIP.
func readLine(b []byte) (line, bool) {
	if len(b) == 0 || b[0] < 'A' || b[0] > 'Z' {
		return line{}, false
	}
	head, _, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	first, rest, _ := bytes.Cut(head, []byte("\r\n"))
	words := bytes.SplitN(first, []byte(" "), 3)
	if len(words) < 3 {
		return line{}, false
	}
	l := line{method: string(words[0])}
	if bytes.Equal(words[0], []byte("SIP/2.0")) {
		status, err := strconv.ParseUint(string(words[1]), 10, 16)
		if err != nil || len(words[1]) != 3 || status == 0 {
			return line{}, false
		}
		l.method, l.status = "", int(status)
	}
	for line := range bytes.SplitSeq(rest, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		name, value = bytes.TrimSpace(name), bytes.TrimSpace(value) // RFC 3261 §7.3.1
		switch {
		case bytes.EqualFold(name, []byte("Call-ID")), bytes.EqualFold(name, []byte("i")):
			l.callID = string(value)
		case bytes.EqualFold(name, []byte("From")), bytes.EqualFold(name, []byte("f")):
			l.fromTag = tagOf(value)
		case bytes.EqualFold(name, []byte("CSeq")) && l.status != 0:
			l.method = string(value[bytes.LastIndexByte(value, ' ')+1:])
		}
	}
	return l, true
}

// tagOf is the parameter tag of a From or To, which is not one of the URI within.
func tagOf(value []byte) string {
	params := value[bytes.LastIndexByte(value, '>')+1:]
	_, params, _ = bytes.Cut(params, []byte(";"))
	for param := range bytes.SplitSeq(params, []byte(";")) {
		name, tag, _ := bytes.Cut(param, []byte("="))
		if bytes.EqualFold(bytes.TrimSpace(name), []byte("tag")) {
			return string(bytes.TrimSpace(tag))
		}
	}
	return ""
}

// request says whether it is a request of the method.
func (l line) request(method string) bool { return l.method == method && l.status == 0 }

// success says whether it is a 2xx to the method.
func (l line) success(method string) bool {
	return l.method == method && l.status >= 200 && l.status < 300
}
