package ua

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/media"
)

// Service is what a user agent that answers for many has to say beyond a phone: a gateway,
// a conference, an answering machine. It needs no Profile: a call to any user part, or to
// what Admit lets in, becomes a Session. The zero value is a phone.
type Service struct {
	// Admit is asked about each INVITE that would begin a call, and about each OPTIONS outside
	// of a dialog, which is answered as an INVITE would be (RFC 3261 section 11.2). Nil, and a
	// nil Refusal, let it in. It is called on the goroutine that reads the socket, in the order
	// of arrival, and must neither block nor call the client.
	Admit func(Arrival) *Refusal
	// Tel answers requests to tel: URIs (RFC 3966) too; otherwise they get 416.
	Tel bool
	// NoMessages answers MESSAGE with 405 and does not list it in Allow.
	NoMessages bool
	// Notifier takes subscriptions to states of ours.
	Notifier Notifier

	// Codecs are offered and accepted, in order of preference; none is media.DefaultCodecs.
	Codecs []media.Codec
	// PTime is how much audio a packet is asked to hold (a=ptime), from 1 to 200 ms; 0 asks
	// nothing and takes what the caller asks for, or 20 ms.
	PTime time.Duration
	// MediaAddr is what media is bound to where no port manager names another address; the
	// zero value is LocalAddr.
	MediaAddr netip.Addr
	// MediaInTurn takes the pairs of media ports one after the other from the lowest up, so
	// that a port that was just given up is not used again at once. Otherwise Seed chooses.
	MediaInTurn bool
}

// Arrival is a request that Service.Admit decides about.
type Arrival struct {
	Method string // INVITE or OPTIONS
	CallID string
	From   string         // the caller's URI
	Called string         // as Session.Called
	Source netip.AddrPort // where the request came from
}

// Refusal is a final response that turns a call down.
type Refusal struct {
	Code    int      // 300 to 699
	Reason  string   // empty is the usual one
	Headers []Header // further header fields, such as Retry-After, Warning or Contact
}

// Header is one header field of a message.
type Header struct{ Name, Value string }

func (s Service) check() error {
	_, voice := media.Description{Codecs: s.Codecs}.Codec()
	switch {
	case s.MediaAddr.IsValid() && (s.MediaAddr.IsUnspecified() || s.MediaAddr.IsMulticast()):
		return fmt.Errorf("%w: MediaAddr must be a concrete address, not %s", ErrConfig, s.MediaAddr)
	case s.PTime != 0 && (s.PTime < time.Millisecond || s.PTime > 200*time.Millisecond):
		return fmt.Errorf("%w: PTime %v is not in 1ms..200ms", ErrConfig, s.PTime)
	case len(s.Codecs) > 0 && !voice:
		return fmt.Errorf("%w: no voice codec", ErrConfig)
	}
	return s.Notifier.check()
}

// methods are those that are understood, as Allow lists them.
func (s Service) methods() string {
	if s.NoMessages {
		return allowed
	}
	return allowed + ", MESSAGE"
}

// understands says whether a method is not to be answered 405 or 501 (RFC 3261 section 8.2.1).
// NOTIFY has an answer of its own.
func (s Service) understands(m sip.RequestMethod) bool {
	switch m {
	case sip.INVITE, sip.CANCEL, sip.BYE, sip.OPTIONS, sip.NOTIFY:
		return true
	case sip.MESSAGE:
		return !s.NoMessages
	}
	return false
}

// speaks says whether a Request-URI's scheme is not to be answered 416 (RFC 3261 section
// 8.2.2.1).
func (s Service) speaks(scheme string) bool { return scheme == "sip" || s.Tel && scheme == "tel" }

// called is who a request is for: the user part, or the number of a tel: URI with its
// parameters.
func called(uri *sip.Uri) string {
	if uri.Scheme == "tel" {
		return uri.Raw()
	}
	return uri.User
}

// admit asks Admit.
func (c *Client) admit(tx *serverTx) *Refusal {
	if c.cfg.Admit == nil {
		return nil
	}
	from, _ := sipmsg.ParseAddress(tx.req.From)
	r := c.cfg.Admit(Arrival{
		Method: string(tx.req.Method), CallID: tx.req.CallID, From: from.URI.String(),
		Called: called(&tx.req.Recipient), Source: tx.req.Source,
	})
	if r != nil && (r.Code < 300 || r.Code > 699) {
		c.log.Error("Admit refuses with a code that refuses nothing", "code", r.Code)
		return &Refusal{Code: sip.StatusInternalServerError}
	}
	return r
}

// refuse answers a request that is not as it should be.
func (c *Client) refuse(tx *serverTx, r Refusal) {
	if !tx.refused {
		tx.refused = true
		c.ctr.badRequests.Add(1)
	}
	c.decline(tx, r)
}

// reject is refuse for 400 and 416, else decline.
func (c *Client) reject(tx *serverTx, r Refusal) {
	if r.Code == sip.StatusBadRequest || r.Code == statusUnsupportedURIScheme {
		c.refuse(tx, r)
		return
	}
	c.decline(tx, r)
}

// decline sends a refusal of a request that is as it should be.
func (c *Client) decline(tx *serverTx, r Refusal) {
	tx.reply(r.Code, r.reason(), append(c.server(), r.headers()...)...)
}

// statusUnsupportedURIScheme has another name in sipgo: that of HTTP's 416.
const statusUnsupportedURIScheme = sip.StatusRequestedRangeNotSatisfiable

func (r Refusal) reason() string {
	if r.Reason == "" {
		return reasonPhrase(r.Code)
	}
	return r.Reason
}

func (r Refusal) headers() []sip.Header {
	var list []sip.Header
	for _, h := range r.Headers {
		list = append(list, sip.NewHeader(h.Name, h.Value))
	}
	return list
}

// gotOptions says what an INVITE would find (RFC 3261 section 11.2).
func (c *Client) gotOptions(tx *serverTx) {
	capabilities := []sip.Header{
		sip.NewHeader("Allow", c.cfg.methods()), sip.NewHeader("Accept", sdpType),
		sip.NewHeader("Accept-Encoding", "identity"), sip.NewHeader("Supported", strings.Join(c.cfg.extensions(), ", ")),
	}
	if events := c.cfg.Notifier.names(); events != "" { // RFC 6665 section 4.4.4
		capabilities = append(capabilities, sip.NewHeader("Allow-Events", events))
	}
	if !tx.inDialog {
		if r := c.admit(tx); r != nil {
			tx.reply(r.Code, r.reason(), append(append(c.server(), r.headers()...), capabilities...)...)
			return
		}
	}
	tx.reply(sip.StatusOK, "OK", append(c.server(), capabilities...)...)
}

// mergeKey is what an INVITE and its copy that came by another way have in common (RFC 3261
// section 8.2.2.2).
func mergeKey(req *sipmsg.Request) string {
	return fmt.Sprint(req.CallID, " ", sipmsg.TagOf(req.From), " ", req.CSeq.Number)
}

// isMerged says whether an INVITE outside of dialogs is one that already has a session.
func (c *Client) isMerged(req *sipmsg.Request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.invites[mergeKey(req)] != nil
}
