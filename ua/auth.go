package ua

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"github.com/natproof/natproof/internal/sipmsg"
)

// credentials answer digest challenges (RFC 3261 section 22, RFC 8760) for one account
// and remember the last one, so that the next request is let in at once.
type credentials struct {
	user, password string

	mu    sync.Mutex
	realm string // configured, or adopted from the first challenge
	known [2]challenge
}

// challenge is what one kind of server, a UAS or a proxy, asked last.
type challenge struct {
	c     *digest.Challenge
	count int // uses of the nonce
}

// kinds of challenge: status, header with the challenge, header with the answer.
var authKinds = [2]struct {
	code              int
	asked, authorized string
}{
	{sip.StatusUnauthorized, "WWW-Authenticate", "Authorization"},
	{sip.StatusProxyAuthRequired, "Proxy-Authenticate", "Proxy-Authorization"},
}

func newCredentials(a Account) *credentials {
	user := a.User
	if user == "" {
		user = a.uri.User
	}
	return &credentials{user: user, password: a.Password, realm: a.Realm}
}

// isChallenge says whether res asks for credentials.
func isChallenge(res *sipmsg.Response) bool {
	return res.StatusCode == authKinds[0].code || res.StatusCode == authKinds[1].code
}

// attempt is one operation's dealings with challenges, how many it has answered, and flows, how
// many have failed it.
type attempt struct {
	learned [2]int
	flows   int
}

// maxChallenges is how many of one kind an operation answers, however stale the nonces.
const maxChallenges = 4

// learn takes the challenge of res. It fails if the credentials cannot answer it, or if
// they were refused: a nonce is answered once, and a second challenge is only fair if the
// nonce was stale (RFC 3261 section 22).
func (c *credentials) learn(a *attempt, req *sip.Request, res *sipmsg.Response) error {
	k := 0
	if res.StatusCode == authKinds[1].code {
		k = 1
	}
	if c == nil {
		return fmt.Errorf("%w: %s asks for credentials and there are none", ErrAuthentication, req.Method)
	}
	chal, err := pickChallenge(res, authKinds[k].asked)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.realm != "" && c.realm != chal.Realm {
		return fmt.Errorf("%w: realm is %q, not %q", ErrAuthentication, chal.Realm, c.realm)
	}
	switch answered := answeredNonce(req, authKinds[k].authorized); {
	case a.learned[k] > 0 && !chal.Stale, answered != "" && answered == chal.Nonce:
		return fmt.Errorf("%w: credentials of %q were refused", ErrAuthentication, c.user)
	case a.learned[k] == maxChallenges:
		return fmt.Errorf("%w: %d nonces in a row were stale", ErrAuthentication, maxChallenges)
	}
	a.learned[k]++
	c.realm = chal.Realm
	c.known[k] = challenge{c: chal}
	return nil
}

// answeredNonce is that of the credentials in a request, empty if there are none.
func answeredNonce(req *sip.Request, header string) string {
	h := req.GetHeader(header)
	if h == nil {
		return ""
	}
	cred, err := digest.ParseCredentials(h.Value())
	if err != nil {
		return ""
	}
	return cred.Nonce
}

// pickChallenge takes the first challenge that can be answered: servers list them by
// preference (RFC 8760 section 2.4).
func pickChallenge(res *sipmsg.Response, header string) (*digest.Challenge, error) {
	var refused []string
	for _, h := range res.GetHeaders(header) {
		c, err := digest.ParseChallenge(h.Value())
		if err != nil {
			refused = append(refused, err.Error())
			continue
		}
		for i, q := range c.QOP {
			c.QOP[i] = strings.TrimSpace(q)
		}
		c.Algorithm = strings.ToUpper(c.Algorithm)
		if digest.CanDigest(c) {
			return c, nil
		}
		refused = append(refused, fmt.Sprintf("algorithm %q with qop %q", c.Algorithm, c.QOP))
	}
	if refused == nil {
		refused = []string{"there is none"}
	}
	return nil, fmt.Errorf("%w: no usable challenge in %s: %s", ErrAuthentication, header, strings.Join(refused, "; "))
}

// authorize puts the answers to the known challenges into req.
func (c *credentials) authorize(req *sip.Request) error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.known {
		if c.known[k].c == nil {
			continue
		}
		c.known[k].count++
		cred, err := digest.Digest(c.known[k].c, digest.Options{
			Method: string(req.Method), URI: req.Recipient.String(), Username: c.user, Password: c.password,
			Count: c.known[k].count, Cnonce: token(),
			GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(req.Body())), nil },
		})
		if err != nil {
			return fmt.Errorf("%w: %w", ErrAuthentication, err)
		}
		req.RemoveHeader(authKinds[k].authorized)
		req.AppendHeader(sip.NewHeader(authKinds[k].authorized, cred.String()))
	}
	return nil
}
