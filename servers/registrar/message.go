package registrar

import (
	"net/netip"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

func header(name, value string) sipmsg.Header { return sipmsg.Header{Name: name, Value: value} }

// request is a request as it arrived, with where it goes.
type request struct {
	*sipmsg.Request

	// Routing state, see preprocess.
	uri      sip.Uri // the Request-URI to route by
	uriText  string  // the same as it is written
	routes   []string
	dialog   bool           // belongs to a dialog this server put itself into with Record-Route
	flow     netip.AddrPort // the flow that a Route of ours names, if it is another's
	outbound bool           // a REGISTER that makes a flow of a Contact
	in       *side          // where it came in; nil for an ACK
	out      *side          // the last Route of ours named it; nil without one
}

func newRequest(m *sipmsg.Request) *request {
	return &request{Request: m, uri: m.Recipient, uriText: m.URI}
}

// replyBy is the rule that says where responses to the request go.
func (r *request) replyBy() Cause {
	if r.ByRport {
		return ByRport
	}
	return ByVia
}

type response = sipmsg.Response
