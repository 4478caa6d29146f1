package sipprobe_test

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/natproof/natproof/internal/sipprobe"
)

var (
	server = netip.MustParseAddrPort("203.0.113.20:5060")
	other  = netip.MustParseAddrPort("203.0.113.20:5070")
	local  = netip.MustParseAddrPort("10.0.0.2:40123")
	public = netip.MustParseAddrPort("198.51.100.1:61234")
	seen   = sipprobe.Seen{Source: public, Server: server, Other: other}
)

func TestQuestionAndAnswer(t *testing.T) {
	for _, written := range []netip.AddrPort{local, netip.MustParseAddrPort("[2001:db8:1111:2222:3333:4444:5555:6666]:65000")} {
		for _, method := range []string{"OPTIONS", "REGISTER", "INVITE"} {
			q := sipprobe.Question{Method: method, Server: server, Written: written, Media: 40000, ID: "abcdefgh", Number: 1}.Bytes()
			if len(q) != sipprobe.Size || !sipprobe.Is(q) || sipprobe.WrongLength(q) {
				t.Errorf("%d bytes\n%s", len(q), q)
			}
			a, err := sipprobe.Answer(q, seen)
			if err != nil || sipprobe.Is(a) || sipprobe.WrongLength(a) {
				t.Fatalf("%v\n%s", err, a)
			}
			t.Logf("%s: %d bytes of answer", method, len(a))
			r, err := sipprobe.Read(a)
			if err != nil || !bytes.Equal(r.Question, q) || !bytes.Equal(r.Sent, a) || r.Seen != seen {
				t.Errorf("%v %+v", err, r)
			}
			if c := sipprobe.Compare(q, r.Question); c != nil {
				t.Error(c)
			}
			if !strings.Contains(string(a), ";received=198.51.100.1;rport=61234\r\n") {
				t.Errorf("%s", a)
			}
		}
	}
	ack := sipprobe.Question{Method: "ACK", Server: server, Written: local, ID: "x", Number: 1}.Bytes()
	if _, err := sipprobe.Answer(ack, seen); err == nil || !sipprobe.IsAck(ack) || !sipprobe.Is(ack) {
		t.Error("an ACK is answered")
	}
	if _, err := sipprobe.Answer([]byte("OPTIONS "+sipprobe.Mark), seen); !errors.Is(err, sipprobe.ErrTooLong) {
		t.Error(err)
	}
}

// What is changed on the way there and on the way back is told apart.
func TestCompare(t *testing.T) {
	q := sipprobe.Question{Method: "OPTIONS", Server: server, Written: local, Media: 40000, ID: "x", Number: 1}.Bytes()
	there := bytes.Replace(q, []byte("c=IN IP4 10.0.0.2"), []byte("c=IN IP4 198.51.100.1"), 1)
	there = bytes.Replace(there, []byte("Max-Forwards: 70\r\n"), []byte("Max-Forwards: 70\r\nX-ALG: yes\r\n"), 1)
	a, err := sipprobe.Answer(there, seen)
	if err != nil {
		t.Fatal(err)
	}
	back := bytes.Replace(a, []byte(";received=198.51.100.1;rport=61234"), []byte(";received=10.0.0.2;rport=40123"), 1)
	r, err := sipprobe.Read(back)
	if err != nil {
		t.Fatal(err)
	}
	if c := sipprobe.Compare(q, r.Question); len(c) != 2 || c[0] != (sipprobe.Change{Line: "x-alg", Arrived: "X-ALG: yes"}) ||
		c[1] != (sipprobe.Change{Line: "c=", Sent: "c=IN IP4 10.0.0.2", Arrived: "c=IN IP4 198.51.100.1"}) {
		t.Errorf("%+v", c)
	}
	if c := sipprobe.Compare(r.Sent, back); len(c) != 1 || c[0].Line != "Via" {
		t.Errorf("%+v", c)
	}
	if !sipprobe.WrongLength(there) {
		t.Error("the length is right")
	}
	if c := sipprobe.Compare([]byte("a\r\nb"), []byte("a\nb")); len(c) != 1 || c[0].Line != "line ends" {
		t.Error(c)
	}
	if _, err := sipprobe.Read(bytes.Replace(a, []byte("a=x-natproof:"), []byte("a=x-natproof:0"), 1)); !errors.Is(err, sipprobe.ErrAnswer) {
		t.Error(err)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, method := range []string{"OPTIONS", "REGISTER", "INVITE", "ACK"} {
		f.Add(sipprobe.Question{Method: method, Server: server, Written: local, Media: 40000, ID: "x", Number: 1}.Bytes())
	}
	f.Fuzz(func(t *testing.T, q []byte) {
		a, err := sipprobe.Answer(q, seen)
		if err != nil {
			return
		}
		if len(a) > len(q) {
			t.Fatalf("%d bytes to %d", len(a), len(q))
		}
		r, err := sipprobe.Read(a)
		if err != nil || !bytes.Equal(r.Question, q) || !bytes.Equal(r.Sent, a) || r.Seen != seen {
			if bytes.Contains(q, []byte("a=x-natproof:")) { // it takes the answer's word for its own
				return
			}
			t.Fatalf("%v\n%q\n%q\n%q", err, q, a, r.Sent)
		}
	})
}

func FuzzRead(f *testing.F) {
	q := sipprobe.Question{Method: "OPTIONS", Server: server, Written: local, Media: 40000, ID: "x", Number: 1}.Bytes()
	a, _ := sipprobe.Answer(q, seen)
	f.Add(q, a)
	f.Fuzz(func(t *testing.T, q, a []byte) {
		r, err := sipprobe.Read(a)
		if err == nil {
			sipprobe.Compare(r.Sent, a)
		}
		if c := sipprobe.Compare(q, a); (len(c) == 0) != bytes.Equal(q, a) {
			t.Errorf("%q %q: %v", q, a, c)
		}
		sipprobe.WrongLength(a)
	})
}
