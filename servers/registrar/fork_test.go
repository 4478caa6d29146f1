package registrar

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// fork registers three phones for bob with the q values given.
func (l *lab) fork(q ...string) []*phone {
	var phones []*phone
	for i, v := range q {
		p := l.phone("bob", fmt.Sprintf("198.51.100.2:%d", 5061+i))
		p.sendRegister("Contact: <"+p.contact+">;q="+v, fmt.Sprintf("Call-ID: reg%d", i))
		p.response(200)
		phones = append(phones, p)
	}
	return phones
}

func TestForkParallel(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice := l.phone("alice", "198.51.100.1:5060")
		b := l.fork("1", "1", "1")
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		in := []*message{b[0].request("INVITE"), b[1].request("INVITE"), b[2].request("INVITE")}
		b[0].reply(in[0], 180, "Ringing")
		b[1].reply(in[1], 180, "Ringing")
		alice.response(180)
		alice.response(180)
		b[0].reply(in[0], 486, "Busy Here")
		b[0].request("ACK")
		alice.quiet() // not while others may still answer
		b[1].ok(in[1])
		ok := alice.response(200)
		// The third has not said a word: its CANCEL waits for that (RFC 3261 §9.1).
		b[2].quiet()
		b[2].reply(in[2], 180, "Ringing")
		cancel := b[2].request("CANCEL")
		if cancel.one("Via") != in[2].all("Via")[0] || cancel.short() != "CANCEL "+b[2].contact+" SIP/2.0" {
			t.Error(cancel.raw)
		}
		b[2].reply(cancel, 200, "OK")
		b[2].reply(in[2], 487, "Request Terminated")
		b[2].request("ACK")
		alice.within("ACK", ok)
		b[1].request("ACK")
		for _, p := range append(b, alice) {
			p.quiet()
		}
	})
}

func TestForkBestResponse(t *testing.T) {
	for _, c := range []struct {
		codes []int
		want  int
	}{
		{[]int{500, 404, 302}, 302},
		{[]int{500, 486, 404}, 486}, // the first of a class
		{[]int{404, 407, 486}, 407},
		{[]int{486, 600, 302}, 600},
		{[]int{503, 503, 503}, 500}, // RFC 3261 §16.7 step 6
	} {
		t.Run(fmt.Sprint(c.codes), func(t *testing.T) {
			inLab(t, Config{}, func(l *lab) {
				alice := l.phone("alice", "198.51.100.1:5060")
				b := l.fork("1", "1", "1")
				alice.ask("INVITE", "sip:bob@example.com")
				alice.response(100)
				in := []*message{b[0].request("INVITE"), b[1].request("INVITE"), b[2].request("INVITE")}
				for i, code := range c.codes {
					b[i].reply(in[i], code, "No")
					b[i].request("ACK")
				}
				m := alice.response(c.want)
				alice.ask("ACK", "sip:bob@example.com", "Via: "+strings.Replace(m.one("Via"), ";received=198.51.100.1", "", 1), "To: "+m.one("To"))
				time.Sleep(time.Minute)
				alice.quiet()
				if st := l.srv.Stats(); st.Transactions != 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// RFC 3261 §16.7 step 7: the challenges of all branches go back together.
func TestForkChallenges(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice := l.phone("alice", "198.51.100.1:5060")
		b := l.fork("1", "1")
		alice.ask("MESSAGE", "sip:bob@example.com")
		for i, p := range b {
			p.reply(p.request("MESSAGE"), 401, "Unauthorized", fmt.Sprintf("WWW-Authenticate: Digest realm=\"r%d\"", i))
		}
		if got := alice.response(401).all("WWW-Authenticate"); fmt.Sprint(got) != `[Digest realm="r0" Digest realm="r1"]` {
			t.Error(got)
		}
	})
}

func TestForkSerial(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice := l.phone("alice", "198.51.100.1:5060")
		b := l.fork("0.5", "1", "0.5")
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		first := b[1].request("INVITE")
		b[0].quiet()
		b[1].reply(first, 486, "Busy Here")
		b[1].request("ACK")
		in := []*message{b[0].request("INVITE"), b[2].request("INVITE")}
		b[0].reply(in[0], 603, "Decline")
		b[0].request("ACK")
		b[2].reply(in[1], 180, "Ringing")
		alice.response(180)
		b[2].request("CANCEL")
		b[2].reply(in[1], 487, "Request Terminated")
		alice.response(603)
	})
}

// Two phones answer at the same moment: both 2xx go to the caller (RFC 3261 §16.7 step 5).
func TestForkTwoAnswers(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice := l.phone("alice", "198.51.100.1:5060")
		b := l.fork("1", "1")
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		m0, m1 := b[0].request("INVITE"), b[1].request("INVITE")
		b[0].ok(m0)
		b[1].ok(m1)
		alice.response(200)
		alice.response(200)
		time.Sleep(500 * time.Millisecond)
		b[1].ok(m1) // until the ACK comes
		alice.response(200)
	})
}
