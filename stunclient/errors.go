package stunclient

import (
	"errors"
	"fmt"
	"net/netip"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/stunclient/attr"
)

var (
	// ErrTimeout means that no response came to any request of a transaction.
	ErrTimeout = errors.New("no response")
	// ErrBadResponse means that a response came that cannot be read, or that
	// lacks what a response must have.
	ErrBadResponse = errors.New("bad response")
	// ErrUnknownAttributes means that a response has attributes that must be
	// understood and are not (RFC 8489 sections 6.3.3 and 6.3.4).
	ErrUnknownAttributes = errors.New("unknown comprehension-required attributes in the response")
)

// An ErrorResponse is a server's refusal.
type ErrorResponse struct {
	Code    int             // 300 to 699, as in 420
	Reason  string          // the server's words, less control characters
	Unknown []pion.AttrType // with 420: what the server does not understand
	// Alternate is, with 300, the server to try instead (RFC 8489 section 10).
	Alternate netip.AddrPort
	// Response is the rest of what the response says; it has no addresses.
	Response Response
}

// Error names the code, the reason and the attributes in question.
func (e *ErrorResponse) Error() string {
	s := fmt.Sprintf("error response %d %s", e.Code, e.Reason)
	for i, t := range e.Unknown {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		s += sep + attr.Name(t)
	}
	return s
}

// Is lets errors.Is find an *ErrorResponse by its code alone:
// errors.Is(err, &ErrorResponse{Code: 420}).
func (e *ErrorResponse) Is(target error) bool {
	t, ok := target.(*ErrorResponse)
	return ok && t.Code == e.Code
}
