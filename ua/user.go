package ua

import (
	"net"
	"net/netip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

const (
	// maxDatagram bounds a SIP message that is received; each SIP socket holds one
	// buffer of this size. What is larger is dropped and counted.
	maxDatagram = 8 << 10
	// maxRequest is the most that may be sent over UDP (RFC 3261 section 18.1.1).
	maxRequest = 1300
)

// user is the client as its stack sees it: what it is told of comes in order, and must not
// be waited on.
type user struct{ c *Client }

func newStack(c *Client) *sipstack.Stack {
	return sipstack.New(sipstack.Config{
		User:        user{c},
		Tag:         func(req *sipmsg.Request) string { return req.Tag(c.salt) },
		MaxRequest:  maxRequest,
		MaxDatagram: maxDatagram,
		Endpoint:    true,
		OnSTUN:      c.gotSTUN,
		OnPanic:     c.onPanic(),
	})
}

// gotSTUN hands on what the STUN clients of port managers and keepalives may wait for:
// they all write the magic cookie.
func (c *Client) gotSTUN(k *sipstack.Socket, b []byte, from netip.AddrPort) {
	if sipmsg.KindOf(b) != sipmsg.STUN {
		c.ctr.classicSTUN.Add(1)
		return
	}
	if p, ok := k.User.(*port); ok {
		p.gotSTUN(b, net.UDPAddrFromAddrPort(from))
	}
}

func (u user) Request(tx *sipstack.ServerTx, req *sipmsg.Request) {
	t := &serverTx{ServerTx: tx, c: u.c, req: req, inDialog: sipmsg.TagOf(req.To) != ""}
	tx.User = t
	u.c.request(t)
}

// Ack finds the session of an ACK of a 2xx.
func (u user) Ack(req *sipmsg.Request) {
	s := u.c.session(sessionKey(req.CallID, sipmsg.TagOf(req.To)))
	if s == nil || !s.isPeer(req) {
		u.c.ctr.strayACKs.Add(1)
		return
	}
	s.gotACK(req)
}

// Response knows the 2xx to an INVITE, which may come again, or from several (RFC 3261
// section 13.2.2.4).
func (u user) Response(res *sipmsg.Response) {
	if res.CSeq.Method == "INVITE" && res.IsSuccess() {
		if s := u.c.session(sessionKey(res.CallID, sipmsg.TagOf(res.From))); s != nil && s.stray2xx(res) {
			u.c.ctr.repeated2xx.Add(1)
		}
	}
}

// Foreign tells of a response that is not used.
func (u user) Foreign(res *sipmsg.Response, sent sipmsg.Via) {
	u.c.emit(DiscardEvent{
		Method: res.CSeq.Method, CallID: res.CallID, Code: res.StatusCode,
		Sent: sent.HostPort(), Got: res.Top.HostPort(),
	})
}

func (u user) Refused(req *sipmsg.Request) {
	if req.Answerable() {
		u.c.ctr.answered.add(req.Fault.Code)
	}
	u.c.log.Debug("request refused", "from", req.Source, "code", req.Fault.Code, "reason", req.Fault.Reason)
}

func (u user) Malformed(from netip.AddrPort, why error) {
	u.c.log.Debug("datagram dropped", "from", from, "error", why)
}

// Unsent tells of a message that did not leave.
func (u user) Unsent(b []byte, to netip.AddrPort, err error) {
	m, _ := sipmsg.Peek(b)
	u.c.log.Warn("message not sent", "method", m.Names(), "code", m.Status, "to", to, "error", err)
	u.c.emit(UnsentEvent{Method: m.Names(), CallID: m.CallID, Code: m.Status, Size: len(b), To: to, Err: err})
}
