package translate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// model is a second NAT, written for plainness: a list of flows that is searched from
// end to end, and no random choice. Where the engine may choose a port, the model
// checks that the choice was open to it; everything else it predicts. What TCP and ICMP
// have of their own is in model_tcp_test.go and model_icmp_test.go.
type model struct {
	cfg     setup
	now     time.Time
	flows   []*modelFlow
	gone    []modelGone
	last    map[modelPort]uint16    // sequential: last port given out, by address
	rests   map[modelPort]time.Time // freed ports that may not be reused yet
	held    []modelSYN
	lastID  uint64
	stats   natmodels.Stats
	problem string // the first thing the engine did wrong

	// chosen asks the engine for the external endpoint it has just given out.
	chosen func(p natmodels.Packet) netip.AddrPort
}

type modelFlow struct {
	info        natmodels.MappingInfo
	refreshed   time.Time
	replied     bool
	admits      []netip.AddrPort
	sentTo      map[netip.AddrPort]time.Time // when, of those it admits
	created     time.Time
	stream      bool
	short       bool
	connections []*modelConnection
	holes       []*modelHole
}

type modelGone struct {
	info  natmodels.MappingInfo
	cause natmodels.Reason
	at    time.Time
}

// modelPort is an external endpoint of one protocol; port 0 stands for its address.
type modelPort struct {
	protocol natmodels.Protocol
	external netip.AddrPort
}

func newModel(cfg setup, now time.Time) *model {
	m := &model{cfg: cfg, now: now, last: map[modelPort]uint16{}, rests: map[modelPort]time.Time{}}
	for _, s := range cfg.Static {
		m.addStatic(s)
	}
	return m
}

func (m *model) addStatic(s natmodels.StaticMapping) {
	m.lastID++
	m.stats.Static++
	m.flows = append(m.flows, &modelFlow{info: natmodels.MappingInfo{
		ID: m.lastID, Protocol: s.Protocol, Internal: s.Internal, External: s.External, Static: true,
	}})
}

func (m *model) fail(format string, args ...any) {
	if m.problem == "" {
		m.problem = fmt.Sprintf(format, args...)
	}
}

// masked keeps the fields of an endpoint that a behavior looks at.
func masked(b natmodels.Dependence, e netip.AddrPort) netip.AddrPort {
	switch b {
	case natmodels.EndpointIndependent:
		return netip.AddrPort{}
	case natmodels.AddressDependent:
		return netip.AddrPortFrom(e.Addr(), 0)
	}
	return e
}

// loaded reports whether there are so many mappings that the NAT changes its behavior.
func (m *model) loaded() bool {
	dynamic := 0
	for _, f := range m.flows {
		if !f.info.Static {
			dynamic++
		}
	}
	return m.cfg.UnderLoad.Mappings > 0 && dynamic >= m.cfg.UnderLoad.Mappings
}

func (m *model) mapping(p natmodels.Protocol) natmodels.Dependence {
	switch {
	case p == natmodels.TCP && m.cfg.TCP.Own:
		return m.cfg.TCP.Mapping
	case m.loaded():
		return m.cfg.UnderLoad.Mapping
	}
	return m.cfg.Mapping
}

func filteringOf(cfg setup, p natmodels.Protocol) natmodels.Dependence {
	if p == natmodels.TCP && cfg.TCP.Own {
		return cfg.TCP.Filtering
	}
	return cfg.Filtering
}

func (m *model) portChoice() natmodels.PortChoice {
	if m.loaded() {
		return m.cfg.UnderLoad.PortChoice
	}
	return m.cfg.PortChoice
}

// orElse is a timer, or the standard one where it is zero.
func orElse(d, standard time.Duration) time.Duration {
	if d == 0 {
		return standard
	}
	return d
}

func (m *model) deadline(f *modelFlow) time.Time {
	at := m.usualDeadline(f)
	for _, h := range f.holes {
		if h.until.After(at) {
			at = h.until
		}
	}
	return at
}

