package sipmsg

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/torture"
)

var from = netip.MustParseAddrPort("192.0.2.9:1024")

const sound = "OPTIONS sip:bob@192.0.2.1 SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;rport\r\n" +
	"Max-Forwards: 70\r\n" +
	"From: \"A\" <sip:a@example.com>;tag=f\r\n" +
	"To: <sip:bob@example.com>\r\n" +
	"Call-ID: c1\r\n" +
	"CSeq: 7 OPTIONS\r\n" +
	"Contact: <sip:a@10.0.0.1>\r\n" +
	"Content-Length: 4\r\n\r\nbody"

// change returns the sound request with one text replaced by another.
func change(t testing.TB, pairs ...string) string {
	t.Helper()
	s := sound
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(s, pairs[i]) {
			t.Fatalf("no %q", pairs[i])
		}
		s = strings.Replace(s, pairs[i], pairs[i+1], 1)
	}
	return s
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		reason string // "" is fit
		pairs  []string
	}{
		{"", nil},
		{"", []string{";tag=f", ""}},            // RFC 3261 §12.1.1
		{"", []string{";tag=f", " ;\ttag = f"}}, // §25.1
		{"", []string{"SIP/2.0\r\nVia", "sip/2.0\r\nVia"}},
		{"", []string{"OPTIONS sip", "Foo sip", "7 OPTIONS", "7 Foo"}},
		{"", []string{"sip:bob@192.0.2.1", "soap.beep://192.0.2.103:3002"}},
		{"", []string{"To: <sip:", "t:\r\n <sip:"}},
		{"", []string{"Content-Length: 4\r\n", ""}},
		{"", []string{"Via: SIP", "\r\n Via: SIP"}[:0]},
		{"505 Version Not Supported", []string{"SIP/2.0\r\nVia", "SIP/7.0\r\nVia"}},
		{"Bad Request-Line", []string{"OPTIONS sip", "OPTIONS  sip"}},
		{"Bad Request-Line", []string{"SIP/2.0\r\nVia", "SIP/2.0 \r\nVia"}},
		{"Bad Request-Line", []string{" SIP/2.0\r\nVia", "\r\nVia"}},
		{"Bad Request-Line", []string{"SIP/2.0\r\nVia", "HTTP/1.1\r\nVia"}},
		{"Bad Request-Line", []string{"OPTIONS sip", "OPT@ONS sip"}},
		{"Bad Request-URI", []string{"sip:bob@192.0.2.1", "<sip:bob@192.0.2.1>"}},
		{"Bad Request-URI", []string{"sip:bob@192.0.2.1", "sip:bob@192.0.2.1?Route=x"}},
		{"Bad Request-URI", []string{"sip:bob@192.0.2.1", "sip:bob@192.0.2.1:99999"}},
		{"Bad Request-URI", []string{"sip:bob@192.0.2.1", "*"}},
		{"Bad Request-URI", []string{"sip:bob@192.0.2.1", "bob"}},
		{"Missing From", []string{"From:", "X:"}},
		{"Missing To", []string{"To:", "X:"}},
		{"Missing Call-ID", []string{"Call-ID:", "X:"}},
		{"Missing Call-ID", []string{"Call-ID: c1", "Call-ID:"}},
		{"Missing CSeq", []string{"CSeq:", "X:"}},
		{"Bad CSeq", []string{"7 OPTIONS", "99999999999 OPTIONS"}},
		{"CSeq Names Another Method", []string{"7 OPTIONS", "7 Options"}},
		{"Repeated From", []string{"To:", "f: <sip:a@example.com>;tag=f\r\nTo:"}},
		{"Repeated To", []string{"From:", "To: <sip:x@example.com>\r\nFrom:"}},
		{"Repeated Call-ID", []string{"From:", "i: c1\r\nFrom:"}},
		{"Repeated CSeq", []string{"From:", "CSeq: 7 OPTIONS\r\nFrom:"}},
		{"Repeated Max-Forwards", []string{"From:", "Max-Forwards: 70\r\nFrom:"}},
		{"Repeated Content-Length", []string{"From:", "l: 4\r\nFrom:"}},
		{"Bare Line Feed", []string{"c1", "c\n1"}},
		{"Not Understood", []string{"c1", "c\r1"}},
		{"Not Understood", []string{"Length: 4", "Length: -4"}},
		{"Not Understood", []string{"From:", "nonsense\r\nFrom:"}},
		{"Content-Length Beyond Datagram", []string{"Length: 4", "Length: 5"}},
		{"Content-Length Beyond Datagram", []string{"Length: 4", "Length: 99999"}},
		{"Message Cut Short", []string{"\r\n\r\nbody", ""}},
		{"Empty Via", []string{"Max-", "v:\r\nMax-"}},
		{"Empty Via", []string{"Via:", "v: ,\r\nVia:"}},
		{"Bad Via", []string{"Max-", "Via: nonsense\r\nMax-"}},
		{"Bad From", []string{"\"A\" <sip:a", "\"A <sip:a"}},
		{"Bad To", []string{"<sip:bob@example.com>", "<sip:bob@example.com"}},
		{"Bad Max-Forwards", []string{"Forwards: 70", "Forwards: 300"}},
	} {
		text := change(t, c.pairs...)
		m, err := Read([]byte(text), from, false)
		r, ok := m.(*Request)
		if !ok {
			t.Errorf("%s: %v\n%s", c.reason, err, text)
			continue
		}
		got := ""
		if r.Fault != nil {
			got = r.Fault.Reason
			if r.Fault.Code == 505 {
				got = "505 " + got
			}
		}
		if got != c.reason {
			t.Errorf("%q, want %q\n%s", got, c.reason, text)
		}
		if r.ReplyTo != from || !r.Answerable() {
			t.Errorf("answered to %v\n%s", r.ReplyTo, text)
		}
		if res := string(r.Respond(400, "", "", nil)); strings.ContainsAny(strings.ReplaceAll(res, "\r\n", ""), "\r\n") {
			t.Errorf("answered by a torn %q", res)
		}
	}
}

