package sipalg

import (
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// Beside is an ALG beside a NAT: it rewrites what the NAT has let through, and opens the
// NAT for what it reads. Beside a box that helps SIP
// (natmodels.Helped) the variant linux is the
// SIP helper of Linux. It is not safe for concurrent use.
type Beside struct {
	NAT natmodels.Box
	ALG ALG
	// Asked, if it is not nil, sees what the NAT is asked to expect, and may change it;
	// Wrap stands between the ALG and the NAT. They are for experiments.
	Asked func(*natmodels.Expectation)
	Wrap  func(Gate) Gate

	sessions map[uint64]*Session // by mapping
	sweepAt  int
}

// Passage is a UDP packet that the NAT has let through.
type Passage struct {
	Before  natmodels.Packet // as it arrived
	Verdict natmodels.Verdict
	Inward  bool // it came from the outside
	Payload []byte
	At      time.Time
}

// Passed is what goes on of it.
type Passed struct {
	Payload []byte
	Dst     netip.AddrPort // most often the verdict's
	Dropped bool           // nothing goes on
	Opened  []Opened
}

// Opened is an external endpoint that is announced for an internal one.
type Opened struct{ Internal, External netip.AddrPort }

// Pass rewrites a packet. It belongs right after the call that returned the verdict.
func (b *Beside) Pass(p Passage) Passed {
	out := Passed{Payload: p.Payload, Dst: p.Verdict.Packet.Dst}
	if nat, ok := b.NAT.(natmodels.Helped); ok && b.ALG.Linux && nat.HelpsSIP() {
		if watched, ok := nat.Watched(p.Verdict.Mapping.ID); ok {
			if p.Verdict.Action == natmodels.Forward {
				b.help(p, nat, watched, &out)
			}
		}
		return out
	}
	after := p.Verdict.Packet
	hairpin := p.Verdict.Action == natmodels.Hairpin
	if !p.Inward || hairpin {
		f := Flow{Internal: p.Before.Src, External: after.Src, Remote: p.Before.Dst}
		f.Media = func(internal netip.AddrPort) (netip.AddrPort, bool) { return b.media(f, internal, p.At, &out) }
		out.Payload = b.ALG.Outbound(out.Payload, f)
	}
	if p.Inward || hairpin {
		out.Payload = b.ALG.Inbound(out.Payload, Flow{Internal: after.Dst, External: p.Before.Dst, Remote: after.Src})
	}
	out.Dropped = out.Payload == nil && p.Payload != nil
	return out
}

// media opens the NAT for media at an internal endpoint: from anybody, or from the peer
// of the signalling.
func (b *Beside) media(f Flow, internal netip.AddrPort, at time.Time, out *Passed) (netip.AddrPort, bool) {
	e := natmodels.Expectation{Protocol: natmodels.UDP, Internal: internal}
	if b.ALG.Linux {
		e.Remote = f.Remote.Addr()
	}
	return b.expect(e, at, out)
}

func (b *Beside) expect(e natmodels.Expectation, at time.Time, out *Passed) (netip.AddrPort, bool) {
	if b.Asked != nil {
		b.Asked(&e)
	}
	external, reason := b.NAT.Expect(e, at)
	if reason != natmodels.NotDropped {
		return netip.AddrPort{}, false
	}
	if !e.Tracked.Outward && !e.Tracked.Inactive {
		out.Opened = append(out.Opened, Opened{e.Internal, external})
		if e.Tracked.Pair {
			out.Opened = append(out.Opened, Opened{above(e.Internal), above(external)})
		}
	}
	return external, true
}

func above(e netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(e.Addr(), e.Port()+1) }

// help does as the SIP helper of Linux with a message of a flow that it watches.
func (b *Beside) help(p Passage, nat natmodels.Helped, watched natmodels.Watched, out *Passed) {
	id, after := p.Verdict.Mapping.ID, p.Verdict.Packet
	f := Flow{Watched: true, Expected: watched.Expected, Session: b.session(id, nat), Gate: &asker{b, nat, id, p.At, out}}
	if b.Wrap != nil {
		f.Gate = b.Wrap(f.Gate)
	}
	if p.Inward {
		f.Internal, f.External, f.Remote, f.RemoteInside = after.Dst, p.Before.Dst, p.Before.Src, after.Src
		out.Payload = b.ALG.Inbound(p.Payload, f)
	} else {
		f.Internal, f.External, f.Remote = p.Before.Src, after.Src, after.Dst
		out.Payload = b.ALG.Outbound(p.Payload, f)
	}
	if out.Payload == nil && p.Payload != nil {
		out.Dropped = true
		if p.Verdict.Created {
			nat.Retract(id, p.At)
		}
		return
	}
	if port := f.Session.ForcedPort(p.Payload); port != 0 && p.Inward != watched.Inward {
		out.Dst = netip.AddrPortFrom(out.Dst.Addr(), port)
	}
}

// session is what is remembered of a flow. Those of flows that are over are forgotten
// now and then.
func (b *Beside) session(id uint64, nat natmodels.Helped) *Session {
	if s := b.sessions[id]; s != nil {
		return s
	}
	if b.sessions == nil {
		b.sessions = make(map[uint64]*Session)
	}
	if len(b.sessions) >= b.sweepAt {
		for old := range b.sessions {
			if _, alive := nat.Watched(old); !alive {
				delete(b.sessions, old)
			}
		}
		b.sweepAt = 2*len(b.sessions) + 64
	}
	s := new(Session)
	b.sessions[id] = s
	return s
}

// asker is the NAT as the helper sees it, for the messages of one flow.
type asker struct {
	*Beside
	nat natmodels.Helped
	id  uint64
	at  time.Time
	out *Passed
}

func (h *asker) Expect(e Expectation) (port uint16, ok bool) {
	signalling := e.Class == Signalling
	external, ok := h.expect(natmodels.Expectation{
		Protocol: natmodels.UDP, Remote: e.From, Internal: e.To,
		Tracked: natmodels.TrackedExpectation{
			Outward: e.Outward, Port: e.Port,
			Pair: !signalling, Signalling: signalling, Permanent: signalling, Inactive: signalling,
			Master: h.id, Class: uint8(e.Class), Limit: e.Class.Limit(),
		},
	}, h.at, h.out)
	return external.Port(), ok
}

func (h *asker) Elsewhere(c Class, from netip.Addr, to netip.AddrPort) bool {
	e, ok := h.nat.Expected(natmodels.UDP, from, to, h.at)
	return ok && e.Tracked.Master != h.id && e.Tracked.Class == uint8(c)
}

func (h *asker) Renew(to netip.AddrPort, lifetime time.Duration) bool {
	return h.nat.RenewExpectation(h.id, uint8(Signalling), to, lifetime, h.at)
}

func (h *asker) Forget(c Class) { h.nat.Unexpect(h.id, uint8(c), h.at) }