func (m *model) usualDeadline(f *modelFlow) time.Time {
	switch {
	case f.info.Protocol == natmodels.TCP:
		return f.lastConnection()
	case isICMP(f.info.Protocol):
		return f.refreshed.Add(orElse(m.cfg.ICMPTimeout, time.Minute))
	case f.short:
		return f.refreshed.Add(m.cfg.WellKnownTimeout)
	case f.replied && (f.stream || m.cfg.StreamAfter == 0):
		return f.refreshed.Add(m.cfg.Idle())
	}
	return f.refreshed.Add(m.cfg.Unreplied())
}

// advance ends what is due.
func (m *model) advance(now time.Time) {
	m.now = now
	m.remove(natmodels.Expired, func(f *modelFlow) bool { return !f.info.Static && !m.deadline(f).After(now) })
	m.endConnections()
	m.forgetSYNs()
}

func (m *model) remove(cause natmodels.Reason, which func(*modelFlow) bool) {
	m.flows = slices.DeleteFunc(m.flows, func(f *modelFlow) bool {
		if !which(f) {
			return false
		}
		at := m.now
		if cause == natmodels.Expired {
			at = m.deadline(f)
		}
		m.gone = append(m.gone, modelGone{f.info, cause, at})
		if m.cfg.ReuseDelay > 0 && !f.info.Static {
			m.rests[modelPort{f.info.Protocol, f.info.External}] = at.Add(m.cfg.ReuseDelay)
		}
		switch {
		case f.info.Static:
			m.stats.Static--
		case cause == natmodels.Expired:
			m.stats.Expired++
		case cause == natmodels.Flushed:
			m.stats.Flushed++
		case cause == natmodels.Renumbered:
			m.stats.Renumbered++
		case cause == natmodels.Evicted:
			m.stats.Evicted++
		}
		return true
	})
}

func (m *model) byExternal(p natmodels.Protocol, external netip.AddrPort) *modelFlow {
	for _, f := range m.flows {
		if f.info.Protocol == p && f.info.External == external {
			return f
		}
	}
	return nil
}

func (m *model) byInternal(p natmodels.Protocol, internal, remote netip.AddrPort) *modelFlow {
	if f := m.open(p, internal, remote.Addr()); f != nil {
		return f
	}
	for _, f := range m.flows {
		if f.info.Protocol == p && f.info.Internal == internal && f.info.Remote == masked(m.mapping(p), remote) {
			return f
		}
	}
	return nil
}

// remoteOf is the far end of a packet: that of ICMP has no port, since the identifier
// belongs to the near end.
func remoteOf(p natmodels.Protocol, far netip.AddrPort) netip.AddrPort {
	if isICMP(p) {
		return netip.AddrPortFrom(far.Addr(), 0)
	}
	return far
}

func (m *model) ours(a netip.Addr) bool { return slices.Contains(m.cfg.External, a) }

func (m *model) drop(p natmodels.Packet, reason natmodels.Reason, about *modelFlow) natmodels.Verdict {
	m.stats.Dropped[reason]++
	v := natmodels.Verdict{Action: natmodels.Drop, Packet: p, Reason: reason}
	if about != nil {
		v.Mapping = about.info
	}
	return v
}

// answer turns a drop into the answer to the packet that was dropped.
func (m *model) answer(drop natmodels.Verdict, with natmodels.Packet) natmodels.Verdict {
	m.stats.Dropped[drop.Reason]--
	m.stats.Replied++
	drop.Action, drop.Packet = natmodels.Reply, with
	return drop
}

// late drops a packet to an external endpoint that nobody has, or no more.
func (m *model) late(p natmodels.Packet, reason natmodels.Reason) natmodels.Verdict {
	for _, g := range slices.Backward(m.gone) {
		if g.info.Protocol == p.Protocol && g.info.External == p.Dst && !isRequest(p) {
			v := m.drop(p, g.cause, &modelFlow{info: g.info})
			if g.cause == natmodels.Expired {
				v.Since = m.now.Sub(g.at)
			}
			return v
		}
	}
	return m.drop(p, reason, nil)
}

// admits reports whether f lets remote in.
func (m *model) admits(f *modelFlow, remote netip.AddrPort) bool {
	filtering := filteringOf(m.cfg, f.info.Protocol)
	if f.info.Static || filtering == natmodels.EndpointIndependent || f.hole(remote.Addr(), m.now) != nil {
		return true
	}
	return slices.ContainsFunc(m.sameFilter(f), func(g *modelFlow) bool { return m.permits(g, masked(filtering, remote)) })
}

