package natmodels

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// model is a second NAT, written for plainness: a list of flows that is searched from
// end to end, and no random choice. Where the engine may choose a port, the model
// checks that the choice was open to it; everything else it predicts.
type model struct {
	cfg     Config
	now     time.Time
	flows   []*modelFlow
	gone    []modelGone
	last    map[netip.Addr]uint16        // sequential: last port given out
	rests   map[netip.AddrPort]time.Time // freed ports that may not be reused yet
	lastID  uint64
	stats   Stats
	problem string // the first thing the engine did wrong

	// chosen asks the engine for the external endpoint it has just given out.
	chosen func(internal netip.AddrPort) netip.AddrPort
}

type modelFlow struct {
	info      MappingInfo
	refreshed time.Time
	replied   bool
	admits    []netip.AddrPort
	sentTo    map[netip.AddrPort]time.Time // when, of those it admits
	created   time.Time
	stream    bool
	short     bool
}

type modelGone struct {
	info  MappingInfo
	cause Reason
	at    time.Time
}

func newModel(cfg Config, now time.Time) *model {
	m := &model{cfg: cfg, now: now, last: map[netip.Addr]uint16{}, rests: map[netip.AddrPort]time.Time{}}
	for _, s := range cfg.Static {
		m.addStatic(s)
	}
	return m
}

func (m *model) addStatic(s StaticMapping) {
	m.lastID++
	m.stats.Static++
	m.flows = append(m.flows, &modelFlow{info: MappingInfo{
		ID: m.lastID, Protocol: s.Protocol, Internal: s.Internal, External: s.External, Static: true,
	}})
}

func (m *model) fail(format string, args ...any) {
	if m.problem == "" {
		m.problem = fmt.Sprintf(format, args...)
	}
}

// masked keeps the fields of an endpoint that a behavior looks at.
func masked(b Behavior, e netip.AddrPort) netip.AddrPort {
	switch b {
	case EndpointIndependent:
		return netip.AddrPort{}
	case AddressDependent:
		return netip.AddrPortFrom(e.Addr(), 0)
	}
	return e
}

func (m *model) deadline(f *modelFlow) time.Time {
	if f.short {
		return f.refreshed.Add(m.cfg.WellKnownTimeout)
	}
	if f.replied && (f.stream || m.cfg.StreamAfter == 0) {
		return f.refreshed.Add(m.cfg.Idle())
	}
	return f.refreshed.Add(m.cfg.Unreplied())
}

// advance ends what is due.
func (m *model) advance(now time.Time) {
	m.now = now
	m.remove(Expired, func(f *modelFlow) bool { return !f.info.Static && !m.deadline(f).After(now) })
}

func (m *model) remove(cause Reason, which func(*modelFlow) bool) {
	m.flows = slices.DeleteFunc(m.flows, func(f *modelFlow) bool {
		if !which(f) {
			return false
		}
		at := m.now
		if cause == Expired {
			at = m.deadline(f)
		}
		m.gone = append(m.gone, modelGone{f.info, cause, at})
		if m.cfg.ReuseDelay > 0 && !f.info.Static {
			m.rests[f.info.External] = at.Add(m.cfg.ReuseDelay)
		}
		switch {
		case f.info.Static:
			m.stats.Static--
		case cause == Expired:
			m.stats.Expired++
		case cause == Flushed:
			m.stats.Flushed++
		case cause == Renumbered:
			m.stats.Renumbered++
		case cause == Evicted:
			m.stats.Evicted++
		}
		return true
	})
}

func (m *model) byExternal(external netip.AddrPort) *modelFlow {
	for _, f := range m.flows {
		if f.info.External == external {
			return f
		}
	}
	return nil
}

func (m *model) byInternal(internal, remote netip.AddrPort) *modelFlow {
	for _, f := range m.flows {
		if f.info.Internal == internal && f.info.Static {
			return f
		}
	}
	for _, f := range m.flows {
		if f.info.Internal == internal && f.info.Remote == masked(m.cfg.Mapping, remote) {
			return f
		}
	}
	return nil
}

func (m *model) drop(p Packet, reason Reason, about *modelFlow) Verdict {
	m.stats.Dropped[reason]++
	v := Verdict{Action: Drop, Packet: p, Reason: reason}
	if about != nil {
		v.Mapping = about.info
	}
	return v
}

// late drops a packet to an external endpoint that nobody has, or no more.
func (m *model) late(p Packet, reason Reason) Verdict {
	for _, g := range slices.Backward(m.gone) {
		if g.info.External == p.Dst {
			v := m.drop(p, g.cause, &modelFlow{info: g.info})
			if g.cause == Expired {
				v.Since = m.now.Sub(g.at)
			}
			return v
		}
	}
	return m.drop(p, reason, nil)
}

