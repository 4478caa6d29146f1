package wire

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/natproof/natproof/internal/sipmsg"
)

// line is as much of a SIP message as tells which step it belongs to.
type line struct {
	method  string // of the request, or the one a response answers
	status  int    // 0 in a request
	reason  string // the reason phrase of a response
	seq     uint32 // the number in CSeq
	callID  string
	fromTag string
	ends    bool   // it ends a subscription, or says that it has ended (RFC 6665 §4.1.2.3, §4.2.2)
	told    uint64 // of a NOTIFY: a sum of its body, to tell one state from another

	reported int // a NOTIFY about a REFER: the status in it
}

// readLine reads the first line, CSeq, Call-ID and From; false if it is not SIP.
func readLine(b []byte) (line, bool) {
	m, ok := sipmsg.Peek(b)
	if !ok {
		return line{}, false
	}
	l := line{method: m.Names(), status: m.Status, reason: m.Reason, seq: m.CSeq.Number, callID: m.CallID, fromTag: m.FromTag}
	switch {
	case l.request("SUBSCRIBE"):
		l.ends = m.Expires == "0"
	case l.request("NOTIFY"):
		state, _, _ := strings.Cut(m.State, ";")
		l.ends = strings.TrimSpace(state) == "terminated"
		sum := fnv.New64a()
		sum.Write(m.Body)
		l.told = sum.Sum64()
		l.reported = reported(b)
	}
	return l, true
}

// reported is the status in the status line that the body begins with, or 0.
func reported(b []byte) int {
	_, body, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	first, _, _ := strings.Cut(string(body), "\r\n")
	if s, ok := sipmsg.ParseStartLine(first); ok {
		return s.Status
	}
	return 0
}

// request says whether it is a request of the method.
func (l line) request(method string) bool { return l.method == method && l.status == 0 }

// answers says whether it is a response to a request, on this hop or another.
func (l line) answers(req line) bool {
	return l.status != 0 && req.status == 0 && l.method == req.method && l.seq == req.seq && l.callID == req.callID
}

// says is the status and the reason phrase of a response.
func (l line) says() string { return strings.TrimSpace(fmt.Sprintf("%d %s", l.status, l.reason)) }

// success says whether it is a 2xx to the method.
func (l line) success(method string) bool {
	return l.method == method && l.status >= 200 && l.status < 300
}
