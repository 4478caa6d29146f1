package registrar

import (
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"
)

// credentials answers a challenge of m as a client would.
func credentials(t *testing.T, m *message, method, uri, user, password string, count, which int) string {
	t.Helper()
	name, field := "WWW-Authenticate", "Authorization: "
	if m.res.StatusCode == 407 {
		name, field = "Proxy-Authenticate", "Proxy-Authorization: "
	}
	chal, err := digest.ParseChallenge(m.all(name)[which])
	if err != nil {
		t.Fatal(err)
	}
	c, err := digest.Digest(chal, digest.Options{Method: method, URI: uri, Username: user, Password: password, Count: count, Cnonce: "c0ffee"})
	if err != nil {
		t.Fatal(err)
	}
	return field + c.String()
}

var users = map[string]string{"alice": "a-secret", "bob": "b-secret"}

func TestDigest(t *testing.T) {
	inLab(t, Config{Users: users, NonceLifetime: time.Minute}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		contact := "Contact: <" + bob.contact + ">"
		try := func(code int, m *message, user, password string, count int) *message {
			t.Helper()
			bob.sendRegister(contact, credentials(t, m, "REGISTER", "sip:example.com", user, password, count, 0))
			return bob.response(code)
		}
		stale := func(m *message) bool { return strings.Contains(m.one("WWW-Authenticate"), "stale=true") }

		bob.sendRegister(contact)
		challenge := bob.response(401)
		if v := challenge.one("WWW-Authenticate"); !strings.Contains(v, `realm="example.com"`) || !strings.Contains(v, "algorithm=MD5") ||
			!strings.Contains(v, `qop="auth"`) || stale(challenge) {
			t.Error(v)
		}
		try(200, challenge, "bob", "b-secret", 1)
		try(200, challenge, "bob", "b-secret", 2)
		if m := try(401, challenge, "bob", "b-secret", 2); !stale(m) {
			t.Error("a nonce count used twice:", m.raw)
		}
		if m := try(401, challenge, "bob", "wrong", 3); stale(m) {
			t.Error("a wrong password is not stale:", m.raw)
		}
		if m := try(401, challenge, "mallory", "", 3); stale(m) {
			t.Error("an unknown user is not stale:", m.raw)
		}
		try(403, challenge, "alice", "a-secret", 3)

		bob.sendRegister(contact)
		fresh := bob.response(401)
		time.Sleep(time.Minute - time.Nanosecond)
		try(200, fresh, "bob", "b-secret", 1)
		time.Sleep(time.Nanosecond)
		m := try(401, fresh, "bob", "b-secret", 2)
		if !stale(m) {
			t.Error("an old nonce:", m.raw)
		}
		try(200, m, "bob", "b-secret", 1)

		forged := strings.Replace(credentials(t, m, "REGISTER", "sip:example.com", "bob", "b-secret", 2, 0), `uri="sip:example.com"`, `uri="sip:example.org"`, 1)
		bob.sendRegister(contact, forged)
		bob.response(400)
		bob.sendRegister(contact, "Authorization: Digest nonsense")
		bob.response(400)
		bob.sendRegister(contact, strings.Replace(forged, `realm="example.com"`, `realm="example.org"`, 1))
		bob.response(401)
		if st := l.srv.Stats(); st.Rejected[401] != 7 || st.Rejected[403] != 1 || st.Rejected[400] != 2 || st.Registrations != 4 {
			t.Errorf("%+v", st)
		}
		l.wantEvent("answered 401 to REGISTER -> 198.51.100.2:5060 by rport (stale nonce)")
	})
}

func TestDigestSHA256First(t *testing.T) {
	inLab(t, Config{Users: users, Algorithms: []Algorithm{SHA256, MD5}}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		for which, alg := range []string{"SHA-256", "MD5"} {
			bob.sendRegister()
			m := bob.response(401)
			if v := m.all("WWW-Authenticate"); len(v) != 2 || !strings.Contains(v[which], "algorithm="+alg) {
				t.Fatalf("%q", v)
			}
			bob.sendRegister(credentials(t, m, "REGISTER", "sip:example.com", "bob", "b-secret", 1, which))
			bob.response(200)
		}
	})
}

// An algorithm that was not offered is not accepted.
func TestDigestDowngrade(t *testing.T) {
	inLab(t, Config{Users: users, Algorithms: []Algorithm{SHA256}}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		bob.sendRegister()
		m := bob.response(401)
		m.raw = strings.Replace(m.raw, "algorithm=SHA-256", "algorithm=MD5", 1)
		bob.sendRegister(credentials(t, m, "REGISTER", "sip:example.com", "bob", "b-secret", 1, 0))
		bob.response(401)
	})
}

func TestAuthInvite(t *testing.T) {
	gateway := "198.51.100.50:5060"
	inLab(t, Config{Users: users, AuthInvite: true, Routes: []Route{{Prefix: "+", Phone: true, To: ap(gateway)}}}, func(l *lab) {
		alice, pstn := l.phone("alice", "198.51.100.1:5060"), l.phone("pstn", gateway)
		alice.ask("INVITE", "sip:+15551234@example.com;user=phone")
		challenge := alice.response(407)
		alice.ask("ACK", "sip:+15551234@example.com;user=phone", "Via: "+strings.Replace(challenge.one("Via"), ";received=198.51.100.1", "", 1))
		alice.ask("INVITE", "sip:+15551234@example.com;user=phone",
			credentials(t, challenge, "INVITE", "sip:+15551234@example.com", "bob", "b-secret", 1, 0))
		alice.response(403) // bob may not call as alice
		alice.ask("INVITE", "sip:+15551234@example.com;user=phone",
			credentials(t, challenge, "INVITE", "sip:+15551234@example.com", "alice", "a-secret", 2, 0))
		alice.response(100)
		m := pstn.request("INVITE")
		if got := m.all("Proxy-Authorization"); len(got) != 0 {
			t.Error("our own credentials went on:", got)
		}
		pstn.ok(m)
		ok := alice.response(200)
		alice.within("INVITE", ok) // a re-INVITE is not challenged
		alice.response(100)
		pstn.request("INVITE")
		l.wantEvent("INVITE +15551234 -> 198.51.100.50:5060 by peer")

		// The gateway is a peer: it calls without credentials.
		pstn.ask("INVITE", "sip:bob@example.com")
		pstn.response(480)
		mallory := l.phone("mallory", "198.51.100.66:5060")
		mallory.ask("INVITE", "sip:bob@example.com")
		mallory.response(407)
	})
}
