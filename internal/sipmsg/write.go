package sipmsg

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// Header is one header field to be written.
type Header struct{ Name, Value string }

// WriteHeader writes one header line. A line end in the value, which a refusal may repeat
// from its request, becomes blank, so that it is no line of its own here.
func WriteHeader(w io.StringWriter, name, value string) {
	w.WriteString(name)
	w.WriteString(": ")
	if hasLineEnd(value) {
		value = blankLineEnds.Replace(value)
	}
	w.WriteString(value)
	w.WriteString("\r\n")
}

var blankLineEnds = strings.NewReplacer("\r", " ", "\n", " ")

// WriteOtherVias writes what a Via header field holds beside its first value.
func WriteOtherVias(w io.StringWriter, value string) {
	for i, v := range SplitList(nil, value) {
		if i > 0 {
			WriteHeader(w, "Via", v)
		}
	}
}

// Respond writes a response of our own to a request (RFC 3261 §8.2.6). The tag is put into
// a To without one, unless the response is 100.
func (r *Request) Respond(code int, reason, tag string, body []byte, headers ...Header) []byte {
	w := &bytes.Buffer{}
	w.Grow(512 + len(body))
	w.WriteString(Version + " " + strconv.Itoa(code) + " " + reason + "\r\n")
	for i, v := range r.Vias {
		if i == 0 {
			v = r.Stamped
		}
		WriteHeader(w, "Via", v)
	}
	if r.dialog() && code > 100 && code < 300 { // §12.1.1
		for _, v := range r.Values("record-route") {
			WriteHeader(w, "Record-Route", v)
		}
	}
	to := r.To
	if to != "" && code > 100 && TagOf(to) == "" {
		to += ";tag=" + tag
	}
	for _, h := range []Header{{"From", r.From}, {"To", to}, {"Call-ID", r.CallID}, {"CSeq", r.CSeqText}} {
		if h.Value != "" {
			WriteHeader(w, h.Name, h.Value)
		}
	}
	if code == 100 { // §8.2.6.1
		if ts, ok := r.Value("timestamp"); ok {
			WriteHeader(w, "Timestamp", ts)
		}
	}
	for _, h := range headers {
		WriteHeader(w, h.Name, h.Value)
	}
	WriteHeader(w, "Content-Length", strconv.Itoa(len(body)))
	w.WriteString("\r\n")
	w.Write(body)
	return w.Bytes()
}

// Tag makes a To tag for responses to the request, the same each time, so that one that no
// transaction remembers has it too (RFC 3261 §8.2.7). The salt is the element's secret.
func (r *Request) Tag(salt uint64) string {
	h := fnv.New64a()
	h.Write(binary.BigEndian.AppendUint64(nil, salt))
	for _, p := range []string{r.Top.Branch, r.CallID, r.CSeqText, r.From} {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return Fixed(h.Sum64())
}

// dialog says whether a 2xx to the request makes a dialog.
func (r *Request) dialog() bool {
	switch r.Method {
	case sip.INVITE, sip.SUBSCRIBE, sip.NOTIFY, sip.REFER:
		return true
	}
	return false
}

// Sent is a request as it is sent: its bytes, and what a CANCEL or an ACK for it repeats.
type Sent struct {
	Method, URI      string
	Via              string // the topmost
	Routes           []string
	From, To, CallID string
	CSeq             uint32
	Wire             []byte
}

// NewSent serialises a request of typed header fields, which must have Via, From, To,
// Call-ID and CSeq.
func NewSent(req *sip.Request) *Sent {
	w := buffers.Get().(*bytes.Buffer)
	w.Reset()
	req.StringWrite(w)
	s := &Sent{Method: string(req.Method), URI: req.Recipient.String(), CSeq: req.CSeq().SeqNo, Wire: bytes.Clone(w.Bytes())}
	buffers.Put(w)
	head, _, _ := bytes.Cut(s.Wire, endOfHeader)
	for line := range strings.SplitSeq(string(head), crlf) {
		switch name, value, _ := strings.Cut(line, ": "); {
		case name == "Via" && s.Via == "":
			s.Via = value
		case name == "Route":
			s.Routes = append(s.Routes, value)
		case name == "From":
			s.From = value
		case name == "To":
			s.To = value
		case name == "Call-ID":
			s.CallID = value
		}
	}
	return s
}

// buffers are those that requests are written in.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Ack writes the ACK of a final response other than 2xx with that To (RFC 3261 §17.1.1.3).
func (s *Sent) Ack(to string) []byte { return s.follow("ACK", to) }

// Cancel is the CANCEL for this request (RFC 3261 §9.1).
func (s *Sent) Cancel() *Sent {
	c := *s
	c.Method = string(sip.CANCEL)
	c.Wire = s.follow("CANCEL", s.To)
	return &c
}

func (s *Sent) follow(method, to string) []byte {
	w := &bytes.Buffer{}
	w.Grow(384)
	w.WriteString(method + " " + s.URI + " " + Version + "\r\n")
	WriteHeader(w, "Via", s.Via)
	for _, r := range s.Routes {
		WriteHeader(w, "Route", r)
	}
	WriteHeader(w, "Max-Forwards", "70")
	WriteHeader(w, "From", s.From)
	WriteHeader(w, "To", to)
	WriteHeader(w, "Call-ID", s.CallID)
	WriteHeader(w, "CSeq", CSeq{s.CSeq, method}.String())
	w.WriteString("Content-Length: 0\r\n\r\n")
	return w.Bytes()
}

// Fixed writes an identifier of a length that does not depend on it: the size of a
// message must not change with what endpoints draw at random.
func Fixed(id uint64) string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, id))
}
