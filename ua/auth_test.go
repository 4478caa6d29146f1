package ua

import (
	"crypto/md5"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"github.com/natproof/natproof/internal/sipmsg"
)

// authServer answers requests one after the other as a script says.
type authServer struct {
	*peer
	got []*sip.Request
}

func newAuthServer(t *testing.T, n *memnet, answer func(i int, cred *digest.Credentials) (int, []string)) *authServer {
	s := &authServer{peer: newPeer(t, n, "203.0.113.30:5060")}
	go func() {
		buf := make([]byte, 2000)
		for {
			size, from, err := s.ReadFrom(buf)
			if err != nil {
				return
			}
			req := must(sip.ParseMessage(buf[:size]))(t).(*sip.Request)
			cred := &digest.Credentials{}
			if h := req.GetHeader("Authorization"); h != nil {
				cred = must(digest.ParseCredentials(h.Value()))(t)
			}
			code, headers := answer(len(s.got), cred)
			s.got = append(s.got, req)
			res := sip.NewResponseFromRequest(req, code, reasonPhrase(code), nil)
			for _, h := range headers {
				name, value, _ := strings.Cut(h, ": ")
				res.AppendHeader(sip.NewHeader(name, value))
			}
			s.send(res, sipmsg.AddrPort(from).String())
		}
	}()
	return s
}

func (s *authServer) profile(t *testing.T, a *agent) *Profile {
	return must(a.NewProfile(ProfileConfig{Account: Account{URI: "sip:alice@example.com", Password: "secret"}, Registrar: s.at}))(t)
}

func ask(nonce, more string) []string {
	return []string{fmt.Sprintf(`WWW-Authenticate: Digest realm="r", nonce="%s", qop="auth"%s`, nonce, more)}
}

// However a server challenges, an operation ends: nonces are answered once each, and staleness
// is believed only so often.
func TestChallengesEnd(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(i int, cred *digest.Credentials) (int, []string)
		count  int // of REGISTERs
		state  RegistrationState
		text   string // of the error
	}{
		"refused":               {func(i int, _ *digest.Credentials) (int, []string) { return 401, ask(fmt.Sprint(i), "") }, 2, Rejected, "were refused"},
		"the same nonce":        {func(int, *digest.Credentials) (int, []string) { return 401, ask("x", "") }, 2, Rejected, "were refused"},
		"the same nonce, stale": {func(int, *digest.Credentials) (int, []string) { return 401, ask("x", ", stale=true") }, 2, Rejected, "were refused"},
		"stale for ever":        {func(i int, _ *digest.Credentials) (int, []string) { return 401, ask(fmt.Sprint(i), ", stale=true") }, 5, Rejected, "4 nonces in a row"},
		"stale twice": {func(i int, _ *digest.Credentials) (int, []string) {
			if i < 3 {
				return 401, ask(fmt.Sprint(i), ", stale=TRUE")
			}
			return 200, nil
		}, 4, Registered, ""},
		"unknown": {func(int, *digest.Credentials) (int, []string) {
			return 401, []string{`WWW-Authenticate: Digest realm="r", nonce="x", algorithm=SHA-1, qop="auth"`, `WWW-Authenticate: Basic realm="r"`, `WWW-Authenticate: Digest realm="r", nonce="x", qop="auth-conf"`}
		}, 1, Rejected, `algorithm "SHA-1" with qop ["auth"]; digest: invalid challenge prefix; algorithm "" with qop ["auth-conf"]`},
		"no challenge": {func(int, *digest.Credentials) (int, []string) { return 401, nil }, 1, Rejected, "there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				s, a := newAuthServer(t, n, c.answer), newAgent(t, n, "10.0.0.1:5060")
				alice := s.profile(t, a)
				err := alice.Enable(t.Context())
				if (err != nil) != (c.state == Rejected) || err != nil && (!errors.Is(err, ErrAuthentication) || !strings.Contains(err.Error(), c.text)) {
					t.Errorf("got %v", err)
				}
				equal(t, "state", alice.State(), c.state)
				synctest.Wait()
				equal(t, "REGISTERs", len(s.got), c.count)
				if c.state == Rejected {
					time.Sleep(24 * time.Hour)
					synctest.Wait()
					equal(t, "REGISTERs a day later", len(s.got), c.count)
				}
			})
		})
	}
}

