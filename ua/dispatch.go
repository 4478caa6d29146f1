package ua

import (
	"mime"
	"net"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// allowed are the methods that are always understood.
const allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS"

// request is called for each new request, on the reader's goroutine.
func (c *Client) request(tx *serverTx) {
	req := tx.req
	switch {
	case !c.cfg.understands(req.Method): // first of all (RFC 3261 section 8.2)
		tx.reply(sip.StatusMethodNotAllowed, "Method Not Allowed", append(c.server(), sip.NewHeader("Allow", c.cfg.methods()))...)
		return
	case !c.cfg.speaks(req.Recipient.Scheme):
		c.decline(tx, Refusal{Code: statusUnsupportedURIScheme})
		return
	case required(req) != "" && !req.IsCancel(): // RFC 3261 section 8.2.2.3
		c.ctr.badRequests.Add(1)
		tx.reply(sip.StatusBadExtension, "Bad Extension", append(c.server(), sip.NewHeader("Unsupported", required(req)))...)
		return
	}
	switch req.Method {
	case sip.INVITE:
		c.gotInvite(tx)
	case sip.CANCEL:
		c.gotCancel(tx)
	case sip.BYE:
		if s := c.inDialog(tx); s != nil {
			s.gotBye(tx)
		}
	case sip.OPTIONS:
		c.gotOptions(tx)
	case sip.MESSAGE:
		c.gotMessage(tx)
	case sip.NOTIFY: // there are no subscriptions (RFC 6665 section 4.1.3)
		tx.reply(sip.StatusCallTransactionDoesNotExists, "Subscription Does Not Exist", c.server()...)
	}
}

// required are the option tags of Require: none is supported.
func required(req *sip.Request) string {
	var tags []string
	for _, h := range req.GetHeaders("require") {
		if v := strings.TrimSpace(h.Value()); v != "" {
			tags = append(tags, v)
		}
	}
	return strings.Join(tags, ", ")
}

// inDialog finds the session of a request within a dialog, or answers 481.
func (c *Client) inDialog(tx *serverTx) *Session {
	if tx.inDialog {
		if s := c.session(sessionKey(tx.req.CallID().Value(), tx.localTag)); s != nil && s.isPeer(tx.req) {
			return s
		}
	}
	tx.reply(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist", c.server()...)
	return nil
}

// isPeer says whether the From tag is the dialog's.
func (s *Session) isPeer(req *sip.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	tag, _ := req.From().Params.Get("tag")
	return s.established && tag == s.ends.remoteTag
}

func (c *Client) gotInvite(tx *serverTx) {
	if !tx.inDialog {
		c.ctr.invites.Add(1)
		c.incoming(tx)
		return
	}
	if s := c.inDialog(tx); s != nil {
		s.gotReinvite(tx)
	}
}

// gotCancel finds the INVITE by the branch (RFC 3261 section 9.2).
func (c *Client) gotCancel(tx *serverTx) {
	invite := c.stack.serverTx(serverKey(tx.req, sip.INVITE))
	if invite == nil {
		tx.reply(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist", c.server()...)
		return
	}
	if !tx.inDialog { // the same tag for both (RFC 3261 section 9.2)
		tx.req.To().Params.Add("tag", invite.localTag)
	}
	tx.reply(sip.StatusOK, "OK", c.server()...)
	if s := c.session(sessionKey(invite.req.CallID().Value(), invite.localTag)); s != nil && s.invite == invite {
		s.gotCancel()
	}
}

func (c *Client) gotMessage(tx *serverTx) {
	tx.reply(sip.StatusOK, "OK", c.server()...)
	e := MessageEvent{From: tx.req.From().Address.String(), To: tx.req.To().Address.String(), Body: tx.req.Body(), Source: tx.source}
	if ct := tx.req.ContentType(); ct != nil {
		e.ContentType = ct.Value()
	}
	c.emit(e)
}

// ack is called for each ACK, on the reader's goroutine.
func (c *Client) ack(req *sip.Request) {
	tag, _ := req.To().Params.Get("tag")
	s := c.session(sessionKey(req.CallID().Value(), tag))
	if s == nil || !s.isPeer(req) {
		c.ctr.strayACKs.Add(1)
		return
	}
	s.gotACK(req)
}

// response is called for each response without a transaction, on the reader's goroutine.
func (c *Client) response(res *sip.Response) {
	if res.CSeq().MethodName == sip.INVITE && res.IsSuccess() {
		tag, _ := res.From().Params.Get("tag")
		if s := c.session(sessionKey(res.CallID().Value(), tag)); s != nil {
			s.stray2xx(res)
			return
		}
	}
	c.ctr.unmatched.Add(1)
}

// foreign tells of a response that is not used.
func (c *Client) foreign(res *sip.Response, sent *sip.ViaHeader) {
	got := res.Via()
	c.emit(DiscardEvent{
		Method: string(res.CSeq().MethodName), CallID: res.CallID().Value(), Code: res.StatusCode,
		Sent: sentBy(sent), Got: sentBy(got),
	})
}

func sentBy(v *sip.ViaHeader) string {
	return net.JoinHostPort(unbracket(v.Host), strconv.Itoa(portOr(v.Port)))
}

// server is the Server header field, if there is one.
func (c *Client) server() []sip.Header {
	if c.cfg.UserAgent == "" {
		return nil
	}
	return []sip.Header{sip.NewHeader("Server", c.cfg.UserAgent)}
}

func isSDP(ct *sip.ContentTypeHeader) bool {
	if ct == nil {
		return false
	}
	t, _, err := mime.ParseMediaType(ct.Value())
	return err == nil && t == "application/sdp"
}

// reasonPhrase is the usual one (RFC 3261 section 21).
func reasonPhrase(code int) string {
	if p, ok := reasonPhrases[code]; ok {
		return p
	}
	switch code / 100 {
	case 1:
		return "Progress"
	case 3:
		return "Redirection"
	case 4:
		return "Client Error"
	case 5:
		return "Server Error"
	}
	return "Global Failure"
}

var reasonPhrases = map[int]string{
	100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
	300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy",
	400: "Bad Request", 403: "Forbidden", 404: "Not Found", 406: "Not Acceptable", 408: "Request Timeout", 410: "Gone",
	415: "Unsupported Media Type", 416: "Unsupported URI Scheme",
	480: "Temporarily Unavailable", 482: "Loop Detected", 484: "Address Incomplete", 486: "Busy Here", 487: "Request Terminated",
	488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error", 501: "Not Implemented",
	503: "Service Unavailable", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}
