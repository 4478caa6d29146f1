package registrar

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// EventKind says what happened.
type EventKind uint8

const (
	Registered   EventKind = iota + 1 // a binding was made or refreshed
	Unregistered                      // a binding was removed by its user agent
	Expired                           // a binding was found to have run out
	Forwarded                         // a request was sent on
	Returned                          // a response was sent back towards the caller
	Answered                          // the server itself answered a request
	TimedOut                          // a target did not answer in time
	Dropped                           // something was thrown away
	Subscribed                        // a subscription was made or refreshed
	Unsubscribed                      // a subscription ended
	Published                         // a user agent published, refreshed or removed event state
	Notified                          // a NOTIFY was sent
	Unreachable                       // a binding was removed since its user agent does not answer
)

var eventNames = [...]string{
	Registered: "registered", Unregistered: "unregistered", Expired: "expired", Forwarded: "forwarded",
	Returned: "returned", Answered: "answered", TimedOut: "timed-out", Dropped: "dropped", Unreachable: "unreachable",
	Subscribed: "subscribed", Unsubscribed: "unsubscribed", Published: "published", Notified: "notified",
}

func (k EventKind) String() string {
	if k > 0 && int(k) < len(eventNames) {
		return eventNames[k]
	}
	return fmt.Sprintf("EventKind(%d)", uint8(k))
}

// Cause says which rule chose the address a message was sent to.
type Cause uint8

const (
	ByContact    Cause = iota + 1 // the registered Contact, as the user agent wrote it
	ByReceived                    // the address the REGISTER came from
	ByPath                        // the Path of the registration (RFC 3327)
	ByAlias                       // the alias parameter of the Request-URI
	ByRoute                       // the next Route header field
	ByRequestURI                  // the Request-URI itself
	ByPeer                        // an entry of Config.Routes
	ByVia                         // the Via: received address and sent-by port (RFC 3261 §18.2.2)
	ByRport                       // the Via: received address and rport (RFC 3581 §4)
	ByFlow                        // the flow the user agent opened (RFC 5626)
	BySourceIP                    // the IP address the REGISTER came from, and the port of the Contact
)

var causeNames = [...]string{
	ByContact: "contact", ByReceived: "received", ByPath: "path", ByAlias: "alias", ByRoute: "route",
	ByRequestURI: "request-uri", ByPeer: "peer", ByVia: "via", ByRport: "rport", ByFlow: "flow", BySourceIP: "source-ip",
}

func (c Cause) String() string {
	if c > 0 && int(c) < len(causeNames) {
		return causeNames[c]
	}
	return fmt.Sprintf("Cause(%d)", uint8(c))
}

// Event is one decision of the server, with what a person needs to see why.
type Event struct {
	Kind   EventKind
	At     time.Time
	Method string // of the request, or of the request a response belongs to
	CallID string
	Code   int            // status code, for responses
	User   string         // the user part of the Request-URI, or the registered user
	Source netip.AddrPort // where the message came from
	Target netip.AddrPort // where the message went
	By     Cause          // which rule chose Target
	URI    string         // the URI the rule read: Contact, Route, Request-URI
	Detail string         // one more thing for people
}

// String is one line such as "INVITE bob -> 198.51.100.7:40001 by contact sip:bob@198.51.100.7:40001".
func (e Event) String() string {
	var b strings.Builder
	switch {
	case e.Kind == Forwarded, e.Kind == Notified:
		fmt.Fprintf(&b, "%s %s -> %v by %v", e.Method, e.User, e.Target, e.By)
	case e.Target.IsValid():
		fmt.Fprintf(&b, "%v %d to %s -> %v by %v", e.Kind, e.Code, e.Method, e.Target, e.By)
	default:
		fmt.Fprintf(&b, "%v", e.Kind)
		for _, s := range []string{e.Method, e.User} {
			if s != "" {
				b.WriteByte(' ')
				b.WriteString(s)
			}
		}
		if e.Source.IsValid() {
			fmt.Fprintf(&b, " from %v", e.Source)
		}
	}
	if e.URI != "" {
		b.WriteByte(' ')
		b.WriteString(e.URI)
	}
	if e.Detail != "" {
		b.WriteString(" (" + e.Detail + ")")
	}
	return b.String()
}

// emit reports e. Callers hold s.mu.
func (s *Server) emit(e Event) {
	if s.cfg.OnEvent == nil && s.log == nil {
		return
	}
	e.At = time.Now()
	if s.log != nil {
		s.log.Debug(e.String(), slog.String("call-id", e.CallID))
	}
	if s.cfg.OnEvent != nil {
		s.cfg.OnEvent(e)
	}
}
