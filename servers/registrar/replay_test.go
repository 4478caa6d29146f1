package registrar

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"
)

// answerTo makes credentials of a challenge as the client wants them, also such as it should not.
func answerTo(t *testing.T, m *message, method, uri string, change func(chal *digest.Challenge, c *digest.Credentials), count int) string {
	t.Helper()
	name, field := "WWW-Authenticate", "Authorization: "
	if m.res.StatusCode == 407 {
		name, field = "Proxy-Authenticate", "Proxy-Authorization: "
	}
	chal, err := digest.ParseChallenge(m.one(name))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(chal, nil)
	}
	c, err := digest.Digest(chal, digest.Options{Method: method, URI: uri, Username: "bob", Password: "b-secret", Count: count, Cnonce: "c0ffee"})
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(nil, c)
	}
	return field + c.String()
}

// What becomes of credentials that have been seen, or that are of another kind than asked for.
func TestReplays(t *testing.T) {
	noQOP := func(chal *digest.Challenge, _ *digest.Credentials) {
		if chal != nil {
			chal.QOP = nil
		}
	}
	for _, c := range []struct {
		name   string
		change func(*digest.Challenge, *digest.Credentials)
		counts []int
		codes  []int // 401 is a challenge with stale=false, 4011 one with stale=true
	}{
		{"counting up", nil, []int{1, 2, 9, 0x10}, []int{200, 200, 200, 200}},
		{"the same count", nil, []int{1, 1}, []int{200, 4011}},
		{"counting down", nil, []int{5, 4, 6}, []int{200, 4011, 200}},
		{"without qop, once", noQOP, []int{1, 1, 1}, []int{200, 4011, 4011}},
		{"auth-int", func(_ *digest.Challenge, c *digest.Credentials) {
			if c != nil {
				c.QOP = "auth-int"
			}
		}, []int{1}, []int{401}},
		{"no client nonce", func(_ *digest.Challenge, c *digest.Credentials) {
			if c != nil {
				c.Cnonce = ""
			}
		}, []int{1}, []int{400}},
		{"a count that is not the one of the digest", func(_ *digest.Challenge, c *digest.Credentials) {
			if c != nil {
				c.Nc = 7
			}
		}, []int{1}, []int{401}},
		{"a nonce of somebody else", func(chal *digest.Challenge, _ *digest.Credentials) {
			if chal != nil {
				chal.Nonce = strings.Repeat("A", len(chal.Nonce))
			}
		}, []int{1}, []int{4011}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, Config{Users: users}, func(l *lab) {
				bob := l.phone("bob", "198.51.100.2:5060")
				bob.sendRegister()
				chal := bob.response(401)
				for i, n := range c.counts {
					bob.sendRegister("Contact: <"+bob.contact+">", answerTo(t, chal, "REGISTER", "sip:example.com", c.change, n))
					m := bob.recvWithin(time.Second)
					got := m.res.StatusCode
					if got == 401 && strings.Contains(m.one("WWW-Authenticate"), "stale=true") {
						got = 4011
					}
					if got != c.codes[i] {
						t.Errorf("count %d: %d, want %d\n%s", n, got, c.codes[i], m.raw)
					}
				}
			})
		})
	}
}

// A call that somebody has overheard cannot be made again; the challenge says that the
// password was right, and a client goes on with the new nonce.
func TestAuthInviteReplayed(t *testing.T) {
	inLab(t, Config{Users: users, AuthInvite: true, NonceLifetime: time.Minute}, func(l *lab) {
		bob, mallory := l.phone("bob", "198.51.100.2:5060"), l.phone("mallory", "198.51.100.66:5060")
		callee := l.phone("alice", "198.51.100.1:5060")
		callee.sendRegister()
		callee.sendRegister("Contact: <"+callee.contact+">", credentials(t, callee.response(401), "REGISTER", "sip:example.com", "alice", "a-secret", 1, 0))
		callee.response(200)
		invite := func(p *phone, auth string) {
			p.ask("INVITE", "sip:alice@example.com", auth, "From: <sip:bob@example.com>;tag=b", "Call-ID: "+p.name+fmt.Sprint(p.serial))
		}
		bob.ask("INVITE", "sip:alice@example.com")
		chal := bob.response(407)
		if strings.Contains(chal.one("Proxy-Authenticate"), "stale=true") {
			t.Error(chal.raw)
		}
		auth := answerTo(t, chal, "INVITE", "sip:alice@example.com", nil, 1)
		invite(bob, auth)
		bob.response(100)
		callee.reply(callee.request("INVITE"), 486, "Busy Here")
		callee.request("ACK")
		bob.response(486)
		invite(mallory, auth)
		if m := mallory.response(407); !strings.Contains(m.one("Proxy-Authenticate"), "stale=true") {
			t.Error(m.raw)
		}
		// The digest of a REGISTER is none of an INVITE.
		mallory.ask("INVITE", "sip:example.com", answerTo(t, chal, "REGISTER", "sip:example.com", nil, 2))
		if m := mallory.response(407); strings.Contains(m.one("Proxy-Authenticate"), "stale=true") {
			t.Error(m.raw)
		}
		time.Sleep(time.Minute)
		for len(bob.in) > 0 { // the 486, repeated for want of an ACK
			<-bob.in
		}
		invite(bob, answerTo(t, chal, "INVITE", "sip:alice@example.com", nil, 3))
		m := bob.response(407)
		if !strings.Contains(m.one("Proxy-Authenticate"), "stale=true") {
			t.Error(m.raw)
		}
		invite(bob, answerTo(t, m, "INVITE", "sip:alice@example.com", nil, 1))
		bob.response(100)
		callee.request("INVITE")
		l.wantEvent("answered 407 to INVITE", "stale nonce")
		l.wantEvent("answered 407 to INVITE", "wrong credentials")
	})
}
