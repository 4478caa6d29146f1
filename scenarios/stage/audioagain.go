package stage

import (
	"context"

	"github.com/natproof/natproof/media"
)

// Redescribe is Describe for an offer within a call: on hold it sends nothing and wants nothing.
func (a *Audio) Redescribe(way media.Direction) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = way != media.SendRecv
	return a.described(way)
}

// described is a description of a later version than the last.
func (a *Audio) described(way media.Direction) []byte {
	a.version++
	return media.Marshal(media.Description{RTP: a.at, Direction: way, SessionVersion: a.version})
}

// Retalk goes on with what a description within a call says: an answer, or an offer, to which it is
// given the answer (RFC 3264 §6.1, §8).
func (a *Audio) Retalk(description []byte) (answer []byte, err error) {
	there, err := media.Parse(description)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stream == nil {
		return nil, ErrCannot
	}
	a.stream.SetRemote(there.RTP, there.RTCP)
	sends, receives := !a.held && there.Direction.Receives(), !a.held && there.Direction.Sends()
	a.stream.SetDirection(sends, receives)
	way := media.SendRecv
	switch {
	case !sends && !receives:
		way = media.Inactive
	case !sends:
		way = media.RecvOnly
	case !receives:
		way = media.SendOnly
	}
	return a.described(way), nil
}

// Press presses keys, if media runs.
func (a *Audio) Press(ctx context.Context, digits string) error {
	a.mu.Lock()
	s := a.stream
	a.mu.Unlock()
	if s == nil {
		return ErrCannot
	}
	return s.SendDTMF(ctx, digits, 0)
}
