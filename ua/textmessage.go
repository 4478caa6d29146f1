package ua

import (
	"context"
	"fmt"

	"github.com/emiago/sipgo/sip"
)

// Message sends a MESSAGE (RFC 3428) and returns when it was accepted. The profile's port
// manager is asked for a SIP mapping, which is released again.
func (p *Profile) Message(ctx context.Context, target, contentType string, body []byte) error {
	ctx, leave, err := p.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	to, err := parseURI(target)
	if err != nil {
		return err
	}
	if contentType == "" {
		return fmt.Errorf("%w: a message needs a content type", ErrConfig)
	}
	h, err := p.c.getMapping(ctx, p.manager(), want{typ: SIP, remote: p.nextHop()})
	if err != nil {
		return err
	}
	defer p.c.release(h)
	path := p.c.sendPath(h)
	req := newRequest(sip.MESSAGE, to, p.ends(token(), to), 1, path, p.routes())
	setBody(req, contentType, body)
	_, res, err := p.exchange(ctx, path, req)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return responseError(sip.MESSAGE, res)
	}
	return nil
}
