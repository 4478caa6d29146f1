package ua

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// usage is a dialog that no session has: a subscription's, at either end (RFC 6665 section
// 4.4.1).
type usage struct {
	c    *Client
	cred *credentials

	mu  sync.Mutex
	sip *held // set before there is anybody who could ask, and by Client.Move
	dialog
}

// held is the SIP mapping of the present.
func (u *usage) held() *held {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sip
}

// request builds a request within the dialog and says where it goes.
func (u *usage) request(ctx context.Context, method sip.RequestMethod) (*sip.Request, path, netip.AddrPort, error) {
	u.mu.Lock()
	u.localSeq++
	e, seq, target, routes, h := u.ends, u.localSeq, *u.target.Clone(), slices.Clone(u.routes), u.sip
	u.mu.Unlock()
	p := u.c.sendPath(h)
	req, dst, err := u.c.route(ctx, method, e, seq, p, target, routes)
	return req, p, dst, err
}

// exchange sends a request of the dialog, answers challenges and returns the final response.
func (u *usage) exchange(ctx context.Context, p path, dst netip.AddrPort, req *sip.Request) (*sipmsg.Response, error) {
	last, res, err := u.c.exchange(ctx, p, dst, req, u.cred)
	u.used(last)
	return res, err
}

// used notes the CSeq of the last copy of a request.
func (u *usage) used(last *sip.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.localSeq = max(u.localSeq, last.CSeq().SeqNo)
}

// inOrder says whether a request's CSeq is above the last one's, and notes it (RFC 3261
// section 12.2.2). u.mu is held.
func (u *usage) inOrder(req *sipmsg.Request) bool {
	n := req.CSeq.Number
	if u.remoteSeq != 0 && n <= u.remoteSeq {
		return false
	}
	u.remoteSeq = n
	return true
}

// retarget follows the peer to a new address (RFC 3261 section 12.2). u.mu is held.
func (u *usage) retarget(m interface{ Values(string) []string }) {
	if c, ok := firstContact(m); ok {
		u.target = c
	}
}
