package media

import (
	"errors"

	"github.com/natproof/natproof/internal/text"
)

// What New, Start and the SDP helpers refuse. Match with errors.Is.
var (
	ErrConfig  = errors.New("media: configuration refused")
	ErrStarted = errors.New("media: stream already started")
	ErrClosed  = errors.New("media: stream closed")

	// ErrDTMF: what SendDTMF was given are no digits, or no duration of one.
	ErrDTMF = errors.New("media: digits refused")
	// ErrNoEvents: the peer takes no telephone events, or not these.
	ErrNoEvents = errors.New("media: the peer takes no such telephone events")
	// ErrNotSending: the stream has nowhere to send to, is on hold, Silent or not started.
	ErrNotSending = errors.New("media: stream is not sending")

	// ErrSyntax: the session description is not RFC 8866 text.
	ErrSyntax = errors.New("media: sdp: malformed")
	// ErrControl comes with ErrSyntax where a control character is the reason.
	ErrControl = text.ErrControl
	// ErrNoAudio: no m=audio line with RTP/AVP and a port other than 0.
	ErrNoAudio = errors.New("media: sdp: no usable audio line")
	// ErrNoConnection: neither the session nor the audio line has a c= line.
	ErrNoConnection = errors.New("media: sdp: no c= line")
	// ErrBadAddress: an address in c= or a=rtcp that RTP cannot be sent to.
	ErrBadAddress = errors.New("media: sdp: bad address")
	// ErrNoCommonCodec: no audio codec is in both descriptions.
	ErrNoCommonCodec = errors.New("media: sdp: no codec in common")
)
