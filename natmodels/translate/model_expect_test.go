package translate

import (
	"net/netip"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/natmodels"
)

// What the model knows of expectations: a flow may have holes, which let somebody in
// until their time is over and, once used, for as long as the flow lives.

type modelHole struct {
	remote netip.Addr // invalid: everybody
	until  time.Time
	used   bool
}

func (h *modelHole) admits(remote netip.Addr, now time.Time) bool {
	return (!h.remote.IsValid() || h.remote == remote) && (h.used || now.Before(h.until))
}

// hole is the one through which a remote gets in, or nil.
func (f *modelFlow) hole(remote netip.Addr, now time.Time) *modelHole {
	for _, h := range f.holes {
		if h.admits(remote, now) {
			return h
		}
	}
	return nil
}

// expects: the remote is, or was, expected at the flow.
func (f *modelFlow) expects(remote netip.Addr) bool {
	return slices.ContainsFunc(f.holes, func(h *modelHole) bool { return !h.remote.IsValid() || h.remote == remote })
}

// use takes note of who came in.
func (f *modelFlow) use(remote netip.Addr, now time.Time) {
	if h := f.hole(remote, now); h != nil {
		h.used = true
	}
}

// open finds the flow that serves what an internal endpoint exchanges with a remote
// address, whatever the mapping behavior is.
func (m *model) open(p natmodels.Protocol, internal netip.AddrPort, remote netip.Addr) *modelFlow {
	for _, key := range []netip.AddrPort{netip.AddrPortFrom(remote, 0), {}} {
		for _, f := range m.flows {
			is := f.info.Protocol == p && f.info.Internal == internal && f.info.Remote == key
			if is && (f.info.Static || f.expects(remote)) {
				return f
			}
		}
	}
	return nil
}

// expect checks the external endpoint that the engine announces.
func (m *model) expect(e natmodels.Expectation, now time.Time, got netip.AddrPort, reason natmodels.Reason) {
	m.advance(now)
	f := m.open(e.Protocol, e.Internal, e.Remote)
	key := netip.AddrPort{}
	if e.Remote.IsValid() && m.mapping(e.Protocol) != natmodels.EndpointIndependent {
		key = netip.AddrPortFrom(e.Remote, 0)
	}
	for _, g := range m.flows {
		if f == nil && g.info.Protocol == e.Protocol && g.info.Internal == e.Internal && g.info.Remote == key {
			f = g
		}
	}
	if f == nil {
		p := natmodels.Packet{Protocol: e.Protocol, Src: e.Internal}
		want := natmodels.LimitReached
		if m.makeRoom(e.Internal.Addr()) {
			want, _ = m.refusal(e.Protocol, e.Internal)
		}
		if want != reason {
			m.fail("expect %+v: got %v, want %v", e, reason, want)
		}
		if reason != natmodels.NotDropped {
			return
		}
		f = m.choose(p, key, natmodels.Verdict{Action: natmodels.Forward, Mapping: natmodels.MappingInfo{External: got}})
	}
	if got != f.info.External || reason != natmodels.NotDropped {
		m.fail("expect %+v: got %v %v, want %v", e, got, reason, f.info.External)
	}
	if !f.info.Static {
		f.openFor(e.Remote, now, now.Add(orElse(e.Lifetime, 3*time.Minute)))
	}
}

func (f *modelFlow) openFor(remote netip.Addr, now, until time.Time) {
	f.holes = slices.DeleteFunc(f.holes, func(h *modelHole) bool { return !h.used && !h.until.After(now) })
	for _, h := range f.holes {
		if h.remote == remote {
			if until.After(h.until) {
				h.until = until
			}
			return
		}
	}
	f.holes = append(f.holes, &modelHole{remote: remote, until: until})
}

// expect asks the engine to let somebody in.
func (w *world) expect(t *rapid.T) {
	e := natmodels.Expectation{
		Protocol: pickOne(t, "expected", natmodels.UDP, natmodels.UDP, natmodels.TCP),
		Internal: drawInside(t),
		Lifetime: time.Duration(rapid.IntRange(0, 8).Draw(t, "lifetime")) * time.Second,
	}
	if !slices.Contains(w.protocols, e.Protocol) {
		e.Protocol = w.protocols[0]
	}
	if rapid.Bool().Draw(t, "from one") {
		e.Remote = drawRemote(t).Addr()
	}
	if w.six {
		p := sixPacket(natmodels.Packet{Protocol: e.Protocol, Src: e.Internal, Dst: drawRemote(t)})
		e.Internal = p.Src
		if e.Remote.IsValid() {
			e.Remote = p.Dst.Addr()
		}
	}
	got, reason := w.nat.Expect(e, w.now)
	if twin, why := w.twin.Expect(e, w.now); twin != got || why != reason {
		t.Fatalf("expect %+v: %v %v, but restored, %v %v", e, got, reason, twin, why)
	}
	if isICMP(e.Protocol) {
		if reason != natmodels.UnsupportedProtocol {
			t.Fatalf("expect %+v: %v", e, reason)
		}
		w.model.advance(w.now)
		return
	}
	w.model.expect(e, w.now, got, reason)
	if w.model.problem != "" {
		t.Fatalf("%s\n%+v", w.model.problem, w.nat.Config())
	}
	if reason == natmodels.NotDropped {
		at := modelPort{e.Protocol, e.Internal}
		w.expected[at] = append(w.expected[at], e.Remote)
		remote := e.Remote
		if !remote.IsValid() {
			remote = drawRemote(t).Addr()
		}
		if !w.six {
			w.remember(talk{e.Protocol, e.Internal, got, netip.AddrPortFrom(remote, 3478)})
		}
	}
}
