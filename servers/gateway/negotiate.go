package gateway

import (
	"errors"
	"fmt"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/media"
)

// openMedia opens the call's sockets and describes them; false means the call
// is over.
func (c *call) openMedia(mux bool) (media.Description, bool, error) {
	rtp, rtcp, err := c.s.openMedia(mux)
	if err != nil {
		return media.Description{}, true, err
	}
	d := media.Description{
		Mux: c.s.cfg.Mux, Codecs: c.s.cfg.Codecs, PTime: c.s.cfg.PTime,
		SessionID: c.n + 1, SessionVersion: 1,
	}
	d.RTP, err = addrPort(rtp.LocalAddr())
	if err == nil && rtcp != nil {
		d.RTCP, err = addrPort(rtcp.LocalAddr())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || c.view.State == Ended {
		closeAll(rtp, rtcp)
		return d, c.view.State != Ended, err
	}
	c.rtp, c.rtcp = rtp, rtcp
	return d, true, nil
}

// startMedia makes the stream that an agreement asks for and starts it.
func (c *call) startMedia(agreed media.Agreement) error {
	stream, err := c.newStream(agreed)
	if err == nil && stream != nil {
		err = stream.Start(agreed.RTP, agreed.RTCP)
	}
	if err != nil && !errors.Is(err, media.ErrClosed) { // a BYE may be faster
		return fmt.Errorf("gateway: start media: %w", err)
	}
	return nil
}

// newStream gives the call's sockets to a stream; there is none if the call is
// over by now.
func (c *call) newStream(agreed media.Agreement) (*media.Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.view.State == Ended {
		return nil, nil
	}
	stream, err := media.New(media.Config{
		RTP: c.rtp, RTCP: c.rtcp,
		PayloadType: agreed.Codec.PayloadType, ClockRate: agreed.Codec.ClockRate, PTime: agreed.PTime,
		Latch: c.s.cfg.Latch, Strict: c.s.cfg.Strict, Silent: c.s.cfg.Silent,
		Seed:     c.s.cfg.Seed + c.n,
		ReadLate: true,
	})
	if err != nil {
		return nil, err
	}
	stream.SetDirection(agreed.Send, agreed.Recv)
	c.muxOnly = c.rtcp == nil
	c.rtp, c.rtcp, c.stream = nil, nil, stream
	c.view.Agreed = agreed
	return stream, nil
}

// refusal is the response to an offer that cannot be taken: 400 for what is
// no session description, 488 with a warning (RFC 3261 §20.43) for one we
// cannot meet.
func refusal(err error) (status int, reason, warning string) {
	switch {
	case errors.Is(err, media.ErrSyntax):
		return sip.StatusBadRequest, "Malformed session description", ""
	case errors.Is(err, media.ErrNoConnection):
		return sip.StatusBadRequest, "Session description without c=", ""
	case errors.Is(err, media.ErrBadAddress):
		return sip.StatusNotAcceptableHere, "Not Acceptable Here", `301 natproof-gateway "Incompatible network address formats"`
	case errors.Is(err, media.ErrNoAudio):
		return sip.StatusNotAcceptableHere, "Not Acceptable Here", `304 natproof-gateway "Media type not available"`
	}
	return sip.StatusNotAcceptableHere, "Not Acceptable Here", `305 natproof-gateway "Incompatible media format"`
}

func (s *Server) refuseOffer(req *sip.Request, tx sip.ServerTransaction, err error) {
	status, reason, warning := refusal(err)
	if warning == "" {
		s.refuse(req, tx, status, reason)
		return
	}
	s.refuse(req, tx, status, reason, header("Warning", warning))
}
