package media

import (
	"net/netip"
	"time"
)

// Answer makes the answer to an offer (RFC 3264 §6). local is what this end
// has to say for itself: its addresses, its codecs (none means DefaultCodecs),
// whether it takes RTCP on the RTP port, and the direction it wants; its
// session id and version are kept.
//
// The answer has the codecs that both have, in the offer's order and under the
// offer's numbers, the direction that both allow, and every other media line
// of the offer for Marshal to reject. Without a voice codec in common the
// error is ErrNoCommonCodec.
func Answer(offer, local Description) (Description, error) {
	answer := local
	answer.Codecs = common(offer.Codecs, local.Codecs)
	if _, ok := answer.Codec(); !ok {
		return Description{}, ErrNoCommonCodec
	}
	// RFC 3264 §6.1: what one sends the other receives.
	answer.Direction = directionOf(
		local.Direction.Sends() && offer.Direction.Receives(),
		local.Direction.Receives() && offer.Direction.Sends(),
	)
	answer.Mux = offer.Mux && local.Mux // RFC 5761 §5.1.1
	if answer.PTime == 0 {
		answer.PTime = offer.PTime
	}
	answer.Others, answer.AudioIndex = offer.Others, offer.AudioIndex
	return answer, nil
}

// common is the codecs of theirs that ours has too.
func common(theirs, ours []Codec) []Codec {
	if len(ours) == 0 {
		ours = DefaultCodecs()
	}
	var list []Codec
	for _, t := range theirs {
		for _, o := range ours {
			if t.same(o) {
				list = append(list, Codec{PayloadType: t.PayloadType, Name: o.Name, ClockRate: o.ClockRate, Params: o.Params})
				break
			}
		}
	}
	return list
}

// Agreement is what an offer and its answer come to for one end.
type Agreement struct {
	RTP, RTCP  netip.AddrPort // of the remote end; equal when multiplexed
	Mux        bool
	Codec      Codec // to send with
	Events     Events
	PTime      time.Duration
	Send, Recv bool
}

// Agree reads the outcome of an offer/answer exchange for the end that wrote
// local, whichever of the two it was. It feeds Stream: New with the codec,
// Start with RTP and RTCP, SetDirection with Send and Recv.
func Agree(local, remote Description) (Agreement, error) {
	codecs := common(remote.Codecs, local.Codecs)
	codec, ok := Description{Codecs: codecs}.Codec()
	if !ok {
		return Agreement{}, ErrNoCommonCodec
	}
	a := Agreement{
		RTP:   remote.RTP,
		RTCP:  remote.rtcpOrDefault(),
		Mux:   local.Mux && remote.Mux,
		Codec: codec, Events: agreeEvents(local.Codecs, remote.Codecs, codec),
		PTime: remote.PTime,
		Send:  local.Direction.Sends() && !remote.Hold(),
		Recv:  local.Direction.Receives() && remote.Direction.Sends(),
	}
	if a.Mux {
		a.RTCP = a.RTP
	}
	if a.PTime <= 0 || a.PTime > maxPTime {
		a.PTime = defaultPTime
	}
	return a, nil
}
