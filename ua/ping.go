package ua

import (
	"context"
	"net/netip"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// Capabilities is the answer to OPTIONS (RFC 3261 section 11), whatever its code: that there
// is one says that the way there and back is open.
type Capabilities struct {
	Code      int
	Reason    string
	Allow     []string // methods
	Accept    []string // media types
	Supported []string // extensions
	Events    []string // Allow-Events (RFC 6665 section 8.2.2)
	Source    netip.AddrPort
	// Seen is where the OPTIONS came from as the server saw it, if it said so (RFC 3581).
	Seen netip.AddrPort
}

// Options asks a target what it can do, through the profile's proxy; it serves as a ping. The
// port manager is asked for a SIP mapping, which is released again. No answer is an error.
func (p *Profile) Options(ctx context.Context, target string) (*Capabilities, error) {
	return p.c.options(ctx, p, target)
}

// Options asks a target what it can do, directly and in nobody's name.
func (c *Client) Options(ctx context.Context, target string) (*Capabilities, error) {
	return c.options(ctx, nil, target)
}

func (c *Client) options(ctx context.Context, p *Profile, target string) (*Capabilities, error) {
	ctx, leave, err := c.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	to, err := parseURI(target)
	if err != nil {
		return nil, err
	}
	pm, dst := PortManager(Local{}), netip.AddrPort{}
	if p != nil {
		pm, dst = p.manager(), p.nextHop()
	} else if dst, err = (resolver{c.cfg.Resolve}).addr(ctx, to); err != nil {
		return nil, err
	}
	h, err := c.getMapping(ctx, pm, want{typ: SIP, remote: dst})
	if err != nil {
		return nil, err
	}
	defer c.release(h)
	path := c.sendPath(h)
	contact := path.contact("")
	e, routes := ends{callID: token(), local: contact.Address, localTag: token(), remote: to}, []sip.Uri(nil)
	if p != nil {
		contact, e, routes = p.dialogContact(path), p.ends(token(), to), p.routes()
	}
	req := newRequest(sip.OPTIONS, to, e, 1, path, routes)
	req.AppendHeader(contact)
	req.AppendHeader(sip.NewHeader("Accept", sdpType)) // RFC 3261 section 11.1
	var res *sipmsg.Response
	if p != nil {
		_, res, err = p.exchange(ctx, path, req)
	} else {
		_, res, err = c.exchange(ctx, path, dst, req, nil)
	}
	if err != nil {
		return nil, err
	}
	return capabilities(res), nil
}

func capabilities(res *sipmsg.Response) *Capabilities {
	return &Capabilities{
		Code: res.StatusCode, Reason: res.Reason, Source: res.Source, Seen: res.Top.Seen(),
		Allow: res.Values("allow"), Accept: res.Values("accept"), Supported: res.Values("supported"), Events: res.Values("allow-events"),
	}
}
