package sipmsg

import (
	"bytes"
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Why a datagram is not a message that anything can be done with. Read wraps them.
var (
	// ErrNotSIP: neither a request nor a response.
	ErrNotSIP = errors.New("sipmsg: not SIP")
	// ErrNoVia: a request without a Via to answer by.
	ErrNoVia = errors.New("sipmsg: no Via to answer by")
	// ErrResponse: a response that lacks or garbles what every response has. It is
	// discarded (RFC 3261 §18.1.2, §18.3): a response is never answered.
	ErrResponse = errors.New("sipmsg: malformed response")
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

// Fields are the header fields that every message has, as text.
type Fields struct {
	Vias     []string // every value, topmost first
	From, To string
	CallID   string
	CSeqText string
	CSeq     CSeq // zero if CSeqText makes no sense

	seen     uint8  // which of single
	repeated string // the first of them that occurs twice
	torn     bool   // a field value has a line end in it that is no folding
	emptyVia bool   // a Via without a value (RFC 3261 §25.1: at least one via-parm)
}

// single are the fields that occur once at most (RFC 3261 §7.3.1: only lists may be
// repeated), as far as every element reads them.
var single = [...]struct{ name, title string }{
	{"from", "From"}, {"to", "To"}, {"call-id", "Call-ID"}, {"cseq", "CSeq"},
	{"max-forwards", "Max-Forwards"}, {"content-length", "Content-Length"},
}

func (f *Fields) read(headers []sip.Header) {
	for _, h := range headers {
		name, v := Canonical(h.Name()), h.Value()
		f.torn = f.torn || hasLineEnd(v) || hasLineEnd(h.Name())
		f.once(name)
		switch name {
		case "via":
			before := len(f.Vias)
			f.Vias = SplitList(f.Vias, v)
			f.emptyVia = f.emptyVia || len(f.Vias) == before
		case "from":
			f.From = v
		case "to":
			f.To = v
		case "call-id":
			f.CallID = v
		case "cseq":
			f.CSeqText = v
		}
	}
	f.CSeq, _ = ParseCSeq(f.CSeqText)
}

func (f *Fields) once(name string) {
	for i := range single {
		if single[i].name != name {
			continue
		}
		if f.seen&(1<<i) != 0 && f.repeated == "" {
			f.repeated = single[i].title
		}
		f.seen |= 1 << i
	}
}

// missing names the first mandatory field that is absent or empty (RFC 3261 §8.1.1).
func (f *Fields) missing() string {
	switch {
	case f.From == "":
		return "From"
	case f.To == "":
		return "To"
	case f.CallID == "":
		return "Call-ID"
	case f.CSeqText == "":
		return "CSeq"
	}
	return ""
}

// Request is a request as it arrived, with what every element needs of it taken out. The
// fields From, To, CallID and CSeq hide the methods of the same name, which know typed
// header fields only; see Value, Values and Address for the others.
type Request struct {
	*sip.Request
	Fields
	URI     string         // the Request-URI as it arrived
	Source  netip.AddrPort // where it came from
	Top     Via            // the topmost Via
	Stamped string         // the topmost Via as it is passed on and sent back
	ReplyTo netip.AddrPort // where responses go (RFC 3261 §18.2.2, RFC 3581 §4)
	ByRport bool           // that was asked for by rport
	Fault   *Fault         // what makes it unfit to be served, or nil
}

// Response is a response as it arrived.
type Response struct {
	*sip.Response
	Fields
	Source netip.AddrPort
	Top    Via // the topmost Via
}

// Read reads one datagram: a *Request or a *Response, or an error that says why there is
// nothing to be done with it but to count it. A request that is not fit has a Fault to
// answer it with. Without regard to rport, responses go by the Via alone (RFC 3261 §18.2.2).
func Read(b []byte, from netip.AddrPort, ignoreRport bool) (any, error) {
	b = bytes.TrimLeft(b, "\r\n") // RFC 3261 §7.5 asks this of streams only; it costs nothing
	line, _, whole := bytes.Cut(b, []byte(crlf))
	if !whole {
		return nil, ErrNotSIP
	}
	start, ok := ParseStartLine(string(line))
	if word, _, _ := bytes.Cut(line, []byte("/")); start.Status != 0 || bytes.EqualFold(word, []byte("SIP")) {
		return readResponse(b, start, ok, from)
	}
	if !from.IsValid() || from.Port() == 0 {
		return nil, ErrNoVia
	}
	r, fault := parseRequest(b, line, start, ok)
	req := &Request{Request: r, URI: start.URI, Source: from}
	req.read(r.Headers())
	if len(req.Vias) == 0 {
		return nil, ErrNoVia
	}
	if req.Top, ok = ParseVia(req.Vias[0]); !ok {
		return nil, ErrNoVia
	}
	req.Stamped, req.ReplyTo, req.ByRport = req.Top.Stamp(from, ignoreRport)
	req.Fault = req.judge(start, fault)
	return req, nil
}

// parseRequest reads a request, or what can be read of it, with what is wrong if it is
// not whole.
func parseRequest(b, line []byte, start StartLine, ok bool) (*sip.Request, string) {
	uri, valid := ParseURI(start.URI)
	switch {
	case !ok:
		method, _, _ := bytes.Cut(line, []byte(" "))
		return salvage(b, string(method)), "Bad Request-Line"
	case !valid || len(uri.Headers) > 0: // RFC 3261 §19.1.1, table 1: no headers in a Request-URI
		return salvage(b, start.Method), "Bad Request-URI"
	}
	m, err := parser.ParseSIP(b)
	if m == nil { // the line is sound but not to sipgo's taste: a scheme, a version
		m, err = parser.ParseSIP(append([]byte(start.Method+" sip:x "+Version), b[len(line):]...))
	}
	r, isRequest := m.(*sip.Request)
	fault := ""
	switch {
	case isRequest && (errors.Is(err, sip.ErrParseReadBodyIncomplete) || errors.Is(err, sip.ErrMessageTooLarge)):
		fault = "Content-Length Beyond Datagram" // RFC 3261 §18.3
	case err == sip.ErrParseEOF:
		r, fault = salvage(b, start.Method), "Message Cut Short"
	case err != nil || !isRequest:
		r, fault = salvage(b, start.Method), "Not Understood"
	}
	r.Method, r.Recipient = sip.RequestMethod(start.Method), uri // sipgo makes methods upper case
	return r, fault
}

// salvage recovers the header fields of a request the parser refused, so that it can be
// answered. Lines without an end or a name are passed over.
func salvage(b []byte, method string) *sip.Request {
	r := sip.NewRequest(sip.RequestMethod(method), sip.Uri{})
	_, rest, _ := strings.Cut(string(b), crlf)
	for {
		line, more, whole := nextField(rest)
		if !whole || len(line) == 0 {
			return r
		}
		rest = more
		name, v, ok := strings.Cut(line, ":")
		if name = trim(name); ok && IsToken(name) && !strings.ContainsAny(line[:1], LWS) {
			r.AppendHeader(sip.NewHeader(name, unfold(trim(v))))
		}
	}
}

func readResponse(b []byte, start StartLine, ok bool, from netip.AddrPort) (any, error) {
	m, err := parser.ParseSIP(b)
	r, isResponse := m.(*sip.Response)
	if !ok || !isVersion2(start.Version) || !isResponse || err != nil {
		return nil, ErrResponse
	}
	res := &Response{Response: r, Source: from}
	res.read(r.Headers())
	if len(res.Vias) == 0 || res.missing() != "" || res.torn || res.emptyVia || res.repeated != "" || res.CSeq.Method == "" {
		return nil, ErrResponse
	}
	if res.Top, ok = ParseVia(res.Vias[0]); !ok {
		return nil, ErrResponse
	}
	return res, nil
}

func isVersion2(s string) bool { return strings.EqualFold(s, Version) } // RFC 3261 §7.1

// Value returns the first header field of a canonical name.
func (r *Request) Value(name string) (string, bool) { return value(r.Headers(), name) }

// Values returns all values of header fields that are comma-separated lists.
func (r *Request) Values(name string) []string { return values(r.Headers(), name) }

// Value returns the first header field of a canonical name.
func (r *Response) Value(name string) (string, bool) { return value(r.Headers(), name) }

// Values returns all values of header fields that are comma-separated lists.
func (r *Response) Values(name string) []string { return values(r.Headers(), name) }

func value(headers []sip.Header, name string) (string, bool) {
	for _, h := range headers {
		if Canonical(h.Name()) == name {
			return h.Value(), true
		}
	}
	return "", false
}

func values(headers []sip.Header, name string) []string {
	var list []string
	for _, h := range headers {
		if Canonical(h.Name()) == name {
			list = SplitList(list, h.Value())
		}
	}
	return list
}

// Key identifies the server transaction that a request of the method belongs to, if it is
// this one in all else (RFC 3261 §17.2.3): the INVITE of an ACK or CANCEL has the same.
func (r *Request) Key(method string) string {
	var b strings.Builder
	b.Grow(len(r.Top.Branch) + len(r.Top.Host) + len(method) + 8)
	if strings.HasPrefix(r.Top.Branch, MagicCookie) && len(r.Top.Branch) > len(MagicCookie) {
		b.WriteString(r.Top.Branch)
		b.WriteByte(' ')
		b.WriteString(strings.ToLower(r.Top.Host))
		b.WriteByte(' ')
		b.WriteString(strconv.Itoa(int(r.Top.Port)))
	} else {
		// A client of RFC 2543. The To tag is left out: an ACK carries the one of the response.
		for _, p := range []string{r.URI, TagOf(r.From), r.CallID, CSeq{Number: r.CSeq.Number}.String(), r.Vias[0]} {
			b.WriteString(p)
			b.WriteByte(' ')
		}
	}
	b.WriteByte(' ')
	b.WriteString(method)
	return b.String()
}

// ClientKey identifies the client transaction of a response (RFC 3261 §17.1.3).
func ClientKey(branch, method string) string { return branch + " " + method }
