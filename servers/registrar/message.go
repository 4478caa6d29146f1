package registrar

import (
	"errors"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// parser leaves every header field but Content-Length as text: a proxy passes on what is
// not its own exactly as it came, and answers a bad field instead of losing the message.
var parser = func() *sip.Parser {
	all := sip.DefaultHeadersParser()
	return sip.NewParser(sip.WithHeadersParsers(map[string]sip.HeaderParser{
		"content-length": all["content-length"],
		"l":              all["content-length"],
	}))
}()

var errContentLength = errors.New("Content-Length beyond the datagram")

// parse understands one datagram. With errContentLength the message is otherwise whole.
func parse(b []byte) (sip.Message, error) {
	m, err := parser.ParseSIP(b)
	if m != nil && (errors.Is(err, sip.ErrParseReadBodyIncomplete) || errors.Is(err, sip.ErrMessageTooLarge)) {
		return m, errContentLength
	}
	return m, err
}

// fields are the header fields the server itself needs, as text.
type fields struct {
	via       []string // every value, topmost first
	from, to  string
	callID    string
	cseq      string
	bodySizes []string // every Content-Length
	repeated  string   // name of a field that may occur once and did not
	torn      bool     // a field value has a line feed in it that is no folding
	emptyVia  bool     // a Via without a value (RFC 3261 §25.1: at least one via-parm)
}

func (f *fields) read(headers []sip.Header) {
	for _, h := range headers {
		v := h.Value()
		f.torn = f.torn || strings.Contains(v, "\n")
		switch canonical(h.Name()) {
		case "via":
			before := len(f.via)
			f.via = splitList(f.via, v)
			f.emptyVia = f.emptyVia || len(f.via) == before
		case "from":
			f.once(&f.from, v, "From")
		case "to":
			f.once(&f.to, v, "To")
		case "call-id":
			f.once(&f.callID, v, "Call-ID")
		case "cseq":
			f.once(&f.cseq, v, "CSeq")
		case "content-length":
			f.bodySizes = append(f.bodySizes, v)
		}
	}
}

func (f *fields) once(dst *string, v, name string) {
	if *dst != "" {
		f.repeated = name
	}
	*dst = v
}

// missing names the first mandatory field that is absent or unreadable (RFC 3261 §8.1.1).
func (f *fields) missing() string {
	for _, m := range []struct{ v, name string }{
		{f.from, "From"}, {f.to, "To"}, {f.callID, "Call-ID"}, {f.cseq, "CSeq"},
	} {
		if m.v == "" {
			return m.name
		}
	}
	return ""
}

func tagOf(address string) string {
	_, params, _, _ := splitAddress(address)
	tag, _ := param(params, "tag")
	return tag
}

// request is a request as it arrived, with what the server needs of it taken out.
type request struct {
	*sip.Request
	fields
	source  netip.AddrPort
	top     via
	stamped string         // the top Via as it is passed on and sent back
	replyTo netip.AddrPort // where responses go
	replyBy Cause
	seq     uint32
	uriText string // the Request-URI as it arrived

	// Routing state, see preprocess.
	uri    sip.Uri // the Request-URI to route by
	routes []string
	dialog bool // belongs to a dialog this server put itself into with Record-Route
}

// newRequest returns nil when r has no Via to answer by.
func newRequest(r *sip.Request, from netip.AddrPort, ignoreRport bool) *request {
	req := &request{Request: r, source: from}
	req.read(r.Headers())
	if len(req.via) == 0 {
		return nil
	}
	var ok bool
	if req.top, ok = parseVia(req.via[0]); !ok {
		return nil
	}
	req.stamped, req.replyTo, req.replyBy = req.top.stamp(from, ignoreRport)
	req.seq, _, _ = parseCSeq(req.cseq)
	req.uri = r.Recipient
	req.uriText = r.Recipient.String()
	return req
}

// defect says what makes the request unacceptable, or "".
func (r *request) defect() string {
	if m := r.missing(); m != "" {
		return "Missing " + m
	}
	if r.torn {
		return "Bare Line Feed"
	}
	if r.emptyVia {
		return "Empty Via"
	}
	if r.repeated != "" {
		return "Repeated " + r.repeated
	}
	for _, v := range r.bodySizes[min(1, len(r.bodySizes)):] {
		if v != r.bodySizes[0] {
			return "Contradicting Content-Length"
		}
	}
	_, method, ok := parseCSeq(r.cseq)
	if !ok {
		return "Bad CSeq"
	}
	if !strings.EqualFold(method, string(r.Method)) {
		return "CSeq Names Another Method" // RFC 3261 §8.1.1.5
	}
	for _, a := range []struct{ v, name string }{{r.from, "From"}, {r.to, "To"}} {
		uri, _, _, ok := splitAddress(a.v)
		if _, valid := parseURI(uri); !ok || !valid {
			return "Bad " + a.name
		}
	}
	// RFC 3261 §19.1.1, table 1: no headers in a Request-URI.
	if u, ok := parseURI(r.uriText); !ok || len(u.Headers) > 0 {
		return "Bad Request-URI"
	}
	for _, v := range r.via {
		if _, ok := parseVia(v); !ok {
			return "Bad Via"
		}
	}
	if mf, ok := r.value("max-forwards"); ok {
		if _, err := strconv.ParseUint(mf, 10, 8); err != nil { // RFC 3261 §20.22: 0 to 255
			return "Bad Max-Forwards"
		}
	}
	return ""
}

// value returns a header field by its canonical name.
func (r *request) value(name string) (string, bool) { return headerValue(r.Headers(), name) }

// list returns all values of a header field that is a comma-separated list.
func (r *request) list(name string) []string { return headerList(r.Headers(), name) }

func headerValue(headers []sip.Header, name string) (string, bool) {
	for _, h := range headers {
		if canonical(h.Name()) == name {
			return h.Value(), true
		}
	}
	return "", false
}

func headerList(headers []sip.Header, name string) []string {
	var values []string
	for _, h := range headers {
		if canonical(h.Name()) == name {
			values = splitList(values, h.Value())
		}
	}
	return values
}

// otherVias writes what a Via header field holds beside its first value.
func otherVias(w io.StringWriter, value string) {
	for i, v := range splitList(nil, value) {
		if i > 0 {
			writeHeader(w, "Via", v)
		}
	}
}

// response is a response as it arrived from downstream.
type response struct {
	*sip.Response
	fields
	source netip.AddrPort
	method string // from CSeq
	branch string // of the top Via
}

// salvage recovers enough of a request the parser refused to answer it with 400, or nil.
func salvage(b []byte) *sip.Request {
	line, rest, ok := strings.Cut(string(b), "\r\n")
	words := strings.Fields(line)
	if !ok || len(words) < 3 || !strings.HasPrefix(words[len(words)-1], "SIP/") {
		return nil
	}
	r := sip.NewRequest(sip.RequestMethod(words[0]), sip.Uri{})
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\r\n")
		if line == "" {
			return r
		}
		if name, v, ok := strings.Cut(line, ":"); ok && !strings.ContainsAny(line[:1], lws) {
			r.AppendHeader(sip.NewHeader(strings.Trim(name, lws), strings.Trim(v, lws)))
		}
	}
	return r
}

// writeHeader writes one header line.
func writeHeader(w io.StringWriter, name, value string) {
	w.WriteString(name)
	w.WriteString(": ")
	w.WriteString(value)
	w.WriteString("\r\n")
}
