package registrar

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"github.com/natproof/natproof/internal/sipmsg"
)

// authenticator is the server side of digest authentication (RFC 3261 §22, RFC 7616,
// RFC 8760). Nonces carry their own proof and age, so an unanswered challenge costs no memory.
type authenticator struct {
	realm    string
	users    map[string]string
	algs     []Algorithm
	lifetime time.Duration
	key      []byte
	self     func(*sip.Uri) bool
	issued   uint32            // serial number of the last nonce
	counts   map[uint32]uint32 // highest nonce count seen, by serial number
	order    []nonceUse        // oldest first
}

type nonceUse struct {
	serial  uint32
	expires time.Time
}

// A verdict is the outcome of checking credentials.
type verdict uint8

const (
	noCredentials verdict = iota
	malformedCredentials
	wrongCredentials
	staleNonce
	authentic
)

func newAuthenticator(c Config, key [32]byte, self func(*sip.Uri) bool) authenticator {
	k := sha256.Sum256(append(key[:], "nonce"...))
	return authenticator{realm: c.Realm, users: c.Users, algs: c.Algorithms, lifetime: c.NonceLifetime,
		key: k[:], self: self, counts: make(map[uint32]uint32)}
}

// A nonce is the time, a serial number and a signature over both.
const nonceLen = 8 + 4 + 12

func (a *authenticator) nonce(now time.Time) string {
	a.issued++
	b := binary.BigEndian.AppendUint64(make([]byte, 0, nonceLen), uint64(now.UnixMilli()))
	b = binary.BigEndian.AppendUint32(b, a.issued)
	return base64.RawURLEncoding.EncodeToString(append(b, a.sign(b)...))
}

func (a *authenticator) sign(b []byte) []byte {
	m := hmac.New(sha256.New, a.key)
	m.Write(b)
	return m.Sum(nil)[:12]
}

// open returns the serial number and end of a nonce of ours.
func (a *authenticator) open(nonce string) (serial uint32, expires time.Time, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(b) != nonceLen || !hmac.Equal(b[12:], a.sign(b[:12])) {
		return 0, time.Time{}, false
	}
	made := time.UnixMilli(int64(binary.BigEndian.Uint64(b)))
	return binary.BigEndian.Uint32(b[8:]), made.Add(a.lifetime), true
}

// challenge builds the header fields of a 401 or 407, one for each algorithm (RFC 8760 §2.3).
func (a *authenticator) challenge(name string, stale bool, now time.Time) []sipmsg.Header {
	nonce := a.nonce(now)
	headers := make([]sipmsg.Header, 0, len(a.algs))
	for _, alg := range a.algs {
		c := digest.Challenge{Realm: a.realm, Nonce: nonce, Stale: stale, Algorithm: string(alg), QOP: []string{"auth"}}
		headers = append(headers, header(name, c.String()))
	}
	return headers
}

// ours reports whether credentials are for our realm.
func (a *authenticator) ours(value string) bool {
	c, err := digest.ParseCredentials(value)
	return err == nil && a.users != nil && c.Realm == a.realm
}

// check judges the credentials in the named header fields. It returns the user they prove.
func (a *authenticator) check(req *request, field string, now time.Time) (string, verdict) {
	for _, h := range req.Headers() {
		if sipmsg.Canonical(h.Name()) != field || !digest.IsDigest(h.Value()) {
			continue // RFC 4475 §3.3.7: an unknown scheme counts as no credentials
		}
		c, err := digest.ParseCredentials(h.Value())
		if err != nil {
			return "", malformedCredentials
		}
		if c.Realm != a.realm { // RFC 3261 §22.3: meant for somebody else on the way
			continue
		}
		return c.Username, a.judge(c, req, now)
	}
	return "", noCredentials
}