// admits reports whether f lets remote in.
func (m *model) admits(f *modelFlow, remote netip.AddrPort) bool {
	if f.info.Static || m.cfg.Filtering == EndpointIndependent {
		return true
	}
	for _, g := range m.flows {
		same := g == f || m.cfg.FilterScope == PerEndpoint && g.info.Internal == f.info.Internal
		if same && m.permits(g, masked(m.cfg.Filtering, remote)) {
			return true
		}
	}
	return false
}

// permits reports whether f was sent to a remote, and not too long ago.
func (m *model) permits(f *modelFlow, key netip.AddrPort) bool {
	recent := m.cfg.PermissionTimeout == 0 || m.now.Before(f.sentTo[key].Add(m.cfg.PermissionTimeout))
	return recent && slices.Contains(f.admits, key)
}

// age takes note of what a flow is used for.
func (m *model) age(f *modelFlow, port uint16) {
	if m.cfg.StreamAfter > 0 || m.cfg.WellKnownTimeout > 0 {
		f.stream = f.stream || f.replied && m.now.Sub(f.created) > m.cfg.StreamAfter
	}
	if port >= 1024 {
		f.short = false
	}
}

// outbound checks the engine's verdict on a packet from the inside.
func (m *model) outbound(p Packet, now time.Time, got Verdict) {
	m.advance(now)
	m.stats.Outbound++
	m.compare(p, m.expectOutbound(p, got), got)
}

// inbound checks the engine's verdict on a packet from the outside.
func (m *model) inbound(p Packet, now time.Time, got Verdict) {
	m.advance(now)
	m.stats.Inbound++
	want := Verdict{Action: Forward}
	if !slices.Contains(m.cfg.External, p.Dst.Addr()) {
		want = m.late(p, NotExternal)
	} else if f, drop := m.enter(p, p.Src); f == nil {
		want = drop
	} else {
		m.stats.Forwarded++
		want.Packet = Packet{Protocol: p.Protocol, Src: p.Src, Dst: f.info.Internal}
		want.Mapping = f.info
	}
	m.compare(p, want, got)
}

func (m *model) compare(p Packet, want, got Verdict) {
	equal := got.Packet.Equal(want.Packet)
	got.Packet, want.Packet = Packet{}, Packet{}
	if !equal || got != want {
		m.fail("%v:\n got %+v\nwant %+v", p, got, want)
	}
}

// enter passes a packet that shows source to the filter of its destination.
func (m *model) enter(p Packet, source netip.AddrPort) (*modelFlow, Verdict) {
	f := m.byExternal(p.Dst)
	if f == nil {
		return nil, m.late(p, NoMapping)
	}
	if !m.admits(f, source) {
		return nil, m.drop(p, Filtered, f)
	}
	f.replied = true
	m.age(f, 0)
	if m.cfg.Refresh != RefreshOutbound {
		f.refreshed = m.now
	}
	return f, Verdict{}
}

func (m *model) expectOutbound(p Packet, got Verdict) Verdict {
	hairpin := slices.Contains(m.cfg.External, p.Dst.Addr())
	if hairpin && m.cfg.Hairpin == NoHairpinning {
		return m.drop(p, HairpinOff, m.byExternal(p.Dst))
	}
	f := m.byInternal(p.Src, p.Dst)
	created := f == nil
	if created {
		if !m.makeRoom(p.Src.Addr()) {
			return m.refuse(p, LimitReached)
		}
		reason, holder := m.refusal(p.Src)
		if reason == PortsExhausted {
			return m.refuse(p, reason)
		}
		if reason != NotDropped {
			return m.drop(p, reason, holder)
		}
		if f = m.create(p, got); f == nil {
			return Verdict{}
		}
	} else if m.cfg.Refresh != RefreshInbound {
		f.refreshed = m.now
	}
	m.age(f, p.Dst.Port())
	if k := masked(m.cfg.Filtering, p.Dst); k.IsValid() && !f.info.Static {
		if !slices.Contains(f.admits, k) {
			f.admits = append(f.admits, k)
		}
		f.sentTo[k] = m.now
	}
	want := Verdict{Action: Forward, Packet: Packet{Protocol: p.Protocol, Src: f.info.External, Dst: p.Dst}, Mapping: f.info}
	if hairpin {
		target, drop := m.enter(p, f.info.External)
		if target == nil {
			want = drop
		} else {
			want.Action = Hairpin
			want.Packet.Dst = target.info.Internal
			if m.cfg.Hairpin == InternalSource {
				want.Packet.Src = p.Src
			}
			m.stats.Hairpinned++
		}
	} else {
		m.stats.Forwarded++
	}
	want.Created = created
	return want
}

