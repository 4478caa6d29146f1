package ua

import (
	"github.com/emiago/sipgo/sip"
)

// recognised are the methods of SIP, whether or not a client understands them.
var recognised = map[sip.RequestMethod]bool{
	sip.INVITE: true, sip.ACK: true, sip.CANCEL: true, sip.BYE: true, sip.REGISTER: true, sip.OPTIONS: true, // RFC 3261
	sip.INFO: true, sip.MESSAGE: true, sip.NOTIFY: true, sip.PRACK: true, sip.PUBLISH: true, sip.REFER: true,
	sip.SUBSCRIBE: true, sip.UPDATE: true,
}

// unsupported answers a method that is not understood: 405 if it is one of SIP's, and 501 if
// nobody knows it (RFC 3261 sections 8.2.1 and 21.5.2), both with what is understood instead.
func (c *Client) unsupported(tx *serverTx) {
	code := sip.StatusMethodNotAllowed
	if !recognised[tx.req.Method] {
		code = sip.StatusNotImplemented
	}
	c.refuse(tx, Refusal{Code: code, Headers: []Header{{"Allow", c.cfg.methods()}}})
}
