package sipalg

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var flow = Flow{
	Internal: netip.MustParseAddrPort("10.0.0.2:5060"),
	External: netip.MustParseAddrPort("198.51.100.1:40001"),
	Remote:   netip.MustParseAddrPort("203.0.113.20:5060"),
	Media: func(internal netip.AddrPort) (netip.AddrPort, bool) {
		return netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), internal.Port()+10000), true
	},
}

const sdp = "v=0\r\n" +
	"o=alice 1 1 IN IP4 10.0.0.2\r\n" +
	"s=-\r\n" +
	"c=IN IP4 10.0.0.2\r\n" +
	"t=0 0\r\n" +
	"m=audio 4000 RTP/AVP 0\r\n" +
	"a=rtcp:4001 IN IP4 10.0.0.2\r\n"

// invite returns a message with a right Content-Length.
func invite(contact, body string) []byte {
	return []byte("INVITE sip:bob@203.0.113.20 SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP 10.0.0.2:5060;rport;branch=z9hG4bK10.0.0.2\r\n" +
		"From: <sip:alice@10.0.0.2>;tag=1\r\n" +
		"To: <sip:bob@203.0.113.20>\r\n" +
		"Call-ID: 17@10.0.0.2\r\n" +
		"CSeq: 1 INVITE\r\n" +
		"m: <sip:alice@" + contact + ">\r\n" +
		"Content-Type: application/sdp\r\n" +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// line returns the first line with a prefix.
func line(t *testing.T, message []byte, prefix string) string {
	t.Helper()
	for l := range strings.SplitSeq(string(message), "\r\n") {
		if strings.HasPrefix(l, prefix) {
			return l
		}
	}
	t.Fatalf("no line %q in\n%s", prefix, message)
	return ""
}

func lengths(message []byte) (said, is int) {
	head, body, _ := bytes.Cut(message, blankLine)
	for l := range strings.SplitSeq(string(head), "\r\n") {
		if v, ok := strings.CutPrefix(l, "Content-Length: "); ok {
			said, _ = strconv.Atoi(v)
		}
	}
	return said, len(body)
}

func TestFullRewritesEverything(t *testing.T) {
	got := ALG{}.Outbound(invite("10.0.0.2", sdp), flow)
	for prefix, want := range map[string]string{
		"Via:":    "Via: SIP/2.0/UDP 198.51.100.1:40001;rport;branch=z9hG4bK10.0.0.2",
		"m: <":    "m: <sip:alice@198.51.100.1:40001>",
		"From:":   "From: <sip:alice@10.0.0.2>;tag=1",
		"Call-ID": "Call-ID: 17@10.0.0.2",
		"o=":      "o=alice 1 1 IN IP4 198.51.100.1",
		"c=":      "c=IN IP4 198.51.100.1",
		"m=":      "m=audio 14000 RTP/AVP 0",
		"a=rtcp":  "a=rtcp:14001 IN IP4 198.51.100.1",
	} {
		if l := line(t, got, prefix); l != want {
			t.Errorf("got  %s\nwant %s", l, want)
		}
	}
	if said, is := lengths(got); said != is {
		t.Errorf("Content-Length %d of a body of %d", said, is)
	}
}

// TestLinux pins what was measured on nf_nat_sip.
func TestLinux(t *testing.T) {
	alg, err := Named("linux")
	if err != nil {
		t.Fatal(err)
	}
	got := alg.Outbound(invite("10.0.0.2:5060", sdp), flow)
	if l := line(t, got, "a=rtcp"); l != "a=rtcp:4001 IN IP4 10.0.0.2" {
		t.Error(l)
	}
	if l := line(t, got, "c="); l != "c=IN IP4 198.51.100.1" {
		t.Error(l)
	}
	if said, is := lengths(got); said != is {
		t.Errorf("Content-Length %d of a body of %d", said, is)
	}
	response := []byte("SIP/2.0 200 OK\r\n" +
		"CSeq: 1 REGISTER\r\n" +
		"Via: SIP/2.0/UDP 198.51.100.1:40001;branch=z;received=198.51.100.1;rport=40001\r\n" +
		"Contact: <sip:alice@198.51.100.1:40001>\r\n\r\n")
	got = alg.Inbound(response, flow)
	if l := line(t, got, "Via"); l != "Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z;received=10.0.0.2;rport=5060" {
		t.Error(l)
	}
	if l := line(t, got, "Contact"); l != "Contact: <sip:alice@10.0.0.2:5060>" {
		t.Error(l)
	}
	public := invite("198.51.100.1:40001", "")
	if l := line(t, alg.Outbound(public, flow), "m: <"); l != "m: <sip:alice@198.51.100.1:40001>" {
		t.Errorf("a public contact did not stay: %s", l)
	}
}

func TestStaleLength(t *testing.T) {
	alg, _ := Named("stale-length")
	if said, is := lengths(alg.Outbound(invite("10.0.0.2", sdp), flow)); said == is || said != len(sdp) {
		t.Errorf("Content-Length %d of a body of %d", said, is)
	}
}

func TestDoubleRewritesPublicAddresses(t *testing.T) {
	alg, _ := Named("double")
	body := strings.ReplaceAll(sdp, "10.0.0.2", "198.51.100.1")
	got := alg.Outbound(invite("198.51.100.1:40001", body), flow)
	if l := line(t, got, "m: <"); l != "m: <sip:alice@198.51.100.1:50001>" {
		t.Error(l)
	}
	if l := line(t, got, "m=audio"); l != "m=audio 14000 RTP/AVP 0" {
		t.Error(l)
	}
}

func TestActsOnPort5060Alone(t *testing.T) {
	other := flow
	other.Internal = netip.MustParseAddrPort("10.0.0.2:5070")
	other.Remote = netip.MustParseAddrPort("203.0.113.20:5080")
	message := invite("10.0.0.2:5070", sdp)
	if got := (ALG{}).Outbound(message, other); !bytes.Equal(got, message) {
		t.Error("rewritten on other ports")
	}
	if got := (ALG{AnyPort: true}).Outbound(message, other); bytes.Equal(got, message) {
		t.Error("not rewritten on any port")
	}
}

func TestRequestURIComesBack(t *testing.T) {
	got := ALG{}.Inbound([]byte("BYE sip:alice@198.51.100.1:40001 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.20\r\n\r\n"), flow)
	if l := line(t, got, "BYE"); l != "BYE sip:alice@10.0.0.2:5060 SIP/2.0" {
		t.Error(l)
	}
}

func TestLeavesTheRestAlone(t *testing.T) {
	for _, s := range []string{
		"", "\r\n\r\n", "\x00\x00\x00\x00", "\x00\x01\x00\x00\x21\x12\xa4\x42",
		"GET / HTTP/1.1\r\nHost: 10.0.0.2\r\n\r\n",
		"INVITE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060",
	} {
		if got := (ALG{}).Outbound([]byte(s), flow); string(got) != s {
			t.Errorf("%q became %q", s, got)
		}
	}
	if message := invite("203.0.113.9", "x"); !bytes.Contains(ALG{}.Outbound(message, flow), []byte("203.0.113.9")) {
		t.Error("another host's address was rewritten")
	}
	refused := strings.ReplaceAll(sdp, "m=audio 4000", "m=audio 0")
	if l := line(t, ALG{}.Outbound(invite("10.0.0.2", refused), flow), "m=audio"); l != "m=audio 0 RTP/AVP 0" {
		t.Error(l)
	}
}

func TestNames(t *testing.T) {
	if !slices.Contains(Names(), "linux") {
		t.Error(Names())
	}
	for _, n := range Names() {
		if _, err := Named(n); err != nil {
			t.Errorf("%s: %v", n, err)
		}
	}
	if _, err := Named("sonicwall"); !errors.Is(err, ErrUnknownName) {
		t.Error(err)
	}
}

// FuzzRewrite looks for panics, and for a Content-Length that was right before and is
// wrong after.
func FuzzRewrite(f *testing.F) {
	f.Add(invite("10.0.0.2", sdp))
	f.Add([]byte("SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 198.51.100.1:40001;received=198.51.100.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		for _, v := range variants {
			watched := flow
			watched.Gate, watched.Session = &gate{port: 4000}, new(Session)
			v.alg.Inbound(b, watched)
			v.alg.Outbound(b, watched)
			v.alg.Inbound(b, flow)
			got := v.alg.Outbound(b, flow)
			said, is := lengths(b)
			if nowSaid, nowIs := lengths(got); said == is && said > 0 && !v.alg.StaleLength && !v.alg.Linux && bytes.Count(b, []byte("Content-Length")) == 1 && nowSaid != nowIs {
				t.Errorf("%s: Content-Length %d of a body of %d in %q", v.name, nowSaid, nowIs, got)
			}
		}
		if !bytes.Equal(b, before) {
			t.Error("the payload was written to")
		}
	})
}

func TestChanges(t *testing.T) {
	before := invite("10.0.0.2", sdp)
	after := ALG{}.Outbound(before, flow)
	want := []string{"Via", "Contact", "Content-Length", "o=", "c=", "m=", "a=rtcp"}
	if got := Changes(before, after); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Changes(before, before); got != nil {
		t.Errorf("nothing changed, and it says %q", got)
	}
	request := []byte("BYE sip:alice@198.51.100.1:40001 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.20\r\n\r\n")
	if got := Changes(request, ALG{}.Inbound(request, flow)); !slices.Equal(got, []string{"the request line"}) {
		t.Errorf("got %q", got)
	}
}

// What the double ALG takes for private is public; a=rtcp fares as m= does.
func TestDoubleRewritesRTCPToo(t *testing.T) {
	public := strings.ReplaceAll(sdp, "10.0.0.2", "198.51.100.1")
	got := ALG{Double: true}.Outbound(invite("198.51.100.1:40001", public), flow)
	if l := line(t, got, "a=rtcp"); l != "a=rtcp:14001 IN IP4 198.51.100.1" {
		t.Error(l)
	}
}