// makeRoom applies the limits.
func (m *model) makeRoom(subscriber netip.Addr) bool {
	total, own := 0, 0
	var oldest, oldestOwn *modelFlow
	for _, f := range m.flows {
		if f.info.Static {
			continue
		}
		if total++; oldest == nil || f.info.ID < oldest.info.ID {
			oldest = f
		}
		if f.info.Internal.Addr() != subscriber {
			continue
		}
		if own++; oldestOwn == nil || f.info.ID < oldestOwn.info.ID {
			oldestOwn = f
		}
	}
	l := m.cfg.Limits
	victim := oldest
	if l.PerSubscriber > 0 {
		victim = oldestOwn
	}
	if (l.Total == 0 || total < l.Total) && (l.PerSubscriber == 0 || own < l.PerSubscriber) {
		return true
	}
	if m.cfg.WhenFull != EvictOldest {
		return false
	}
	m.remove(Evicted, func(f *modelFlow) bool { return f == victim })
	return true
}

// refuse drops or answers a packet that can have no mapping.
func (m *model) refuse(p Packet, reason Reason) Verdict {
	if m.cfg.WhenFull != RefuseICMP {
		return m.drop(p, reason, nil)
	}
	m.stats.Replied++
	return Verdict{Action: Reply, Reason: reason, Packet: icmpError(DestUnreachable, HostUnreachable, m.cfg.External[0], p.Src.Addr(), p)}
}

// candidates lists the external addresses that a new mapping of internal may get.
func (m *model) candidates(internal netip.AddrPort) []netip.Addr {
	if m.cfg.Pooling == Arbitrary {
		return m.cfg.External
	}
	sum := 0
	for _, b := range internal.Addr().AsSlice() {
		sum += int(b)
	}
	return []netip.Addr{m.cfg.External[sum%len(m.cfg.External)]}
}

// freePorts lists the ports of the range that are free on an address for an internal
// port.
func (m *model) freePorts(a netip.Addr, internal uint16) []uint16 {
	r := m.cfg.PortRange
	var free []uint16
	for port := int(r.First); port <= int(r.Last); port++ {
		e := netip.AddrPortFrom(a, uint16(port))
		if m.cfg.Parity && uint16(port)&1 != internal&1 || m.rests[e].After(m.now) {
			continue
		}
		if m.byExternal(e) == nil {
			free = append(free, uint16(port))
		}
	}
	return free
}

// refusal says why internal can have no new mapping, and who is in the way.
func (m *model) refusal(internal netip.AddrPort) (Reason, *modelFlow) {
	addresses := m.candidates(internal)
	if m.cfg.PortChoice == Preserve {
		for _, a := range addresses {
			if slices.Contains(m.freePorts(a, internal.Port()), internal.Port()) {
				return NotDropped, nil
			}
		}
		if m.cfg.Pooling == Arbitrary {
			return PortConflict, nil
		}
		return PortConflict, m.byExternal(netip.AddrPortFrom(addresses[0], internal.Port()))
	}
	for _, a := range addresses {
		if len(m.freePorts(a, internal.Port())) > 0 {
			return NotDropped, nil
		}
	}
	return PortsExhausted, nil
}

// create takes the external endpoint from the engine's verdict, if it was a
// permitted choice.
func (m *model) create(p Packet, got Verdict) *modelFlow {
	external := got.Mapping.External
	if got.Action == Drop { // out through the new mapping, and not in again
		external = m.chosen(p.Src)
	}
	internal := p.Src
	a := external.Addr()
	addresses := m.candidates(internal)
	if !slices.Contains(addresses, a) || !slices.Contains(m.freePorts(a, internal.Port()), external.Port()) {
		m.fail("%v: external endpoint %v was not free to give", p, external)
		return nil
	}
	m.checkChoice(p, external, addresses)
	m.lastID++
	m.stats.Created++
	f := &modelFlow{refreshed: m.now, created: m.now, short: m.cfg.WellKnownTimeout > 0, sentTo: map[netip.AddrPort]time.Time{}, info: MappingInfo{
		ID: m.lastID, Protocol: p.Protocol, Internal: internal, External: external, Remote: masked(m.cfg.Mapping, p.Dst),
	}}
	m.flows = append(m.flows, f)
	return f
}

func (m *model) checkChoice(p Packet, external netip.AddrPort, addresses []netip.Addr) {
	a, port := external.Addr(), external.Port()
	switch m.cfg.PortChoice {
	case Preserve, PreserveElseRandom:
		possible := slices.ContainsFunc(addresses, func(a netip.Addr) bool {
			return slices.Contains(m.freePorts(a, p.Src.Port()), p.Src.Port())
		})
		if possible && port != p.Src.Port() {
			m.fail("%v: got %v though port %d was free", p, external, p.Src.Port())
		}
	case Sequential:
		if want := m.sequential(a); port != want {
			m.fail("%v: got %v, want port %d", p, external, want)
		}
		m.last[a] = port
	}
}

