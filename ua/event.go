package ua

import (
	"net/netip"
	"time"
)

// Event is what a client tells its user: RegistrationEvent, SessionEvent, MediaEvent,
// MappingEvent, KeepAliveEvent, FlowEvent, ContactEvent, DiscardEvent, UnsentEvent, SocketEvent,
// MessageEvent, DTMFEvent, ReferEvent, TransferEvent, SubscriptionEvent, NotifyEvent,
// WatcherEvent or PublicationEvent.
type Event interface{ event() }

// RegistrationEvent is a change of a profile's registration.
type RegistrationEvent struct {
	Profile *Profile
	State   RegistrationState
	Code    int            // of the response that caused it, or 0
	Err     error          // why: Rejected and Error
	Expires time.Duration  // Registered: how long
	Contact netip.AddrPort // Registered: the external address that was registered
	// Seen is where the REGISTER came from as the server saw it, if it said so (RFC 3581).
	Seen netip.AddrPort
	// Flow is the reg-id, or 0 without ProfileConfig.Outbound; Outbound says that the
	// registrar does RFC 5626.
	Flow     int
	Outbound bool
	// Retry is when the next attempt will be made, if there will be one.
	Retry time.Duration
}

// SessionEvent is a change of a session's state. With Incoming, Session is new: ring,
// answer or reject it.
type SessionEvent struct {
	Session *Session
	State   SessionState
	Reason  TerminateReason // Disconnected
	Code    int             // of the response that caused it, or 0
	Err     error           // Disconnected, if it was not asked for
	// Replaces is the session whose place this one takes (RFC 3891), with Incoming: it is
	// answered without being asked, and then the other ends with the reason Replaced.
	Replaces *Session
}

// MediaEvent is a session's audio beginning, ending or changing.
type MediaEvent struct {
	Session    *Session
	State      MediaState
	Remote     netip.AddrPort // RTP as signalled
	RemoteRTCP netip.AddrPort
	Send, Recv bool
}

// MediaState is the kind of a MediaEvent.
type MediaState uint8

// The media states.
const (
	MediaStarted MediaState = iota + 1
	MediaChanged            // the peer moved, held or resumed
	MediaStopped
)

// String names the state.
func (s MediaState) String() string {
	return name(mediaStateNames[:], uint8(s))
}

var mediaStateNames = [...]string{"", "started", "changed", "stopped"}

// MappingEvent is news of a mapping: it changed (Err is nil), or could not be released.
type MappingEvent struct {
	Old, New Mapping
	Profile  *Profile // whose mapping it is, or nil
	Session  *Session // whose mapping it is, or nil
	Err      error
}

// KeepAliveEvent is a keepalive that shows the way to the registrar to be broken. The
// profile registers again, unless the keepalive was a REGISTER that has just done so.
type KeepAliveEvent struct {
	Profile *Profile
	Flow    int // as in RegistrationEvent
	Err     error
}

// FlowEvent is news of a flow of ProfileConfig.Outbound: ErrNoOutbound, that it is registered
// as RFC 3261 has it, or ErrFlowFailed, that it is being registered anew.
type FlowEvent struct {
	Profile *Profile
	Flow    int            // the reg-id
	Proxy   netip.AddrPort // where it goes
	Code    int            // of the response that says so
	Err     error
}

// ContactEvent is what Options.LearnContact made of a response to a REGISTER.
type ContactEvent struct {
	Profile *Profile
	Flow    int            // as in RegistrationEvent
	Old     netip.AddrPort // Contact as it was registered
	New     netip.AddrPort // where that REGISTER came from, as the response has it
	Learned bool           // New is the Contact from now on
	Err     error          // ErrContact: what speaks against New
	Over    bool           // nothing more will be learned until Enable, or another mapping
}

// DiscardEvent is a response that came and is not used, since the sent-by of its Via is
// not the one that the request had (RFC 3261 section 18.1.2): somebody on the way, most
// likely an application level gateway, has rewritten it.
type DiscardEvent struct {
	Method, CallID string
	Code           int
	Sent, Got      string // the two, as host:port
}

// UnsentEvent is a SIP message that did not leave, since the socket did not take it.
// Requests that a caller waits for fail with the error too; of a response or a repetition
// nobody else hears.
type UnsentEvent struct {
	Method, CallID string
	Code           int // 0 for a request
	Size           int // in bytes
	To             netip.AddrPort
	Err            error
}

// SocketEvent is a SIP socket that is broken: it was closed by somebody else, or could not be
// read 16 times in a row. It is not read any more, so nothing that comes there is heard.
type SocketEvent struct {
	Local netip.AddrPort
	Err   error
}

// MessageEvent is a MESSAGE (RFC 3428) that arrived and was answered 200.
type MessageEvent struct {
	From, To    string // URIs
	ContentType string
	Body        []byte
	Source      netip.AddrPort
}

func (RegistrationEvent) event() {}
func (SessionEvent) event()      {}
func (MediaEvent) event()        {}
func (MappingEvent) event()      {}
func (KeepAliveEvent) event()    {}
func (ContactEvent) event()      {}
func (FlowEvent) event()         {}
func (DiscardEvent) event()      {}
func (UnsentEvent) event()       {}
func (SocketEvent) event()       {}
func (MessageEvent) event()      {}

// name looks a state up in a list of names.
func name(names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return "unknown"
}
