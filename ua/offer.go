package ua

import (
	"errors"
	"fmt"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/media"
)

const sdpType = "application/sdp"

// description is what this end says of itself in every offer and answer.
func (c *Client) description() media.Description {
	return media.Description{Mux: c.cfg.RTCPMux, NameRTCP: c.cfg.NameRTCP, Codecs: c.cfg.Codecs, PTime: c.cfg.PTime}
}

// keepCodec is description's codecs once a stream has one: that one and telephone events, which
// keep their number (RFC 3264 section 8.3.2).
func (c *Client) keepCodec(voice media.Codec, events media.Events) []media.Codec {
	all := c.cfg.Codecs
	if len(all) == 0 {
		all = media.DefaultCodecs()
	}
	list := []media.Codec{voice}
	for _, e := range all {
		if _, isVoice := (media.Description{Codecs: []media.Codec{e}}).Codec(); !isVoice {
			if events.Recv != 0 && e.ClockRate == voice.ClockRate {
				e.PayloadType = events.Recv
			}
			list = append(list, e)
		}
	}
	return list
}

// readOffer reads the body of an INVITE; none is an offer to be made by us. What cannot be
// used is refused before anything rings (RFC 3261 sections 8.2.3 and 13.3.1.3).
func (c *Client) readOffer(req *sipmsg.Request) (*media.Description, *Refusal) {
	accept := []Header{{"Accept", sdpType}}
	switch {
	case !req.Accepts(sdpType): // a 2xx has to have SDP (RFC 3261 section 21.4.7, RFC 4475 section 3.3.15)
		return nil, &Refusal{Code: sip.StatusNotAcceptable, Headers: accept}
	case len(req.Body()) == 0:
		return nil, nil
	case req.Encoded():
		return nil, &Refusal{Code: sip.StatusUnsupportedMediaType, Headers: []Header{{"Accept-Encoding", "identity"}}}
	case req.MediaType() != sdpType:
		return nil, &Refusal{Code: sip.StatusUnsupportedMediaType, Headers: accept}
	}
	d, err := media.Parse(req.Body())
	if err == nil {
		_, err = media.Answer(d, c.description())
	}
	if err != nil {
		return nil, c.refusalOf(err)
	}
	return &d, nil
}

// refusalOf is the response to an offer that cannot be taken: 400 for what is no session
// description, 488 with a Warning for one that cannot be met (RFC 3261 section 20.43).
func (c *Client) refusalOf(err error) *Refusal {
	warning := `305 %s "Incompatible media format"`
	switch {
	case errors.Is(err, media.ErrSyntax):
		return &Refusal{Code: sip.StatusBadRequest, Reason: "Malformed SDP"}
	case errors.Is(err, media.ErrNoConnection):
		return &Refusal{Code: sip.StatusBadRequest, Reason: "SDP Without c="}
	case errors.Is(err, media.ErrBadAddress):
		warning = `301 %s "Incompatible network address formats"`
	case errors.Is(err, media.ErrNoAudio):
		warning = `304 %s "Media type not available"`
	}
	return &Refusal{
		Code: sip.StatusNotAcceptableHere, Headers: []Header{{"Warning", fmt.Sprintf(warning, c.Addr())}},
	}
}

// Negotiated is what the two ends have last said about their media, and what that comes to
// for this one.
type Negotiated struct {
	Local, Remote media.Description
	Agreed        media.Agreement
}

// Negotiated is the outcome of the last offer and answer; false before the first.
func (s *Session) Negotiated() (Negotiated, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream == nil {
		return Negotiated{}, false
	}
	n := Negotiated{Local: s.local, Remote: s.remote}
	var err error
	n.Agreed, err = media.Agree(s.local, s.remote)
	return n, err == nil
}
