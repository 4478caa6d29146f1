package stage

import (
	"fmt"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/vnet"
)

// lose has the access link of a lose what the cell wants, either way.
func (w *World) lose(what cell.Loss) error {
	if what != cell.LossFirst {
		return nil
	}
	links := []*vnet.Link{w.site.Link()}
	if w.NATA != nil {
		links[0] = w.NATA.Link()
	}
	if w.elsewhere != nil {
		links = append(links, w.elsewhere)
	}
	for _, link := range links {
		if err := link.SetOutboundRules(firstCopies()); err != nil {
			return fmt.Errorf("stage: loss: %w", err)
		}
		if err := link.SetInboundRules(firstCopies()); err != nil {
			return fmt.Errorf("stage: loss: %w", err)
		}
	}
	return nil
}

// message tells SIP messages apart, and not the copies of one.
type message struct {
	method  string
	status  int
	callID  string
	fromTag string
	cseq    sipmsg.CSeq
}

// firstCopies is a rule that drops each SIP message that it has not seen before.
func firstCopies() vnet.Rule {
	seen := map[message]bool{}
	return func(p vnet.Packet) vnet.Verdict {
		b, ok := sipmsg.Peek(p.Payload)
		if !ok {
			return vnet.Pass
		}
		m := message{b.Names(), b.Status, b.CallID, b.FromTag, b.CSeq}
		if seen[m] {
			return vnet.Pass
		}
		seen[m] = true
		return vnet.Drop(vnet.Reason(cell.RuleLinkLoss), "the first copy of each SIP message is lost here")
	}
}