// The server's first challenge that can be answered is (RFC 8760 section 2.4).
func TestAlgorithmInTheOrderOfTheChallenges(t *testing.T) {
	for want, offered := range map[string][]string{
		"SHA-256":     {"SHA-256", "MD5"},
		"MD5":         {"MD5", "SHA-256"},
		"SHA-512-256": {"SHA-1", "SHA-512-256", "MD5"},
	} {
		bubble(t, func(t *testing.T, n *memnet) {
			s := newAuthServer(t, n, func(i int, cred *digest.Credentials) (int, []string) {
				if i > 0 {
					equal(t, "algorithm", cred.Algorithm, want)
					return 200, nil
				}
				var list []string
				for _, o := range offered {
					list = append(list, fmt.Sprintf(`WWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=%s`, o))
				}
				return 401, list
			})
			check(t, s.profile(t, newAgent(t, n, "10.0.0.1:5060")).Enable(t.Context()))
		})
	}
}

// The nonce count goes up with each use of a nonce, and a nextnonce begins anew without a
// challenge in between.
func TestNonceCountAndNextNonce(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		var used []string
		s := newAuthServer(t, n, func(i int, cred *digest.Credentials) (int, []string) {
			used = append(used, fmt.Sprint(cred.Nonce, "/", cred.Nc))
			switch i {
			case 0:
				return 401, ask("a", "")
			case 3:
				return 200, []string{`Authentication-Info: qop=auth, nextnonce="b", nc=00000003`}
			}
			return 200, nil
		})
		alice := s.profile(t, newAgent(t, n, "10.0.0.1:5060"))
		check(t, alice.Enable(t.Context()))
		time.Sleep(5 * time.Hour)
		synctest.Wait()
		equal(t, "used", strings.Join(used, " "), "/0 a/1 a/2 a/3 b/1 b/2 b/3")
	})
}

// auth-int covers the body (RFC 7616 section 3.4.3).
func TestAuthInt(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		chal := digest.Challenge{Realm: "r", Nonce: "n", QOP: []string{"auth-int"}, Algorithm: "MD5"}
		s := newAuthServer(t, n, func(i int, cred *digest.Credentials) (int, []string) {
			if i == 0 {
				return 401, []string{"WWW-Authenticate: " + chal.String()}
			}
			// MD5 of "hello" is the body's part of A2.
			a2 := md5Hex("MESSAGE:sip:bob@example.com:5d41402abc4b2a76b9719d911017c592")
			want := md5Hex(strings.Join([]string{md5Hex("alice:r:secret"), "n", "00000001", cred.Cnonce, "auth-int", a2}, ":"))
			equal(t, "qop", cred.QOP, "auth-int")
			equal(t, "response", cred.Response, want)
			return 200, nil
		})
		check(t, s.profile(t, newAgent(t, n, "10.0.0.1:5060")).Message(t.Context(), "sip:bob@example.com", "text/plain", []byte("hello")))
	})
}

func TestNextNonce(t *testing.T) {
	for in, want := range map[string]string{
		`nextnonce="abc"`: "abc", `nc=1, NextNonce = "a,b" ,qop=auth`: "a,b", `nextnonce="a\"b\\"`: `a"b\`,
		`nextnonce=abc`: "", `nextnonce="`: "", `nextnonce="a\"`: "", `nextnonce=""`: "", ``: "", `rspauth="nextnonce=x"`: "",
		"nextnonce=\"a\rb\"": "",
	} {
		if got := nextNonce(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// What is read can be written into a header field.
func FuzzNextNonce(f *testing.F) {
	for _, s := range []string{`nextnonce="abc", qop=auth`, `rspauth="x\"", nextnonce = "a\\b"`, "nextnonce=\"\x00\"", `nextnonce="a`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		nonce := nextNonce(s)
		if strings.ContainsAny(nonce, "\r\n\x00\x7f") {
			t.Fatalf("%q of %q", nonce, s)
		}
		if nonce == "" {
			return
		}
		quoted := `nextnonce="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(nonce) + `"`
		if again := nextNonce(quoted); again != nonce {
			t.Fatalf("%q read again is %q", nonce, again)
		}
	})
}

func md5Hex(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
