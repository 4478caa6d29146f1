package stunclient

import (
	"net"
	"net/netip"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/stunclient/attr"
)

// Handle is given what was read from the socket, by whoever reads it. It says
// whether that was STUN; if not, it is somebody else's. STUN is what begins with
// a byte from 0 to 3 (RFC 7983 section 7) and has a sound header with the magic
// cookie, or with the transaction id of a Legacy request that waits. The first
// byte alone would also claim such things as four zero bytes, sent by some as a
// keepalive. Handle does not block and does not keep b.
func (c *Client) Handle(b []byte, from net.Addr) bool {
	h, err := attr.ParseHeader(b)
	if err != nil || b[0] > 3 {
		return false
	}
	src, _ := attr.FromNet(from)
	forOther := false
	c.mu.Lock()
	tx := c.pending[h.ID]
	switch {
	case tx == nil && h.ID.Legacy():
		c.mu.Unlock()
		return false
	case !isResponse(h.Type):
		c.stats.Other++
		forOther = true
	case tx == nil:
		c.stats.Unmatched++
		forOther = true
	default:
		c.respond(tx, h.ID, b, src)
	}
	c.mu.Unlock()
	if forOther && c.opts.Other != nil {
		c.opts.Other(b, src)
	}
	return true
}

func isResponse(t pion.MessageType) bool {
	return t == pion.BindingSuccess || t == pion.BindingError
}

// respond hands a response to its transaction, unless it has no right to be
// one. c.mu is held.
func (c *Client) respond(tx *transaction, id attr.ID, b []byte, src netip.AddrPort) {
	if src != tx.server && !tx.anySource {
		c.stats.UnexpectedSource++
		return
	}
	h, m, err := attr.Decode(b)
	// RFC 8489 section 6.3: a message whose FINGERPRINT is wrong is silently discarded.
	if err == nil && !id.Legacy() && attr.CheckFingerprint(m) != nil {
		c.stats.BadFingerprint++
		return
	}
	c.stats.Responses++
	delete(c.pending, id) // only the first response counts
	tx.result <- result{header: h, message: m, err: err, from: src}
}
