package translate

import (
	"fmt"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
)

// Explain says in one sentence what became of a packet and why, for people. It
// belongs right after the call that returned v: for a Filtered packet it names the
// remotes that the mapping admits by now.
func (n *NAT) Explain(v natmodels.Verdict) string {
	return judge.Explain(v, n.explainDrop)
}

func (n *NAT) explainDrop(v natmodels.Verdict) string {
	p := v.Packet
	switch v.Reason {
	case natmodels.Filtered:
		return n.explainFiltered(v)
	case natmodels.PortsExhausted:
		return fmt.Sprintf("no external port in %v is free for %v", n.ranges[spaceOf(p.Protocol)], p.Src)
	case natmodels.PortConflict:
		return n.explainConflict(v)
	case natmodels.LimitReached:
		return fmt.Sprintf("%v can have no further mapping: %v", p.Src.Addr(), n.cfg.Limits)
	}
	return judge.Drop(v)
}

// explainFiltered names the mapping that refused the packet and the remotes it
// admits.
func (n *NAT) explainFiltered(v natmodels.Verdict) string {
	remotes, _ := n.Admitted(v.Mapping, n.clock.Time(n.clock.Now()))
	filtering := n.filtering[spaceOf(v.Mapping.Protocol)].String() + " filtering"
	if n.cfg.FilterScope == natmodels.PerEndpoint {
		filtering += " per internal endpoint"
	}
	if n.said == nil {
		n.said = &judge.Said{}
	}
	return n.said.Admits(v.Mapping, remotes, filtering)
}

func (n *NAT) explainConflict(v natmodels.Verdict) string {
	port := v.Packet.Src.Port()
	switch {
	case !v.Mapping.IsZero():
		return fmt.Sprintf("port %d must be preserved for %v, but mapping %v has it", port, v.Packet.Src, v.Mapping)
	case !n.ranges[spaceOf(v.Packet.Protocol)].Contains(port):
		return fmt.Sprintf("port %d must be preserved for %v, but lies outside %v", port, v.Packet.Src, n.ranges[spaceOf(v.Packet.Protocol)])
	}
	return fmt.Sprintf("port %d must be preserved for %v, but is free on no external address", port, v.Packet.Src)
}
