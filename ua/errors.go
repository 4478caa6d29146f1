package ua

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Sentinel errors, for errors.Is.
var (
	// ErrClosed: the client is closed, or was closed meanwhile.
	ErrClosed = errors.New("ua: client is closed")
	// ErrNotStarted: Start has not been called.
	ErrNotStarted = errors.New("ua: client is not started")
	// ErrAlreadyStarted: Start has been called before.
	ErrAlreadyStarted = errors.New("ua: client is already started")
	// ErrConfig: a configuration that cannot be honoured; the message says why.
	ErrConfig = errors.New("ua: invalid configuration")

	// ErrPortMappingUnavailable: a port manager had no mapping, or none in time.
	// The operation that needed it has failed.
	ErrPortMappingUnavailable = errors.New("ua: port mapping unavailable")
	// ErrPortMappingFailed: a port manager had a mapping that could not be used or
	// brought up to date. The operation that needed it has failed.
	ErrPortMappingFailed = errors.New("ua: port mapping failed")
	// ErrPortManagerAlreadySet: a port manager is set before Enable, not after.
	ErrPortManagerAlreadySet = errors.New("ua: the profile is enabled, its port manager can no longer be set")
	// ErrReentrant: a port manager called back into the client that was calling it.
	ErrReentrant = errors.New("ua: a port manager must not call back into the client")

	// ErrNotIdle: the session has begun; what was asked for is possible before that only.
	ErrNotIdle = errors.New("ua: session is not idle")
	// ErrState: the operation does not fit the state of the session or profile.
	ErrState = errors.New("ua: not possible in this state")
	// ErrEnabled: the profile is enabled already.
	ErrEnabled = errors.New("ua: profile is already enabled")

	// ErrCanceled: the call was given up before it was answered.
	ErrCanceled = errors.New("ua: call canceled")
	// ErrMoved: the client moved to another address while the call was being set up.
	ErrMoved = errors.New("ua: the client has moved")
	// ErrTransactionTimeout: no response came. The error is a *TimeoutError.
	ErrTransactionTimeout = errors.New("ua: no response")
	// ErrMessageTooLarge: a request above 1300 bytes must not be sent over UDP
	// (RFC 3261 section 18.1.1) and there is no other transport here.
	ErrMessageTooLarge = errors.New("ua: request is too large for UDP")
	// ErrUnresolvable: the host of a URI is a name and Config.Resolve is nil.
	ErrUnresolvable = errors.New("ua: host name cannot be resolved")
	// ErrAuthentication: the credentials were refused, or do not fit the challenge.
	ErrAuthentication = errors.New("ua: authentication failed")
	// ErrNoOutbound: the registrar or the first hop does not do RFC 5626.
	ErrNoOutbound = errors.New("ua: registered without outbound")
	// ErrFlowFailed: a 430 says that a flow is broken.
	ErrFlowFailed = errors.New("ua: flow failed")
	// ErrContact: what a response says about where a REGISTER came from cannot be true, or
	// is another address again (Options.LearnContact).
	ErrContact = errors.New("ua: contact cannot be learned")
	// ErrMedia: the two session descriptions have nothing in common, or one of them
	// cannot be understood.
	ErrMedia = errors.New("ua: no agreement on media")
)

// ResponseError is a final response that is not a success. It is returned as a pointer.
type ResponseError struct {
	Method string // of the request that was refused
	Code   int
	Reason string // the reason phrase
	// Contacts are the URIs of a 3xx that were not, or could not be, followed.
	Contacts []string
	// RetryAfter is what the response asked for, or 0.
	RetryAfter time.Duration
}

func (e *ResponseError) Error() string {
	return fmt.Sprintf("ua: %s: %d %s", e.Method, e.Code, e.Reason)
}

// TimeoutError is a request that nobody answered. It is returned as a pointer and
// is ErrTransactionTimeout.
type TimeoutError struct {
	Method string
	To     netip.AddrPort // where it was sent
	From   netip.AddrPort // the local address it was sent from
	Via    netip.AddrPort // where the response was asked to go; with rport, its source instead
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("ua: %s sent from %s (Via %s) to %s: no response", e.Method, e.From, e.Via, e.To)
}

// Unwrap makes errors.Is(err, ErrTransactionTimeout) true.
func (e *TimeoutError) Unwrap() error { return ErrTransactionTimeout }
