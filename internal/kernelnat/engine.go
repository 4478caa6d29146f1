package kernelnat

import (
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/conntrack"
)

// Engine puts packets through a box of conntrack.
type Engine struct{ NAT *conntrack.Tracker }

// epoch is the time at which every sequence starts.
var epoch = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// Send implements Box.
func (e Engine) Send(from Side, p Packet, at time.Duration) ([]Emission, error) {
	_, out := e.send(from, p, at)
	return out, nil
}

func (e Engine) send(from Side, p Packet, at time.Duration) (natmodels.Verdict, []Emission) {
	send := e.NAT.Outbound
	if from == Outside {
		send = e.NAT.Inbound
	}
	v := send(toEngine(p), epoch.Add(at))
	side := from
	switch v.Action {
	case natmodels.Drop:
		return v, nil
	case natmodels.Forward:
		side = from.Other()
	}
	return v, []Emission{{side, fromEngine(v.Packet, p.Tag)}}
}

func toEngine(p Packet) natmodels.Packet {
	q := natmodels.Packet{
		Protocol: p.Proto,
		Src:      p.Src, Dst: p.Dst,
		Flags: p.Flags, Seq: p.Seq, Ack: p.Ack,
		Type: p.Type, Code: p.Code,
	}
	if p.Quoted != nil {
		in := toEngine(*p.Quoted)
		q.Quoted = &in
	}
	return q
}

func fromEngine(q natmodels.Packet, tag uint32) Packet {
	p := Packet{
		Proto: q.Protocol,
		Src:   q.Src, Dst: q.Dst,
		Flags: q.Flags, Seq: q.Seq, Ack: q.Ack,
		Type: q.Type, Code: q.Code,
		Tag: tag,
	}
	if q.Quoted != nil {
		in := fromEngine(*q.Quoted, tag)
		p.Quoted = &in
	}
	return p
}

// Engine returns our model of the ruleset.
func (r Ruleset) Engine(timers Timers, seed uint64) (Engine, error) {
	cfg, external := r.Config(timers)
	nat, err := conntrack.New(cfg, natmodels.Place{External: external, Seed: seed})
	return Engine{nat}, err
}

// Config returns the configuration that models the ruleset, and its external addresses.
func (r Ruleset) Config(timers Timers) (c conntrack.Config, external []netip.Addr) {
	c, external = conntrack.Config{SIPHelper: r.Helper, Timers: timers.tracking()}, External[:1]
	if r.Ports != [2]uint16{} {
		c.PortRange = natmodels.PortRange{First: r.Ports[0], Last: r.Ports[1]}
	}
	if !r.Guarded {
		c.Unsolicited, c.PassInvalid = natmodels.LocalEntry, true
	}
	switch r.Choice {
	case RandomPort:
		c.PortChoice = natmodels.Random
	case Pool:
		external, c.Pooling = External, natmodels.PerDestination
	case PersistentPool:
		external, c.Pooling = External, natmodels.Paired
	case Static:
		external = External
		c.Prefixes = []natmodels.PrefixMapping{{Internal: staticNet, External: oneToOne}}
	}
	return c, external
}

func (t Timers) tracking() conntrack.Timers {
	return conntrack.Timers{
		Unreplied:      t.UDP,
		Idle:           t.UDPStream,
		ICMP:           t.ICMP,
		SYNSent:        t.TCP[synSent],
		SYNReceived:    t.TCP[synReceived],
		Established:    t.TCP[established],
		FINWait:        t.TCP[finWait],
		CloseWait:      t.TCP[closeWait],
		LastACK:        t.TCP[lastAck],
		TimeWait:       t.TCP[timeWait],
		Close:          t.TCP[closed],
		SYNSent2:       t.TCP[synSent2],
		Unacknowledged: t.TCPUnacked,
	}
}