func TestUnreadable(t *testing.T) {
	response := strings.Replace(sound, "OPTIONS sip:bob@192.0.2.1 SIP/2.0", "SIP/2.0 200 OK", 1)
	for _, c := range []struct {
		text string
		want error
	}{
		{"", ErrNotSIP}, {"x", ErrNotSIP}, {"GET / HTTP/1.1\r\n\r\n", ErrNoVia},
		{change(t, "Via:", "X:"), ErrNoVia}, {change(t, "SIP/2.0/UDP", "1.1"), ErrNoVia}, {sound[:60], ErrNoVia},
		{response, nil},
		{strings.Replace(response, "200 OK", "200", 1), ErrResponse},
		{strings.Replace(response, "200 OK", "99 OK", 1), ErrResponse},
		{strings.Replace(response, "SIP/2.0 200", "SIP/3.0 200", 1), ErrResponse},
		{strings.Replace(response, "SIP/2.0 200", "SIP/x 200", 1), ErrResponse},
		{strings.Replace(response, "Length: 4", "Length: 5", 1), ErrResponse},
		{strings.Replace(response, "Via:", "v:\r\nVia:", 1), ErrResponse},
		{strings.Replace(response, "To:", "t: <sip:x@y>\r\nTo:", 1), ErrResponse},
		{strings.Replace(response, "7 OPTIONS", "x OPTIONS", 1), ErrResponse},
		{strings.Replace(response, "From:", "X:", 1), ErrResponse},
	} {
		if _, err := Read([]byte(c.text), from, false); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v\n%s", err, c.want, c.text)
		}
	}
}

// An ACK is never answered, be its line as broken as it likes.
func TestAnswerable(t *testing.T) {
	for _, line := range []string{"ACK sip:bob@192.0.2.1 SIP/2.0", "ACK  sip:bob@192.0.2.1 SIP/2.0", "A CK sip:bob SIP/2.0"} {
		m, _ := Read([]byte(change(t, "OPTIONS sip:bob@192.0.2.1 SIP/2.0", line, "7 OPTIONS", "7 ACK")), from, false)
		if m.(*Request).Answerable() {
			t.Errorf("%q would be answered", line)
		}
	}
}