// sequential predicts the next port of a sequential choice.
func (m *model) sequential(a netip.Addr) uint16 {
	r := m.cfg.PortRange
	size := r.Size()
	free := m.freePorts(a, 0)
	at := 0
	if last, ok := m.last[a]; ok {
		at = int(last) - int(r.First) + m.cfg.Step
	}
	for range size {
		at = (at%size + size) % size
		if port := r.First + uint16(at); slices.Contains(free, port) {
			return port
		}
		at += m.cfg.Step
	}
	// The steps came round without a free port: they began at at again.
	for range size {
		at = (at%size + size + 1) % size
		if port := r.First + uint16(at); slices.Contains(free, port) {
			return port
		}
	}
	return 0
}

func (m *model) mappings() []MappingInfo {
	all := make([]MappingInfo, 0, len(m.flows))
	for _, f := range m.flows {
		all = append(all, f.info)
	}
	slices.SortFunc(all, func(a, b MappingInfo) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), a.Internal.Compare(b.Internal), a.Remote.Compare(b.Remote), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// admitted lists what the filter of f admits.
func (m *model) admitted(f *modelFlow) (remotes []netip.AddrPort, everyone bool) {
	if f.info.Static || m.cfg.Filtering == EndpointIndependent {
		return nil, true
	}
	for _, g := range m.flows {
		if g == f || m.cfg.FilterScope == PerEndpoint && g.info.Internal == f.info.Internal {
			for _, r := range g.admits {
				if m.permits(g, r) {
					remotes = append(remotes, r)
				}
			}
		}
	}
	slices.SortFunc(remotes, netip.AddrPort.Compare)
	return slices.Compact(remotes), false
}

func (m *model) flush() {
	m.advance(m.now)
	m.remove(Flushed, func(f *modelFlow) bool { return !f.info.Static })
}

func (m *model) renumber(external []netip.Addr) {
	m.advance(m.now)
	old := m.cfg
	m.cfg.External = slices.Clone(external)
	m.cfg.Static = slices.Clone(old.Static)
	m.remove(Renumbered, func(f *modelFlow) bool {
		return !slices.Contains(external, f.info.External.Addr())
	})
	for e := range m.rests {
		if !slices.Contains(external, e.Addr()) {
			delete(m.rests, e)
		}
	}
	for a := range m.last {
		if !slices.Contains(external, a) {
			delete(m.last, a)
		}
	}
	for i, s := range m.cfg.Static {
		if slices.Contains(external, s.External.Addr()) {
			continue
		}
		at := slices.Index(old.External, s.External.Addr())
		m.cfg.Static[i].External = netip.AddrPortFrom(external[at], s.External.Port())
		m.remove(Renumbered, func(f *modelFlow) bool { return f.info.External == m.cfg.Static[i].External })
		m.addStatic(m.cfg.Static[i])
	}
}

func (m *model) setBehavior(cfg Config) {
	m.advance(m.now)
	old := m.cfg
	m.cfg = cfg
	m.cfg.External, m.cfg.Static = old.External, old.Static
	for a, last := range m.last {
		if !cfg.PortRange.Contains(last) {
			delete(m.last, a)
		}
	}
	if cfg.ReuseDelay == 0 {
		clear(m.rests)
	}
	for _, f := range m.flows {
		f.short = false
		m.carryOver(f, old.PermissionTimeout)
		switch {
		case cfg.Filtering == old.Filtering:
		case cfg.Filtering == AddressDependent && old.Filtering == AddressAndPortDependent:
			for i, r := range f.admits {
				k := masked(AddressDependent, r)
				f.admits[i] = k
				if f.sentTo[r].After(f.sentTo[k]) {
					f.sentTo[k] = f.sentTo[r]
				}
			}
			slices.SortFunc(f.admits, netip.AddrPort.Compare)
			f.admits = slices.Compact(f.admits)
		default:
			f.admits = nil
		}
	}
}

// carryOver drops the permissions that have run out; those that had no time of their
// own get that of the flow.
func (m *model) carryOver(f *modelFlow, timeout time.Duration) {
	if timeout == 0 {
		for _, r := range f.admits {
			f.sentTo[r] = f.refreshed
		}
		return
	}
	f.admits = slices.DeleteFunc(f.admits, func(r netip.AddrPort) bool { return !m.now.Before(f.sentTo[r].Add(timeout)) })
}
