// Package eventbody reads and writes what event packages put into NOTIFY and PUBLISH.
//
//   - [Presence]: application/pidf+xml (RFC 3863), package presence (RFC 3856).
//   - [Summary]: application/simple-message-summary (RFC 3842), package message-summary.
//   - [DialogInfo]: application/dialog-info+xml, package dialog (both RFC 4235).
//
// What is written reads back the same, and what was read can be written:
//
//	body, err := eventbody.Presence{Entity: "sip:alice@example.com",
//		Tuples: []eventbody.Tuple{{ID: "phone", Basic: eventbody.Open}}}.Write()
//	p, err := eventbody.ReadPresence(body)
//
// It is not a presence agent: nothing here composes or filters documents. Elements of other
// namespaces are skipped, and none is written.
package eventbody

import (
	"errors"
	"fmt"
)

// ErrBody means that a body is not of its format. errors.Is.
var ErrBody = errors.New("eventbody: not a body of this type")

// MaxSize is the largest body that is read: no datagram holds more.
const MaxSize = 65535

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrBody}, args...)...)
}