func (a *authenticator) judge(c *digest.Credentials, req *request, now time.Time) verdict {
	alg := Algorithm(strings.ToUpper(c.Algorithm))
	if alg == "" {
		alg = MD5 // RFC 7616 §3.3
	}
	if !slices.Contains(a.algs, alg) || c.QOP != "" && c.QOP != "auth" || c.Userhash {
		return wrongCredentials
	}
	if c.QOP != "" && (c.Nc < 1 || c.Cnonce == "") || !a.sameResource(c.URI, &req.uri) {
		return malformedCredentials
	}
	password, known := a.users[c.Username]
	challenge := &digest.Challenge{Realm: a.realm, Nonce: c.Nonce, Algorithm: string(alg)}
	if c.QOP != "" {
		challenge.QOP = []string{c.QOP}
	}
	want, err := digest.Digest(challenge, digest.Options{Method: string(req.Method), URI: c.URI,
		Count: c.Nc, Username: c.Username, Password: password, Cnonce: c.Cnonce})
	if err != nil || subtle.ConstantTimeCompare([]byte(want.Response), []byte(c.Response)) != 1 || !known {
		return wrongCredentials
	}
	// RFC 7616 §3.3: stale only where the digest itself is right.
	serial, expires, ok := a.open(c.Nonce)
	if !ok || !now.Before(expires) {
		return staleNonce
	}
	nc := uint32(1) // without a count a nonce is good for one request, or anybody could send it again
	if c.QOP != "" {
		nc = uint32(c.Nc)
	}
	if !a.count(serial, nc, expires, now) {
		return staleNonce
	}
	return authentic
}

// count notes a nonce count; false means it was used before, or later ones were (RFC 7616 §5.12).
func (a *authenticator) count(serial, nc uint32, expires, now time.Time) bool {
	for len(a.order) > 0 && !now.Before(a.order[0].expires) {
		delete(a.counts, a.order[0].serial)
		a.order = a.order[1:]
	}
	last, used := a.counts[serial]
	if nc <= last {
		return false
	}
	a.counts[serial] = nc
	if !used {
		a.order = append(a.order, nonceUse{serial, expires})
	}
	return true
}

// sameResource compares the URI of credentials with the Request-URI as far as servers on
// the way leave it alone: user and host (RFC 7616 §3.4.6).
func (a *authenticator) sameResource(text string, u *sip.Uri) bool {
	c, ok := sipmsg.ParseURI(text)
	return ok && c.User == u.User && (strings.EqualFold(c.Host, u.Host) || a.self(&c) && a.self(u))
}

// authorize returns the authenticated user, or the challenge to send.
func (s *Server) authorize(req *request, field, challenge string, code int, reason string) (string, *failure) {
	now := s.now()
	user, v := s.auth.check(req, field, now)
	switch v {
	case authentic:
		return user, nil
	case malformedCredentials:
		return "", fail(400, "Bad Credentials", "")
	}
	detail := map[verdict]string{noCredentials: "no credentials", wrongCredentials: "wrong credentials", staleNonce: "stale nonce"}[v]
	return "", fail(code, reason, detail, s.auth.challenge(challenge, v == staleNonce, now)...)
}

// authorizeRegister decides who may change the bindings of user (RFC 3261 §10.3 steps 3, 4).
func (s *Server) authorizeRegister(req *request, user string) *failure {
	if s.cfg.Users == nil {
		return nil
	}
	who, f := s.authorize(req, "authorization", "WWW-Authenticate", 401, "Unauthorized")
	if f == nil && who != user {
		f = fail(403, "Forbidden", who+" may not register "+user)
	}
	return f
}

// authorizeInvite asks callers of the domain who they are (RFC 3261 §22.3).
func (s *Server) authorizeInvite(req *request) *failure {
	if !s.cfg.AuthInvite || req.Method != sip.INVITE || req.dialog || s.isPeer(req.Source) {
		return nil
	}
	who, f := s.authorize(req, "proxy-authorization", "Proxy-Authenticate", 407, "Proxy Authentication Required")
	if f != nil {
		return f
	}
	text, _, _, _ := sipmsg.SplitAddress(req.From)
	if u, ok := sipmsg.ParseURI(text); ok && s.isSelf(&u) && sipmsg.Unescape(u.User) != who {
		return fail(403, "Forbidden", who+" may not call as "+u.User)
	}
	return nil
}
