package lab

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/vnet"
)

// Snapshot is a lab at a moment while it plays, for who watches it.
type Snapshot struct {
	At    time.Duration // since the script began
	NATs  []NATState
	Flows []Flow
	Drops []DropCount
	Calls []CallState
	Lines []Line // what has happened so far, the last of it
}

// NATState is a NAT and its table.
type NATState struct {
	Name     string
	External []netip.Addr // as the file has them
	Mappings []natmodels.MappingInfo
}

// Flow counts what one box has sent to another, by kind: SIP, RTP, RTCP, STUN and so on.
type Flow struct {
	From, To, Kind string
	Packets        uint64
	Last           time.Duration
}

// DropCount counts drops at a box for one reason.
type DropCount struct {
	Box, Kind string
	Reason    vnet.Reason
	Packets   int
	Last      time.Duration
}

// CallState is a call of an endpoint that tells of it.
type CallState struct {
	Who, Peer string
	Out       bool
	State     string // "calling", "up", or why it is over
	Since     time.Duration
}

// snapshotLines is how many lines a snapshot has at most.
const snapshotLines = 50

// snapshot looks at the lab as it is now.
func (p *play) snapshot() Snapshot {
	var s Snapshot
	for _, name := range p.file.NATs.Names() {
		s.NATs = append(s.NATs, NATState{Name: name, External: p.file.NATs.Find(name).External, Mappings: p.gateways[name].Mappings()})
	}
	r := p.record
	r.mu.Lock()
	defer r.mu.Unlock()
	s.At = r.time()
	s.Flows = r.flights.flows(r.zero)
	s.Drops = r.flights.dropCounts(r.zero)
	for _, name := range p.file.Endpoints.Names() {
		for _, c := range r.ends[name].calls {
			s.Calls = append(s.Calls, p.callState(name, c))
		}
	}
	s.Lines = slices.Clone(r.lines[max(0, len(r.lines)-snapshotLines):])
	return s
}

func (p *play) callState(who string, c *call) CallState {
	s := CallState{Who: who, Peer: p.callerName(c.peer), Out: c.out, State: "calling", Since: c.made}
	switch {
	case c.ended != nil:
		s.State, s.Since = "over: "+c.ending(), *c.ended
	case c.answered != nil:
		s.State, s.Since = "up", *c.answered
	}
	return s
}

// path is between two boxes.
type path struct{ from, to, kind string }

// carried counts what has arrived on a path.
type carried struct {
	packets uint64
	last    time.Duration
}

// kind is what a packet is called where methods do not matter.
func (l label) kind() string {
	if l.method != "" {
		return kindSIP
	}
	return l.text
}

// flows are what has arrived so far, in a fixed order.
func (fs *flights) flows(zero time.Duration) []Flow {
	all := make([]Flow, 0, len(fs.carried))
	for p, c := range fs.carried {
		all = append(all, Flow{p.from, p.to, p.kind, c.packets, c.last - zero})
	}
	slices.SortFunc(all, func(a, b Flow) int {
		return cmp.Or(strings.Compare(a.From, b.From), strings.Compare(a.To, b.To), strings.Compare(a.Kind, b.Kind))
	})
	return all
}

// dropCounts are the drops so far by box, reason and kind, in a fixed order.
func (fs *flights) dropCounts(zero time.Duration) []DropCount {
	var all []DropCount
	for _, d := range fs.drops {
		i := slices.IndexFunc(all, func(c DropCount) bool {
			return c.Box == d.box && c.Kind == d.label.kind() && c.Reason == d.reason
		})
		if i < 0 {
			i = len(all)
			all = append(all, DropCount{Box: d.box, Kind: d.label.kind(), Reason: d.reason})
		}
		all[i].Packets += len(d.times)
		all[i].Last = max(all[i].Last, d.last()-zero)
	}
	slices.SortFunc(all, func(a, b DropCount) int {
		return cmp.Or(strings.Compare(a.Box, b.Box), strings.Compare(string(a.Reason), string(b.Reason)), strings.Compare(a.Kind, b.Kind))
	})
	return all
}
