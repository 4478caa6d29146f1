package theory

import (
	"fmt"
	"slices"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
)

// atStranger is who sends media to an end and is not of the call.
var atStranger = endpoint{-3, cell.RTPPort}

// Stranger is that somebody with a public address, who is not of the call, sends RTP to what an end
// announced, much more often than the other end does, for some time in the midst of the talk. It
// says whether that comes in.
func (n *Network) Stranger(to cell.Side, lasts time.Duration) Answer {
	n.talks()
	n.Passes(n.calm)
	c := n.course
	i := slices.IndexFunc(c.talks, func(t *talk) bool { return t.part == cell.RTP })
	t := c.talks[i]
	x := t.ends[to]
	var stopped cell.Cause
	for range rounds {
		var at, src endpoint
		if at, src, stopped = c.enters(cell.BoxInternet, x.announced, atStranger); stopped.IsZero() && at == x.line.host {
			x.hears(src, t.open)
		}
		x.strays = x.strays || x.target == atStranger
		for _, from := range []cell.Side{to, to.Other()} {
			for _, t := range c.talks {
				c.sendsMedia(t, from)
			}
		}
	}
	n.Passes(lasts)
	n.converse(to.Other())
	if stopped.IsZero() {
		return Arrives()
	}
	stopped.Message = cell.RTP.Message()
	stopped.Why = fmt.Sprintf("a stranger is not admitted to the address that %s announced (RFC 4787 §5)", x.station.end.host)
	return answer(stopped)
}

// Kept says whether an end has sent nothing to the stranger.
func (n *Network) Kept(from cell.Side) Answer {
	for _, t := range n.course.talks {
		if x := t.ends[from]; x.strays && !(stream{rtcp: t.part == cell.RTCP}).silent(*x.station.end) { // who is silent has nothing to send
			return answer(cell.Cause{Box: cell.BoxStranger, Rule: cell.RuleElsewhere, Message: t.part.Message(), Why: fmt.Sprintf(
				"%s latches on to whoever sends to it, and takes the stranger for its peer (RFC 7362 §5)", x.station.end.host)})
		}
	}
	return Arrives()
}