// sameFilter lists the flows whose outbound packets open the filter of f.
func (m *model) sameFilter(f *modelFlow) []*modelFlow {
	if m.cfg.FilterScope != natmodels.PerEndpoint {
		return []*modelFlow{f}
	}
	var all []*modelFlow
	for _, g := range m.flows {
		if g.info.Protocol == f.info.Protocol && g.info.Internal == f.info.Internal {
			all = append(all, g)
		}
	}
	return all
}

// permits reports whether f was sent to a remote, and not too long ago.
func (m *model) permits(f *modelFlow, key netip.AddrPort) bool {
	recent := m.cfg.PermissionTimeout == 0 || f.info.Protocol == natmodels.TCP || m.now.Before(f.sentTo[key].Add(m.cfg.PermissionTimeout))
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
func (m *model) outbound(p natmodels.Packet, now time.Time, got natmodels.Verdict) {
	m.advance(now)
	m.stats.Outbound++
	m.compare(p, m.expectOutbound(p, got), got)
}

// inbound checks the engine's verdict on a packet from the outside.
func (m *model) inbound(p natmodels.Packet, now time.Time, got natmodels.Verdict) {
	m.advance(now)
	m.stats.Inbound++
	m.compare(p, m.expectInbound(p), got)
}

func (m *model) expectInbound(p natmodels.Packet) natmodels.Verdict {
	switch {
	case p.Quoted != nil:
		return m.expectErrorInbound(p)
	case !m.ours(p.Dst.Addr()):
		return m.late(p, natmodels.NotExternal)
	}
	f, drop := m.enter(p, remoteOf(p.Protocol, p.Src))
	if f == nil {
		return m.unsolicited(p, drop)
	}
	m.stats.Forwarded++
	return natmodels.Verdict{Action: natmodels.Forward, Packet: withDst(p, f.info.Internal), Mapping: f.info}
}

// unsolicited answers what was dropped, where the configuration wants that.
func (m *model) unsolicited(p natmodels.Packet, drop natmodels.Verdict) natmodels.Verdict {
	switch {
	case p.Protocol == natmodels.TCP:
		return m.unsolicitedTCP(p, drop)
	case m.cfg.Unsolicited != natmodels.Reject:
		return drop
	case p.Protocol == natmodels.UDP: // RFC 1122 section 4.1.3.1
		return m.answer(drop, complaint(p, p.Dst.Addr(), natmodels.PortUnreachable))
	case isRequest(p):
		return m.answer(drop, echoed(p))
	}
	return drop
}

func (m *model) compare(p natmodels.Packet, want, got natmodels.Verdict) {
	equal := got.Packet.Equal(want.Packet)
	gotPacket, wantPacket := got.Packet, want.Packet
	got.Packet, want.Packet = natmodels.Packet{}, natmodels.Packet{}
	if !equal || got != want {
		m.fail("%v:\n got %v %+v\nwant %v %+v", p, gotPacket, got, wantPacket, want)
	}
}

// enter passes a packet that shows source to the filter of its destination.
func (m *model) enter(p natmodels.Packet, source netip.AddrPort) (*modelFlow, natmodels.Verdict) {
	if isRequest(p) { // nobody inside can be asked by an identifier
		return nil, m.late(p, natmodels.NoMapping)
	}
	f := m.byExternal(p.Protocol, p.Dst)
	if f == nil {
		return nil, m.late(p, natmodels.NoMapping)
	}
	if p.Protocol == natmodels.TCP {
		return m.enterTCP(p, f, source)
	}
	if !m.admits(f, source) {
		return nil, m.drop(p, natmodels.Filtered, f)
	}
	f.use(source.Addr(), m.now)
	f.replied = true
	m.age(f, 0)
	if m.cfg.Refresh != natmodels.RefreshOutbound {
		f.refreshed = m.now
	}
	return f, natmodels.Verdict{}
}

func (m *model) expectOutbound(p natmodels.Packet, got natmodels.Verdict) natmodels.Verdict {
	if p.Quoted != nil {
		return m.expectErrorOutbound(p)
	}
	remote := remoteOf(p.Protocol, p.Dst)
	hairpin := m.ours(p.Dst.Addr())
	f := m.byInternal(p.Protocol, p.Src, remote)
	switch {
	case hairpin && m.cfg.Hairpin == natmodels.NoHairpinning:
		return m.drop(p, natmodels.HairpinOff, m.byExternal(p.Protocol, p.Dst))
	case isICMP(p.Protocol) && !isRequest(p):
		return m.drop(p, natmodels.Invalid, nil)
	case isICMP(p.Protocol) && hairpin: // the NAT itself was asked
		return m.answer(m.drop(p, natmodels.NoMapping, nil), echoed(p))
	case p.Protocol == natmodels.TCP && !m.belongs(p, f):
		return m.drop(p, natmodels.Invalid, f)
	}
	created := f == nil
	if created {
		var drop natmodels.Verdict
		if f, drop = m.create(p, remote, got); f == nil {
			return drop
		}
	} else if m.cfg.Refresh != natmodels.RefreshInbound {
		f.refreshed = m.now
	}
	if p.Protocol == natmodels.TCP {
		m.leaveTCP(p, f)
	}
	m.age(f, remote.Port())
	if k := masked(filteringOf(m.cfg, p.Protocol), remote); k.IsValid() {
		m.permit(f, k)
	}
	want := natmodels.Verdict{Action: natmodels.Forward, Packet: withSrc(p, f.info.External), Mapping: f.info}
	if hairpin {
		want = m.turnRound(p, f)
	} else {
		m.stats.Forwarded++
	}
	want.Created = created
	return want
}

func (m *model) permit(f *modelFlow, k netip.AddrPort) {
	if f.info.Static {
		return
	}
	if !slices.Contains(f.admits, k) {
		f.admits = append(f.admits, k)
	}
	f.sentTo[k] = m.now
}

// turnRound brings a packet that left through f in again (RFC 4787 section 6).
func (m *model) turnRound(p natmodels.Packet, f *modelFlow) natmodels.Verdict {
	target, drop := m.enter(p, f.info.External)
	if target == nil {
		return drop
	}
	m.stats.Hairpinned++
	v := natmodels.Verdict{Action: natmodels.Hairpin, Packet: withDst(p, target.info.Internal), Mapping: f.info}
	if m.cfg.Hairpin != natmodels.InternalSource {
		v.Packet.Src = f.info.External
	}
	return v
}

// withSrc and withDst write an endpoint into a packet. The identifier of ICMP stands for
// the port of both ends.
func withSrc(p natmodels.Packet, src netip.AddrPort) natmodels.Packet {
	p.Src = src
	if isICMP(p.Protocol) {
		p.Dst = netip.AddrPortFrom(p.Dst.Addr(), src.Port())
	}
	return p
}

func withDst(p natmodels.Packet, dst netip.AddrPort) natmodels.Packet {
	p.Dst = dst
	if isICMP(p.Protocol) {
		p.Src = netip.AddrPortFrom(p.Src.Addr(), dst.Port())
	}
	return p
}

// create makes a flow, or says why there is none.
func (m *model) create(p natmodels.Packet, remote netip.AddrPort, got natmodels.Verdict) (*modelFlow, natmodels.Verdict) {
	key := masked(m.mapping(p.Protocol), remote)
	if !m.makeRoom(p.Src.Addr()) {
		return nil, m.refuse(p, natmodels.LimitReached)
	}
	reason, holder := m.refusal(p.Protocol, p.Src)
	switch reason {
	case natmodels.NotDropped:
		return m.choose(p, key, got), natmodels.Verdict{}
	case natmodels.PortsExhausted:
		return nil, m.refuse(p, reason)
	}
	return nil, m.drop(p, reason, holder)
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
	m.remove(natmodels.Evicted, func(f *modelFlow) bool { return f == victim })
	return true
}

// refuse drops or answers a packet that can have no mapping: host unreachable (RFC 6888
// REQ-11), or administratively prohibited to a query (RFC 5508 REQ-8).
func (m *model) refuse(p natmodels.Packet, reason natmodels.Reason) natmodels.Verdict {
	drop := m.drop(p, reason, nil)
	if m.cfg.WhenFull != RefuseICMP {
		return drop
	}
	code := natmodels.HostUnreachable
	if isICMP(p.Protocol) {
		code = natmodels.AdminProhibited
	}
	return m.answer(drop, complaint(p, m.cfg.External[0], code))
}

// supply is what a new mapping may choose from.
type supply struct {
	protocol    natmodels.Protocol
	addresses   []netip.Addr
	first, last int
	odd         int // 0 or 1: the parity to keep; -1: any
}

func (s supply) holds(port uint16) bool { return s.first <= int(port) && int(port) <= s.last }

// supplyFor lists what a new mapping of internal may get.
func (m *model) supplyFor(p natmodels.Protocol, internal netip.AddrPort) supply {
	s := supply{p, m.cfg.External, int(m.cfg.PortRange.First), int(m.cfg.PortRange.Last), -1}
	if m.cfg.Pooling != natmodels.Arbitrary {
		sum := 0
		for _, b := range internal.Addr().AsSlice() {
			sum += int(b)
		}
		s.addresses = []netip.Addr{m.cfg.External[sum%len(m.cfg.External)]}
	}
	if isICMP(p) { // identifiers are no ports, but for the blocks
		s.first, s.last = 0, 65535
		return m.blockOf(s, internal.Addr())
	}
	if m.cfg.Parity {
		s.odd = int(internal.Port() % 2)
	}
	if m.cfg.PortClasses && internal.Port() < 1024 {
		s.first, s.last = 1, 1023
	}
	return m.blockOf(s, internal.Addr())
}

// blockOf narrows a supply to the block of a subscriber, which is found by counting.
func (m *model) blockOf(s supply, subscriber netip.Addr) supply {
	b := m.cfg.Blocks
	if b.Size == 0 {
		return s
	}
	a := b.Subscribers.Addr()
	for _, external := range m.cfg.External {
		for first := int(m.cfg.PortRange.First); first+b.Size-1 <= int(m.cfg.PortRange.Last); first += b.Size {
			if a == subscriber && b.Subscribers.Contains(a) {
				s.addresses, s.first, s.last = []netip.Addr{external}, first, first+b.Size-1
				return s
			}
			a = a.Next()
		}
	}
	s.addresses = nil
	return s
}

// free reports whether a supply has a port on an address to give out.
func (m *model) free(s supply, a netip.Addr, port uint16) bool {
	e := netip.AddrPortFrom(a, port)
	return s.holds(port) && (s.odd < 0 || int(port%2) == s.odd) &&
		!m.rests[modelPort{s.protocol, e}].After(m.now) && m.byExternal(s.protocol, e) == nil
}

func (m *model) anyFree(s supply, a netip.Addr) bool {
	for port := s.first; port <= s.last; port++ {
		if m.free(s, a, uint16(port)) {
			return true
		}
	}
	return false
}

// besideRTP is the port above that of the even port below, with Contiguous.
func (m *model) besideRTP(s supply, internal netip.AddrPort) (netip.AddrPort, bool) {
	if len(s.addresses) == 0 || !m.cfg.Contiguous || s.protocol != natmodels.UDP || internal.Port()%2 == 0 {
		return netip.AddrPort{}, false
	}
	even := netip.AddrPortFrom(internal.Addr(), internal.Port()-1)
	for _, f := range m.flows {
		if e := f.info.External; f.info.Protocol == natmodels.UDP && f.info.Internal == even && !f.info.Remote.Addr().IsValid() && e.Port()%2 == 0 {
			s.odd = -1
			return netip.AddrPortFrom(e.Addr(), e.Port()+1), m.free(s, e.Addr(), e.Port()+1)
		}
	}
	return netip.AddrPort{}, false
}

// refusal says why internal can have no new mapping, and who is in the way.
func (m *model) refusal(p natmodels.Protocol, internal netip.AddrPort) (natmodels.Reason, *modelFlow) {
	s := m.supplyFor(p, internal)
	if _, ok := m.besideRTP(s, internal); ok {
		return natmodels.NotDropped, nil
	}
	if m.portChoice() == natmodels.Preserve {
		switch {
		case len(s.addresses) == 0:
			return natmodels.PortsExhausted, nil
		case slices.ContainsFunc(s.addresses, func(a netip.Addr) bool { return m.free(s, a, internal.Port()) }):
			return natmodels.NotDropped, nil
		case m.cfg.Pooling == natmodels.Arbitrary:
			return natmodels.PortConflict, nil
		}
		return natmodels.PortConflict, m.byExternal(p, netip.AddrPortFrom(s.addresses[0], internal.Port()))
	}
	if slices.ContainsFunc(s.addresses, func(a netip.Addr) bool { return m.anyFree(s, a) }) {
		return natmodels.NotDropped, nil
	}
	return natmodels.PortsExhausted, nil
}

// choose takes the external endpoint from the engine's verdict, if it was a permitted
// choice.
func (m *model) choose(p natmodels.Packet, key netip.AddrPort, got natmodels.Verdict) *modelFlow {
	external := got.Mapping.External
	if got.Action == natmodels.Drop { // out through the new mapping, and not in again
		external = m.chosen(p)
	}
	m.checkChoice(p, external)
	m.lastID++
	m.stats.Created++
	f := &modelFlow{
		refreshed: m.now, created: m.now, sentTo: map[netip.AddrPort]time.Time{},
		short: m.cfg.WellKnownTimeout > 0 && p.Protocol == natmodels.UDP,
		info:  natmodels.MappingInfo{ID: m.lastID, Protocol: p.Protocol, Internal: p.Src, External: external, Remote: key},
	}
	m.flows = append(m.flows, f)
	return f
}

func (m *model) checkChoice(p natmodels.Packet, external netip.AddrPort) {
	s := m.supplyFor(p.Protocol, p.Src)
	if want, ok := m.besideRTP(s, p.Src); ok {
		if external != want {
			m.fail("%v: got %v, not the port %v beside its neighbour", p, external, want)
		}
		return
	}
	a, port := external.Addr(), external.Port()
	if !slices.Contains(s.addresses, a) || !m.free(s, a, port) {
		m.fail("%v: external endpoint %v was not free to give", p, external)
	}
	switch m.portChoice() {
	case natmodels.Preserve, natmodels.PreserveElseRandom:
		if port != p.Src.Port() && slices.ContainsFunc(s.addresses, func(a netip.Addr) bool { return m.free(s, a, p.Src.Port()) }) {
			m.fail("%v: got %v though port %d was free", p, external, p.Src.Port())
		}
	case natmodels.Sequential:
		if want := m.sequential(s, a); port != want {
			m.fail("%v: got %v, want port %d", p, external, want)
		}
		m.last[modelPort{p.Protocol, netip.AddrPortFrom(a, 0)}] = port
	}
}

// sequential predicts the next port of a sequential choice.
func (m *model) sequential(s supply, a netip.Addr) uint16 {
	size := s.last - s.first + 1
	at := 0
	if last, ok := m.last[modelPort{s.protocol, netip.AddrPortFrom(a, 0)}]; ok {
		at = int(last) - s.first + m.cfg.Step
	}
	for range size {
		at = (at%size + size) % size
		if port := uint16(s.first + at); m.free(s, a, port) {
			return port
		}
		at += m.cfg.Step
	}
	// The steps came round without a free port: they began at at again.
	for range size {
		at = (at%size + size + 1) % size
		if port := uint16(s.first + at); m.free(s, a, port) {
			return port
		}
	}
	return 0
}

func (m *model) mappings() []natmodels.MappingInfo {
	all := make([]natmodels.MappingInfo, 0, len(m.flows))
	for _, f := range m.flows {
		all = append(all, f.info)
	}
	slices.SortFunc(all, func(a, b natmodels.MappingInfo) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), a.Internal.Compare(b.Internal), a.Remote.Compare(b.Remote), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// admitted lists what the filter of f admits.
func (m *model) admitted(f *modelFlow) (remotes []netip.AddrPort, everyone bool) {
	if f.info.Static || filteringOf(m.cfg, f.info.Protocol) == natmodels.EndpointIndependent {
		return nil, true
	}
	for _, h := range f.holes {
		switch {
		case !h.admits(h.remote, m.now):
		case !h.remote.IsValid():
			return nil, true
		default:
			remotes = append(remotes, netip.AddrPortFrom(h.remote, 0))
		}
	}
	for _, g := range m.sameFilter(f) {
		for _, r := range g.admits {
			if m.permits(g, r) {
				remotes = append(remotes, r)
			}
		}
	}
	slices.SortFunc(remotes, netip.AddrPort.Compare)
	return slices.Compact(remotes), false
}

// instants lists when something will happen by itself.
func (m *model) instants() []time.Time {
	var all []time.Time
	for _, f := range m.flows {
		if !f.info.Static {
			all = append(all, m.deadline(f))
		}
		for _, c := range f.connections {
			all = append(all, c.until)
		}
		for _, h := range f.holes {
			all = append(all, h.until)
		}
		for _, r := range f.admits {
			all = append(all, f.sentTo[r].Add(m.cfg.PermissionTimeout))
		}
	}
	for _, until := range m.rests {
		all = append(all, until)
	}
	for _, h := range m.held {
		all = append(all, h.due)
	}
	all = slices.DeleteFunc(all, func(at time.Time) bool { return !at.After(m.now) })
	slices.SortFunc(all, time.Time.Compare)
	return all
}

func (m *model) flush() {
	m.advance(m.now)
	m.remove(natmodels.Flushed, func(f *modelFlow) bool { return !f.info.Static })
	m.held = nil // a reboot remembers no SYN
}

func (m *model) renumber(external []netip.Addr) {
	m.advance(m.now)
	old := m.cfg
	m.cfg.External = slices.Clone(external)
	m.cfg.Static = slices.Clone(old.Static)
	m.remove(natmodels.Renumbered, func(f *modelFlow) bool { return !m.ours(f.info.External.Addr()) })
	for e := range m.rests {
		if !m.ours(e.external.Addr()) {
			delete(m.rests, e)
		}
	}
	for e := range m.last {
		if !m.ours(e.external.Addr()) {
			delete(m.last, e)
		}
	}
	m.held = slices.DeleteFunc(m.held, func(h modelSYN) bool { return !m.ours(h.packet.Dst.Addr()) })
	for i, s := range m.cfg.Static {
		if m.ours(s.External.Addr()) {
			continue
		}
		at := slices.Index(old.External, s.External.Addr())
		s.External = netip.AddrPortFrom(external[at], s.External.Port())
		m.cfg.Static[i] = s
		m.remove(natmodels.Renumbered, func(f *modelFlow) bool { return f.info.Protocol == s.Protocol && f.info.External == s.External })
		m.addStatic(s)
	}
}

func (m *model) setBehavior(cfg setup) {
	m.advance(m.now)
	old := m.cfg
	m.cfg = cfg
	m.cfg.External, m.cfg.Static = old.External, old.Static
	for e, last := range m.last {
		if !isICMP(e.protocol) && (last < cfg.PortRange.First || last > cfg.PortRange.Last) {
			delete(m.last, e)
		}
	}
	if cfg.ReuseDelay == 0 {
		clear(m.rests)
	}
	for _, f := range m.flows {
		f.short = false
		m.carryOver(f, old)
	}
}

// carryOver says which permissions of a flow outlive a change of behavior. Those that
// had no time of their own get that of the flow.
func (m *model) carryOver(f *modelFlow, old setup) {
	was, will := filteringOf(old, f.info.Protocol), filteringOf(m.cfg, f.info.Protocol)
	if old.PermissionTimeout == 0 {
		for _, r := range f.admits {
			f.sentTo[r] = f.refreshed
		}
	} else if f.info.Protocol != natmodels.TCP {
		f.admits = slices.DeleteFunc(f.admits, func(r netip.AddrPort) bool { return !m.now.Before(f.sentTo[r].Add(old.PermissionTimeout)) })
	}
	switch {
	case was == will:
	case was == natmodels.AddressAndPortDependent && will == natmodels.AddressDependent:
		for i, r := range f.admits {
			k := masked(natmodels.AddressDependent, r)
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
