package kernelnat

import (
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/sipalg"
)

// Helped is the engine with the Linux variant of the ALG beside it: the model of a
// router with the SIP helper.
type Helped struct {
	Engine
	alg sipalg.Beside

	// What a test gets wrong on purpose, to see that it is noticed.
	edit func(before, after []byte) []byte
}

// Helped returns our model of the ruleset, payloads and all.
func (r Ruleset) Helped(timers Timers, seed uint64) (*Helped, error) {
	engine, err := r.Engine(timers, seed)
	if err != nil {
		return nil, err
	}
	alg, err := sipalg.Named("linux")
	return &Helped{Engine: engine, alg: sipalg.Beside{NAT: engine.NAT, ALG: alg}}, err
}

// Send implements Box.
func (h *Helped) Send(from Side, p Packet, at time.Duration) ([]Emission, error) {
	v, out := h.Engine.send(from, p, at)
	for i := range out {
		out[i].Data = p.Data
	}
	if _, watched := h.NAT.Watched(v.Mapping.ID); v.Action != natmodels.Forward || !watched {
		return out, nil
	}
	passed := h.alg.Pass(sipalg.Passage{
		Before:  natmodels.Packet{Protocol: natmodels.UDP, Src: p.Src, Dst: p.Dst},
		Verdict: v, Inward: from == Outside, Payload: p.Data, At: epoch.Add(at),
	})
	if passed.Dropped {
		return nil, nil
	}
	to := &out[0].Packet
	to.Data, to.Dst = passed.Payload, passed.Dst
	if h.edit != nil {
		to.Data = h.edit(p.Data, to.Data)
	}
	return out, nil
}
