package lab

import (
	"sync"

	"github.com/natproof/natproof/servers/gateway"
)

// pstn tells what the gateway does.
type pstn struct {
	play   *play
	name   string
	server *gateway.Server

	mu sync.Mutex
	up map[string]gateway.State // by Call-ID
}

func (g *pstn) changed(c gateway.Call) {
	g.mu.Lock()
	before, known := g.up[c.ID]
	g.up[c.ID] = c.State
	g.mu.Unlock()
	if known && before == c.State {
		return
	}
	switch c.State {
	case gateway.Ringing:
		g.play.record.tell(LineTold, g.name, "rings: %s calls %s", g.play.callerName(c.From), c.Number)
	case gateway.Talking:
		g.play.record.tell(LineTold, g.name, "is in a call with %s", g.play.callerName(c.From))
	case gateway.Ended:
		g.play.record.tell(LineTold, g.name, "the call with %s is over: %s", g.play.callerName(c.From), c.Cause)
	}
}

func (g *pstn) sample() counts {
	var n counts
	for _, c := range g.server.Calls() {
		n.used += c.Media.RTPReceived
		n.strict += c.Media.RTPStrictDropped
	}
	return n
}
