package gateway

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// dialogID is what requests in a dialog are matched by (RFC 3261 §12).
type dialogID struct{ callID, local, remote string }

// dialog is the state of RFC 3261 §12.1.1 that outlives the INVITE.
type dialog struct {
	dialogID
	localURI  sip.FromHeader // our To with our tag, turned round
	remoteURI sip.ToHeader
	target    sip.Uri   // the caller's Contact; a re-INVITE may change it
	routes    []sip.Uri // its Record-Route set, in the order of the request
	localCSeq uint32
}

// newDialog reads an INVITE whose To header already has our tag.
func newDialog(req *sip.Request) dialog {
	d := dialog{
		dialogID:  idOf(req),
		localURI:  req.To().AsFrom(),
		remoteURI: req.From().AsTo(),
		target:    *req.Contact().Address.Clone(),
	}
	for _, h := range req.GetHeaders("record-route") {
		if r, ok := h.(*sip.RecordRouteHeader); ok {
			d.routes = append(d.routes, *r.Address.Clone())
		}
	}
	return d
}

func idOf(req *sip.Request) dialogID {
	return dialogID{callID: req.CallID().Value(), local: tagOf(req.To().Params), remote: tagOf(req.From().Params)}
}

// caller is what an INVITE and its copy by another way have in common.
type caller struct{ callID, tag string }

func callerOf(id dialogID) caller { return caller{id.callID, id.remote} }

func tagOf(p sip.HeaderParams) string { return p.GetOr("tag", "") }

// request makes a request in the dialog (RFC 3261 §12.2.1.1).
func (d *dialog) request(method sip.RequestMethod) *sip.Request {
	uri, routes := d.path()
	req := sip.NewRequest(method, uri)
	for i := range routes {
		req.AppendHeader(&sip.RouteHeader{Address: routes[i]})
	}
	maxForwards := sip.MaxForwardsHeader(70)
	callID := sip.CallIDHeader(d.callID)
	d.localCSeq++
	req.AppendHeader(&maxForwards)
	req.AppendHeader(sip.HeaderClone(&d.localURI))
	req.AppendHeader(sip.HeaderClone(&d.remoteURI))
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: d.localCSeq, MethodName: method})
	req.SetBody(nil)
	req.SetTransport("UDP")
	return req
}

// path is the Request-URI and the Route set: with a strict router in front its
// own URI is the Request-URI and the target comes last.
func (d *dialog) path() (sip.Uri, []sip.Uri) {
	if len(d.routes) == 0 || d.routes[0].UriParams.Has("lr") {
		return d.target, d.routes
	}
	rest := append([]sip.Uri(nil), d.routes[1:]...)
	first := *d.routes[0].Clone()
	first.Headers = nil
	return first, append(rest, d.target)
}

// nextHop is where such a request is sent: the strict router if there is one,
// else the first route, else the target.
func (d *dialog) nextHop() sip.Uri {
	if len(d.routes) > 0 {
		return d.routes[0]
	}
	return d.target
}

// isSIP is false for Contact: * and for other schemes than sip.
func isSIP(u *sip.Uri) bool {
	return !u.Wildcard && strings.EqualFold(u.Scheme, "sip") && u.Host != ""
}
