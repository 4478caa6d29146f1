package flows

import (
	"fmt"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// asked are the steps of a request other than INVITE from one end to the other by way of the proxy:
// the request there, and the 200 back.
func asked(ends map[cell.Side]End, from cell.Side, method string, request, response cell.Step) []Step {
	asker, other := ends[from].Box, ends[from.Other()].Box
	return []Step{
		{
			Step: request, Message: method, From: asker, To: other, Match: wire.Request(method),
			Asks: func(n *theory.Network) theory.Answer { return n.Asks(from, method) },
		},
		{
			Step: response, Message: "200 to " + method, From: other, To: asker, Match: wire.Success(method),
			Asks:  func(n *theory.Network) theory.Answer { return n.Answered(from, "200 to "+method) },
			Needs: []Need{{request, fmt.Sprintf("the %s never reached %s", method, other)}},
		},
	}
}
