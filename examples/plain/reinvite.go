package plain

import (
	"context"
	"fmt"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/scenarios/stage"
)

// Hold holds the last call that it made (RFC 3264 §8.4).
func (p *phone) Hold(ctx context.Context) error { return p.reinvite(ctx, media.SendOnly) }

// Resume ends that.
func (p *phone) Resume(ctx context.Context) error { return p.reinvite(ctx, media.SendRecv) }

// Renew says again where it is, which it knows of no other way than before.
func (p *phone) Renew(ctx context.Context) error { return p.reinvite(ctx, media.SendRecv) }

// reinvite offers anew within the dialog (RFC 3261 §14.1).
func (p *phone) reinvite(ctx context.Context, way media.Direction) error {
	if p.call == nil {
		return stage.ErrCannot
	}
	there := p.call.InviteResponse.Contact().Address
	req := sip.NewRequest(sip.INVITE, there)
	req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	req.SetBody(p.Redescribe(way))
	res, err := p.call.Do(ctx, req)
	if err == nil && !res.IsSuccess() {
		err = fmt.Errorf("%d %s", res.StatusCode, res.Reason)
	}
	if err != nil {
		return stage.Unanswered(err)
	}
	if err := p.call.WriteRequest(sip.NewRequest(sip.ACK, there)); err != nil {
		return err
	}
	_, err = p.Retalk(res.Body())
	return err
}

// reanswer answers an offer within a dialog.
func (p *phone) reanswer(d *sipgo.DialogServerSession, req *sip.Request, tx sip.ServerTransaction) {
	if d.ReadRequest(req, tx) != nil {
		_ = tx.Respond(sip.NewResponseFromRequest(req, sip.StatusInternalServerError, "Out Of Order", nil))
		return
	}
	answer, err := p.Retalk(req.Body())
	if err != nil {
		_ = tx.Respond(sip.NewResponseFromRequest(req, sip.StatusNotAcceptableHere, "Not Acceptable Here", nil))
		return
	}
	res := sip.NewResponseFromRequest(req, sip.StatusOK, "OK", answer)
	res.AppendHeader(&p.dialogs.ContactHDR)
	res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	_ = tx.Respond(res)
}