func TestRespond(t *testing.T) {
	text := change(t, "OPTIONS sip", "INVITE sip", "7 OPTIONS", "7 INVITE", "Max-", "Via: a/b/c d;branch=1, a/b/c e\r\nRecord-Route: <sip:p;lr>, <sip:q;lr>\r\nTimestamp: 5\r\nMax-")
	m, err := Read([]byte(text), from, false)
	if err != nil {
		t.Fatal(err)
	}
	r := m.(*Request)
	vias := "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;rport=1024;received=192.0.2.9\r\nVia: a/b/c d;branch=1\r\nVia: a/b/c e\r\n"
	rest := "Call-ID: c1\r\nCSeq: 7 INVITE\r\n"
	for _, c := range []struct {
		code int
		want string
	}{
		{100, "SIP/2.0 100 R\r\n" + vias + "From: \"A\" <sip:a@example.com>;tag=f\r\nTo: <sip:bob@example.com>\r\n" + rest + "Timestamp: 5\r\nX: y\r\nContent-Length: 2\r\n\r\nhi"},
		{200, "SIP/2.0 200 R\r\n" + vias + "Record-Route: <sip:p;lr>\r\nRecord-Route: <sip:q;lr>\r\nFrom: \"A\" <sip:a@example.com>;tag=f\r\nTo: <sip:bob@example.com>;tag=g\r\n" + rest + "X: y\r\nContent-Length: 2\r\n\r\nhi"},
		{404, "SIP/2.0 404 R\r\n" + vias + "From: \"A\" <sip:a@example.com>;tag=f\r\nTo: <sip:bob@example.com>;tag=g\r\n" + rest + "X: y\r\nContent-Length: 2\r\n\r\nhi"},
	} {
		if got := string(r.Respond(c.code, "R", "g", []byte("hi"), Header{"X", "y"})); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestSent(t *testing.T) {
	req, err := sip.ParseMessage([]byte(change(t, "OPTIONS sip", "INVITE sip", "7 OPTIONS", "7 INVITE", "Max-", "Route: <sip:p;lr>\r\nMax-")))
	if err != nil {
		t.Fatal(err)
	}
	s := NewSent(req.(*sip.Request))
	want := "ACK sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;rport\r\nRoute: <sip:p;lr>\r\nMax-Forwards: 70\r\n" +
		"From: \"A\" <sip:a@example.com>;tag=f\r\nTo: <sip:bob@example.com>;tag=g\r\nCall-ID: c1\r\nCSeq: 7 ACK\r\nContent-Length: 0\r\n\r\n"
	if got := string(s.Ack("<sip:bob@example.com>;tag=g")); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	want = strings.NewReplacer("ACK", "CANCEL", ";tag=g", "").Replace(want)
	if c := s.Cancel(); string(c.Wire) != want || c.Method != "CANCEL" {
		t.Errorf("got\n%s\nwant\n%s", c.Wire, want)
	}
}

func TestCapabilities(t *testing.T) {
	read := func(extra string) *Request {
		m, err := Read([]byte(change(t, "Max-", extra+"Max-")), from, false)
		if err != nil {
			t.Fatal(err)
		}
		return m.(*Request)
	}
	for accept, want := range map[string]bool{
		"": true, "Accept: application/sdp\r\n": true, "Accept: text/plain, Application/SDP;level=1\r\n": true, "Accept: application/*\r\n": true,
		"Accept: text/plain\r\nAccept: */*;q=0.1\r\n": true, "Accept:\r\n": false, "Accept: text/plain\r\n": false, "Accept: application/sdp;q=0.0\r\n": false,
	} {
		if got := read(accept).Accepts("application/sdp"); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
	r := read("Require: a, Path\r\nk: x\r\nRequire: b\r\nc: Application/SDP; x=y\r\nm: *\r\nExpires: 1\r\nExpires: 1\r\nRoute: <sip:a>, nonsense\r\nContent-Encoding: gzip\r\n")
	if got := strings.Join(r.Unsupported("require", "path"), " "); got != "a b" {
		t.Error(got)
	}
	if got := r.MediaType(); got != "application/sdp" {
		t.Error(got)
	}
	if got := r.Repeats("content-type", "expires"); got != "expires" {
		t.Error(got)
	}
	if got := r.Malformed("record-route", "route"); got != "route" {
		t.Error(got)
	}
	if !r.Encoded() || read("").Encoded() || read("e: identity\r\n").Encoded() {
		t.Error("encoding")
	}
}

func TestPeek(t *testing.T) {
	response := strings.Replace(sound, "OPTIONS sip:bob@192.0.2.1 SIP/2.0", "SIP/2.0 200 OK", 1)
	for _, text := range []string{sound, response} {
		b, ok := Peek([]byte(text))
		if !ok || b.Cut || b.Names() != "OPTIONS" || b.CallID != "c1" || b.FromTag != "f" || b.ToTag != "" || b.CSeq.Number != 7 ||
			b.Via != "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;rport" || b.Contact != "<sip:a@10.0.0.1>" || string(b.Body) != "body" {
			t.Errorf("%+v", b)
		}
		// However it is cut, what is read of it is not.
		for i := range text {
			c, ok := Peek([]byte(text[:i]))
			if ok != (i >= strings.Index(text, "\n")+1) {
				t.Errorf("%v: %q", ok, text[:i])
			}
			for _, p := range [][2]string{{c.CallID, b.CallID}, {c.FromTag, b.FromTag}, {c.Via, b.Via}, {c.CSeq.Method, b.CSeq.Method}, {c.Contact, b.Contact}} {
				if p[0] != "" && p[0] != p[1] {
					t.Errorf("%q of %q in %q", p[0], p[1], text[:i])
				}
			}
			if ok && !c.Cut {
				t.Errorf("not cut: %q", text[:i])
			}
		}
	}
	for _, no := range []string{"", "\x80\x00rtp", "GET / HTTP/1.1\r\n\r\n", "OPTIONS sip:a SIP/2.0", "\x00\x00\x00\x00"} {
		if b, ok := Peek([]byte(no)); ok {
			t.Errorf("%q: %+v", no, b)
		}
	}
	if b, _ := Peek([]byte(change(t, "From: \"A\"", "f: \"A;tag=no\"\r\n", "c1", "c1\r\nCall-ID: c2"))); b.FromTag != "f" || b.CallID != "c1" {
		t.Errorf("%+v", b)
	}
}

// seeds are the torture messages of RFC 4475 and some of our own.
func seeds(f *testing.F) {
	for _, m := range torture.Messages() {
		f.Add(m.Data)
	}
	for _, s := range []string{
		sound, change(f, "OPTIONS sip", "OPTIONS  sip"), change(f, "c1", "c\r\n  1"), change(f, "SIP/2.0\r\nVia", "SIP/7.0\r\nVia"),
		strings.Replace(sound, "OPTIONS sip:bob@192.0.2.1 SIP/2.0", "SIP/2.0 200 OK", 1), "\r\n\r\n", "\x00\x01\x00\x00\x21\x12\xa4\x42............",
		"OPTIONS sip:user@eXAmple.Com SIP/2.0\r\nT::00\r\nF:<:00>000000\r\nCAll-ID:0\r\nCSeq:0 OPTIONS\r\nV:\r\nV://0 0\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
}

// FuzzRead checks that a datagram is one thing, that a request is answered to its source
// alone by something that is a response, and that Peek agrees with Read.
func FuzzRead(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		KindOf(data)
		brief, peeked := Peek(data)
		m, err := Read(data, from, false)
		switch m := m.(type) {
		case *Request:
			if m.ReplyTo.Addr() != from.Addr() || m.ReplyTo.Port() == 0 {
				t.Errorf("answered to %v", m.ReplyTo)
			}
			if v, ok := ParseVia(m.Stamped); !ok || !v.SameSentBy(&m.Top) || v.Branch != m.Top.Branch {
				t.Errorf("%q stamped is %q", m.Vias[0], m.Stamped)
			}
			code, reason := 200, "OK"
			if m.Fault != nil {
				code, reason = m.Fault.Code, m.Fault.Reason
			} else if !peeked || brief.Method != string(m.Method) || brief.CallID != m.CallID || brief.FromTag != TagOf(m.From) || brief.CSeq != m.CSeq {
				t.Errorf("Peek %v %+v, Read %q %q %q", peeked, brief, m.Method, m.CallID, m.From)
			}
			answer := m.Respond(code, reason, "tag", nil)
			res, err := Read(answer, from, false)
			if m.Fault == nil {
				if r, ok := res.(*Response); !ok || err != nil || r.Top.Branch != m.Top.Branch || r.CallID != m.CallID {
					t.Errorf("%v: the answer is no response\n%q", err, answer)
				}
			} else if _, isRequest := res.(*Request); isRequest || bytes.Contains(answer, []byte("\n\r\n\r\n\r\n")) {
				t.Errorf("the answer reads as something else\n%q", answer)
			}
			m.Key("INVITE")
			m.Accepts("application/sdp")
			m.Malformed("contact", "route", "record-route")
		case *Response:
			if !peeked || brief.Status != m.StatusCode || brief.CSeq != m.CSeq {
				t.Errorf("Peek %v %+v, Read %d %v", peeked, brief, m.StatusCode, m.CSeq)
			}
		default:
			if err == nil {
				t.Error("no outcome")
			}
		}
	})
}

// FuzzText checks that the pieces a value is taken apart into are pieces of it, and that
// stamping is stable.
func FuzzText(f *testing.F) {
	for _, s := range []string{
		"SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;rport;received=1.2.3.4", "SIP / 2.0 / UDP [::1] ; a = \"b;c\"",
		`"A, <b>" <sip:a@b;alias=1.2.3.4~5~1?x=y>;q=1;expires=3`, "sip:a@b;tag=1", "<sip:a>, <sip:b>", `"\"<`, ",,;;==<<>>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		SplitList(nil, s)
		if uri, _, at, ok := SplitAddress(s); ok && s[at:at+len(uri)] != uri {
			t.Errorf("URI %q is not at %d of %q", uri, at, s)
		}
		if a, ok := ParseAddress(s); ok {
			a.Param("tag")
		}
		if v, ok := ParseVia(s); ok {
			stamped, to, _ := v.Stamp(from, false)
			if to.Addr() != from.Addr() || to.Port() == 0 {
				t.Errorf("response to %v", to)
			}
			again, ok := ParseVia(stamped)
			if !ok || again.Host != v.Host || again.Port != v.Port || again.Branch != v.Branch {
				t.Errorf("%q stamped is %q", s, stamped)
			}
		}
		if u, ok := ParseURI(s); ok {
			Resolve(&u)
		}
		EqualURI(s, s+";x")
		ParseCSeq(s)
		ParseStartLine(s)
	})
}
