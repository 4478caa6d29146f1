package theory

import (
	"errors"
	"fmt"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
)

// RegistersAgain says whether an end that has registered has done so again by now, since something told
// it that its mapping is another one.
func (n *Network) RegistersAgain(side cell.Side) Answer {
	s := n.station(side)
	if s.again == nil {
		return NotSent(s.end.host, "REGISTER", fmt.Sprintf("nothing tells %s that its mapping is another one", s.end.host))
	}
	return Arrives()
}

// RegisteredAgain is the 200 to that.
func (n *Network) RegisteredAgain(side cell.Side, message string) Answer {
	c := *n.station(side).again
	if !c.IsZero() {
		c.Message = message
		c.Why = fmt.Sprintf("%s registers again with the address that it had before; the response goes there (RFC 3261 §18.2.2)", n.station(side).end.host)
	}
	return answer(c)
}

// coveredCrowd refuses what many hosts do to each other by chance.
func coveredCrowd(cfg Config, e End) error {
	b := e.NAT
	switch {
	case cfg.Crowd < 2 || e.Side != cell.A:
		return nil
	case !b.Translates() && cfg.Crowd > 200:
		return errors.New("more phones than there are public addresses on a's network")
	case b.Translates() && b.PreservesPort(cell.SIPPort) && e.Traits.Address == Bound && (!(cfg.Rport && e.Traits.Rport) || cfg.Policy == cell.RegistrarIPOnly),
		b.Translates() && b.PreservesPort(cell.SIPPort) && cfg.Change == cell.ChangeRestart: // who has it again notices nothing
		return errors.New("one port that is preserved, and which of many hosts has it")
	case b.Mappings != 0 && b.Mappings < enough+8*cfg.Crowd, b.Ports != 0 && b.Ports < enough+8*cfg.Crowd:
		return errors.New("fewer mappings or ports than so many hosts may need (RFC 6888 REQ-4)")
	case b.Filtering != natmodels.EndpointIndependent && cfg.Forwards:
		return errors.New("port forwards for many hosts")
	}
	return nil
}
