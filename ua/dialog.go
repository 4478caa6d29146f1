package ua

import (
	"context"
	"net/netip"
	"slices"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// dialog is the state of RFC 3261 section 12. Session.mu guards it.
type dialog struct {
	ends        ends
	target      sip.Uri   // remote target
	routes      []sip.Uri // route set, in the order in which requests pass it
	localSeq    uint32
	remoteSeq   uint32
	established bool
	dialogs     []*earlyDialog // before that
	allows      bool           // the peer's Allow lists UPDATE
}

// recordRoutes are the URIs of the Record-Route header fields, in their order.
func recordRoutes(m interface{ Values(string) []string }) []sip.Uri {
	var list []sip.Uri
	for _, v := range m.Values("record-route") {
		if a, ok := sipmsg.ParseAddress(v); ok {
			list = append(list, a.URI)
		}
	}
	return list
}

// establishUAC takes what a 2xx says about the dialog (RFC 3261 section 12.1.2).
func (s *Session) establishUAC(res *sipmsg.Response, fallback sip.Uri) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends.remoteTag = sipmsg.TagOf(res.To)
	s.target = fallback
	if c, ok := firstContact(res); ok {
		s.target = c
	}
	s.routes = recordRoutes(res)
	slices.Reverse(s.routes)
	if d := s.earlyDialog(s.ends.remoteTag); d != nil {
		s.remoteSeq, s.allows = d.remoteSeq, d.allows
	}
	s.allows = s.allows || sipmsg.Lists(res, "allow", string(sip.UPDATE))
	s.established, s.dialogs = true, nil
}

// establishUAS takes what an INVITE says about the dialog (RFC 3261 section 12.1.1).
func (s *Session) establishUAS(tx *serverTx, target sip.Uri) {
	req := tx.req
	from, _ := sipmsg.ParseAddress(req.From)
	to, _ := sipmsg.ParseAddress(req.To)
	s.ends = ends{
		callID: req.CallID,
		local:  to.URI, localName: to.Name, localTag: tx.Tag,
		remote: from.URI, remoteName: from.Name, remoteTag: sipmsg.TagOf(req.From),
	}
	s.target = target
	s.routes = recordRoutes(req)
	s.remoteSeq = req.CSeq.Number
	s.allows = sipmsg.Lists(req, "allow", string(sip.UPDATE))
	s.established = true
}

// refreshTarget follows the peer to a new address (RFC 3261 section 12.2).
func (s *Session) refreshTarget(m interface{ Values(string) []string }) {
	if c, ok := firstContact(m); ok {
		s.mu.Lock()
		s.target = c
		s.mu.Unlock()
	}
}

// inOrder says whether a request's CSeq is above the last one's, and notes it (RFC 3261
// section 12.2.2).
func (s *Session) inOrder(req *sipmsg.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, last := req.CSeq.Number, &s.remoteSeq
	if d := s.earlyDialog(sipmsg.TagOf(req.From)); d != nil {
		last = &d.remoteSeq
	}
	if *last != 0 && n <= *last {
		return false
	}
	*last = n
	return true
}

// request builds a request within the dialog and says where it goes (RFC 3261 section
// 12.2.1.1). It gets its CSeq when it is sent.
func (s *Session) request(ctx context.Context, method sip.RequestMethod) (*sip.Request, path, netip.AddrPort, error) {
	s.mu.Lock()
	e, target, routes, h := s.ends, *s.target.Clone(), slices.Clone(s.routes), s.sip
	s.mu.Unlock()
	p := s.c.sendPath(h)
	p.dialog = s
	req, dst, err := s.c.route(ctx, method, e, 0, p, target, routes)
	return req, p, dst, err
}

// number gives a request the dialog's next CSeq.
func (s *Session) number(req *sip.Request) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.localSeq++
	req.CSeq().SeqNo = s.localSeq
	return s.localSeq
}

// route builds a request along a route set.
func (c *Client) route(ctx context.Context, method sip.RequestMethod, e ends, seq uint32, p path, target sip.Uri, routes []sip.Uri) (*sip.Request, netip.AddrPort, error) {
	uri, next := target, target
	if len(routes) > 0 {
		next = routes[0]
		if !next.UriParams.Has("lr") { // a strict router
			uri, routes = next, append(routes[1:len(routes):len(routes)], target)
		}
	}
	req := newRequest(method, uri, e, seq, p, routes)
	dst, err := resolver{c.cfg.Resolve}.addr(ctx, next)
	return req, dst, err
}
