package kernelnat

import (
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/sipalg"
)

// Helped is the engine with the Linux variant of the ALG beside it: the model of a
// router with the SIP helper.
type Helped struct {
	Engine
	alg      sipalg.ALG
	sessions map[uint64]*sipalg.Session // by connection

	// What a test gets wrong on purpose, to see that it is noticed.
	expect    func(*natmodels.Expectation)
	edit      func(before, after []byte) []byte
	forgetful bool
}

// Helped returns our model of the ruleset, payloads and all.
func (r Ruleset) Helped(timers Timers, seed uint64) (*Helped, error) {
	engine, err := r.Engine(timers, seed)
	if err != nil {
		return nil, err
	}
	alg, err := sipalg.Named("linux")
	return &Helped{Engine: engine, alg: alg, sessions: make(map[uint64]*sipalg.Session)}, err
}

// Send implements Box.
func (h *Helped) Send(from Side, p Packet, at time.Duration) ([]Emission, error) {
	v, out := h.Engine.send(from, p, at)
	for i := range out {
		out[i].Data = p.Data
	}
	watched, ok := h.NAT.Watched(v.Mapping.ID)
	if v.Action != natmodels.Forward || !ok {
		return out, nil
	}
	to := &out[0].Packet
	f := sipalg.Flow{
		Watched: true, Expected: watched.Expected,
		Session: h.session(v.Mapping.ID), Gate: gate{h, v.Mapping.ID, epoch.Add(at)},
	}
	if from == Inside {
		f.Internal, f.External, f.Remote = p.Src, to.Src, to.Dst
		to.Data = h.alg.Outbound(p.Data, f)
	} else {
		f.Internal, f.External, f.Remote, f.RemoteInside = to.Dst, p.Dst, p.Src, to.Src
		to.Data = h.alg.Inbound(p.Data, f)
	}
	if to.Data == nil && p.Data != nil {
		if v.Created {
			h.NAT.Retract(v.Mapping.ID, epoch.Add(at))
		}
		return nil, nil
	}
	if h.edit != nil {
		to.Data = h.edit(p.Data, to.Data)
	}
	if port := f.Session.ForcedPort(p.Data); port != 0 && (from == Outside) != watched.Inward {
		to.Dst = netip.AddrPortFrom(to.Dst.Addr(), port)
	}
	return out, nil
}

func (h *Helped) session(id uint64) *sipalg.Session {
	s := h.sessions[id]
	if s == nil {
		s = new(sipalg.Session)
		h.sessions[id] = s
	}
	return s
}

// gate lets the ALG open the engine for what the messages of one connection announce.
type gate struct {
	*Helped
	id  uint64
	now time.Time
}

func (g gate) Expect(e sipalg.Expectation) (port uint16, ok bool) {
	signalling := e.Class == sipalg.Signalling
	x := natmodels.Expectation{
		Protocol: natmodels.UDP, Remote: e.From, Internal: e.To, Outward: e.Outward, Port: e.Port,
		Pair: !signalling, Signalling: signalling, Permanent: signalling, Inactive: signalling,
		Master: g.id, Class: uint8(e.Class), Limit: e.Class.Limit(),
	}
	if g.expect != nil {
		g.expect(&x)
	}
	external, reason := g.NAT.Expect(x, g.now)
	return external.Port(), reason == natmodels.NotDropped
}

func (g gate) Elsewhere(c sipalg.Class, from netip.Addr, to netip.AddrPort) bool {
	e, ok := g.NAT.Expected(natmodels.UDP, from, to, g.now)
	return ok && e.Master != g.id && e.Class == uint8(c)
}

func (g gate) Renew(to netip.AddrPort, lifetime time.Duration) bool {
	return g.NAT.RenewExpectation(g.id, uint8(sipalg.Signalling), to, lifetime, g.now)
}

func (g gate) Forget(c sipalg.Class) {
	if !g.forgetful {
		g.NAT.Unexpect(g.id, uint8(c), g.now)
	}
}
