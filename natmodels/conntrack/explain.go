package conntrack

import (
	"fmt"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
)

// Explain says in one sentence what became of a packet and why, for people.
func (k *Tracker) Explain(v natmodels.Verdict) string { return judge.Explain(v, k.explainDrop) }

func (k *Tracker) explainDrop(v natmodels.Verdict) string {
	p := v.Packet
	switch v.Reason {
	case natmodels.NoMapping:
		if p.Quoted != nil {
			break
		}
		if v.Mapping.Local {
			return fmt.Sprintf("%v is a port of the box itself, which has it not open", p.Dst)
		}
		if from, ok := k.awaited(p); ok {
			return fmt.Sprintf("%v %v is expected from %v alone", p.Protocol, p.Dst, from)
		}
	case natmodels.Filtered:
		remotes, _ := k.Admitted(v.Mapping, k.clock.Time(k.clock.Now()))
		return judge.Admits(v.Mapping, remotes, k.filtering.String()+" filtering")
	case natmodels.PortsExhausted:
		ports := k.cfg.PortRange.OrDefault()
		if p.IsICMP() {
			ports = natmodels.PortRange{Last: 65535}
		}
		return fmt.Sprintf("no external port in %v is free for %v", ports, p.Src)
	case natmodels.PortConflict:
		return fmt.Sprintf("the external endpoint that was announced for %v is not free", p.Src)
	}
	return judge.Drop(v)
}
