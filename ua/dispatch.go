package ua

import (
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// allowed are the methods that are always understood.
const allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS"

// request is called for each new request. The order of the inspection is that of RFC 3261
// section 8.2: method, header, content.
func (c *Client) request(tx *serverTx) {
	req := tx.req
	required := req.Unsupported("require", c.cfg.extensions()...)
	misplaced := c.misplaced(tx)
	malformed := req.Malformed("contact", "route", "record-route")
	repeated := req.Repeats("content-type")
	switch {
	case !c.cfg.understands(req.Method): // section 8.2.1
		c.unsupported(tx)
		return
	case !c.cfg.speaks(req.Recipient.Scheme): // section 8.2.2.1
		c.refuse(tx, Refusal{Code: statusUnsupportedURIScheme})
		return
	case malformed != "":
		c.refuse(tx, Refusal{Code: sip.StatusBadRequest, Reason: "Malformed " + malformed})
		return
	case repeated != "":
		c.refuse(tx, Refusal{Code: sip.StatusBadRequest, Reason: "Repeated " + repeated})
		return
	case misplaced != nil:
		c.refuse(tx, *misplaced)
		return
	case len(required) > 0 && !req.IsCancel(): // section 8.2.2.3
		c.refuse(tx, Refusal{Code: sip.StatusBadExtension, Headers: []Header{{"Unsupported", strings.Join(required, ", ")}}})
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
	case sip.PRACK:
		if s := c.inDialog(tx); s != nil {
			s.gotPRACK(tx)
		}
	case sip.UPDATE:
		if s := c.inDialog(tx); s != nil {
			s.gotUpdate(tx)
		}
	case sip.OPTIONS:
		if !tx.inDialog || c.inDialog(tx) != nil {
			c.gotOptions(tx)
		}
	case sip.MESSAGE:
		if !tx.inDialog || c.inDialog(tx) != nil {
			c.gotMessage(tx)
		}
	case sip.REFER:
		c.gotRefer(tx)
	case sip.NOTIFY:
		if !c.gotReport(tx) {
			c.gotNotify(tx)
		}
	case sip.SUBSCRIBE:
		c.gotSubscribe(tx)
	}
}

// inDialog finds the session of a request within a dialog, or answers 481 (RFC 3261 section
// 12.2.2).
func (c *Client) inDialog(tx *serverTx) *Session {
	if tx.inDialog {
		if s := c.session(sessionKey(tx.req.CallID, tx.Tag)); s != nil && s.isPeer(tx.req) {
			return s
		}
	}
	tx.reply(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist", c.server()...)
	return nil
}

// isPeer says whether the From tag is the dialog's; that of an old peer is none (RFC 3261
// section 12.1.1). Before the 2xx to an INVITE of ours there may be several early dialogs:
// anybody in them may ask, and nobody may change anything but by UPDATE.
func (s *Session) isPeer(req *sipmsg.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.established {
		return req.Method == sip.OPTIONS || req.Method == sip.MESSAGE ||
			req.Method == sip.UPDATE && s.earlyDialog(sipmsg.TagOf(req.From)) != nil
	}
	return sipmsg.TagOf(req.From) == s.ends.remoteTag
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
	invite := c.stack.Server(tx.req.Key(string(sip.INVITE)))
	if invite == nil {
		tx.reply(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist", c.server()...)
		return
	}
	tx.Tag = invite.Tag // the same for both
	tx.reply(sip.StatusOK, "OK", c.server()...)
	if s := c.session(sessionKey(tx.req.CallID, invite.Tag)); s != nil && s.invite != nil && s.invite.ServerTx == invite {
		s.gotCancel()
	}
}

func (c *Client) gotMessage(tx *serverTx) {
	tx.reply(sip.StatusOK, "OK", c.server()...)
	from, _ := sipmsg.ParseAddress(tx.req.From)
	to, _ := sipmsg.ParseAddress(tx.req.To)
	e := MessageEvent{From: from.URI.String(), To: to.URI.String(), Body: tx.req.Body(), Source: tx.req.Source}
	e.ContentType, _ = tx.req.Value("content-type")
	c.emit(e)
}

// server is the Server header field, if there is one.
func (c *Client) server() []sip.Header {
	if c.cfg.UserAgent == "" {
		return nil
	}
	return []sip.Header{sip.NewHeader("Server", c.cfg.UserAgent)}
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
	200: "OK", 202: "Accepted",
	300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy",
	400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout", 410: "Gone",
	415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension", 422: "Session Interval Too Small", 423: "Interval Too Brief",
	480: "Temporarily Unavailable", 482: "Loop Detected", 484: "Address Incomplete", 486: "Busy Here", 487: "Request Terminated",
	488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending", 500: "Server Internal Error", 501: "Not Implemented",
	503: "Service Unavailable", 504: "Server Time-out", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}
