package ua

import (
	"context"
	"net/netip"
	"slices"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// earlyDialog is a dialog that a provisional response to an INVITE of ours made (RFC 3261
// section 12.1.2). Session.mu guards it.
type earlyDialog struct {
	tag       string
	target    sip.Uri
	routes    []sip.Uri
	remoteSeq uint32
	rseq      uint32 // of the last reliable response
	allows    bool   // UPDATE
}

// maxEarlyDialogs bounds what an INVITE that forks is remembered of.
const maxEarlyDialogs = 16

// earlyDialogOf finds or makes the early dialog of a provisional response; nil if it makes
// none. Session.mu is held.
func (s *Session) earlyDialogOf(res *sipmsg.Response) *earlyDialog {
	tag := sipmsg.TagOf(res.To)
	d := s.earlyDialog(tag)
	if d == nil {
		if tag == "" || s.established || len(s.dialogs) == maxEarlyDialogs {
			return nil
		}
		d = &earlyDialog{tag: tag, routes: recordRoutes(res)}
		slices.Reverse(d.routes)
		s.dialogs = append(s.dialogs, d)
	}
	if c, ok := firstContact(res); ok {
		d.target = c
	}
	d.allows = d.allows || sipmsg.Lists(res, "allow", string(sip.UPDATE))
	return d
}

// earlyDialog is the early dialog with a tag, or nil. Session.mu is held.
func (s *Session) earlyDialog(tag string) *earlyDialog {
	i := slices.IndexFunc(s.dialogs, func(d *earlyDialog) bool { return d.tag == tag })
	if i < 0 {
		return nil
	}
	return s.dialogs[i]
}

// earlyRequest is request in an early dialog. It is numbered as one.
func (s *Session) earlyRequest(ctx context.Context, method sip.RequestMethod, d *earlyDialog) (*sip.Request, path, netip.AddrPort, error) {
	s.mu.Lock()
	e, target, routes, h := s.ends, *d.target.Clone(), slices.Clone(d.routes), s.sip
	s.mu.Unlock()
	e.remoteTag = d.tag
	p := s.c.sendPath(h)
	p.dialog = s
	req, dst, err := s.c.route(ctx, method, e, 0, p, target, routes)
	return req, p, dst, err
}
