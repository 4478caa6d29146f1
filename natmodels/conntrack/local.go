package conntrack

import (
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// firstLocal handles a packet for the box itself that belongs to no connection.
func (k *Tracker) firstLocal(from judge.Side, p natmodels.Packet, c connection, t uint64) natmodels.Verdict {
	if from == judge.Outside && k.cfg.Unsolicited != natmodels.LocalEntry {
		return k.refuse(p, natmodels.NoMapping, t)
	}
	c.local = true
	ref, added := k.add(c)
	v := k.answer(from, p, k.info(added), t)
	v.Created = true
	switch request, _ := p.Echo(); {
	case p.Protocol == natmodels.TCP: // the reset ends it at once
		k.end(ref, natmodels.Closed, t)
	case request:
		added.replied = true
	}
	return v
}

// invalid handles a packet that makes no sense.
func (k *Tracker) invalid(from judge.Side, p natmodels.Packet, dst table.Endpoint, t uint64) natmodels.Verdict {
	reason := natmodels.Invalid
	if p.Quoted != nil {
		reason = natmodels.NoMapping
	}
	switch {
	case from == judge.Outside && k.local(dst.Addr):
		return k.refuse(p, reason, t)
	case k.local(dst.Addr):
		return k.answer(from, p, natmodels.MappingInfo{}, t)
	case !k.cfg.PassInvalid:
		return k.drop(p, reason)
	case from == judge.Outside && k.unstatic(dst.Addr) != dst.Addr: // routed back to where it came from
		k.stats.Replied++
		return natmodels.Verdict{Action: natmodels.Reply, Packet: p, Reason: reason}
	}
	k.stats.Forwarded++
	return natmodels.Verdict{Action: natmodels.Forward, Packet: p}
}

// Spoiled judges a packet of which the transport's checksum is wrong, from the inside or from the
// outside: connection tracking makes no sense of it, and the box itself does not take it
// (net.netfilter.nf_conntrack_checksum, which is on unless somebody turns it off).
func (k *Tracker) Spoiled(p natmodels.Packet, fromInside bool, now time.Time) natmodels.Verdict {
	t := k.clock.Tick(now)
	from := judge.Inside
	k.stats.Outbound++
	if !fromInside {
		from = judge.Outside
		k.stats.Outbound--
		k.stats.Inbound++
	}
	k.expireSome(t)
	_, dst, problem := k.unpack(&p)
	switch {
	case problem != natmodels.NotDropped:
		return k.drop(p, problem)
	case k.local(dst.Addr):
		return k.drop(p, natmodels.Invalid)
	}
	return k.invalid(from, p, dst, t)
}

// refuse handles a packet from the outside that nothing is waiting for.
func (k *Tracker) refuse(p natmodels.Packet, reason natmodels.Reason, t uint64) natmodels.Verdict {
	if k.cfg.Unsolicited == natmodels.SilentDrop {
		return k.explain(k.drop(p, reason), t)
	}
	return k.answer(judge.Outside, p, natmodels.MappingInfo{}, t)
}

// explain tells, of a packet to an external endpoint, a connection with another remote
// from none, and one that is gone from one that never was.
func (k *Tracker) explain(v natmodels.Verdict, t uint64) natmodels.Verdict {
	if v.Reason != natmodels.NoMapping || v.Packet.Quoted != nil {
		return v
	}
	reason := natmodels.NoMapping
	if c := k.holder(v.Packet, t); c != nil {
		reason, v.Mapping = natmodels.Filtered, k.info(c)
	} else if g, ok := k.history.Find(v.Packet.Protocol, v.Packet.Dst); ok {
		reason, v.Mapping = g.Cause, g.Info
		if g.Cause == natmodels.Expired {
			v.Since = time.Duration(t - g.At)
		}
	}
	if v.Action == natmodels.Drop {
		k.stats.Dropped[v.Reason]--
		k.stats.Dropped[reason]++
	}
	v.Reason = reason
	return v
}

// holder returns the newest live connection that has the destination of a packet as
// its external endpoint.
func (k *Tracker) holder(p natmodels.Packet, t uint64) *connection {
	e, _ := judge.PackAny(p.Dst)
	for ref := k.byHolder.newest(k, kinKey{p.Protocol, e}); ref != 0; {
		c := k.table.At(ref)
		if c.deadline > t {
			return c
		}
		ref = c.kin[sameHolder].older
	}
	return nil
}

// answer is what the box says to a packet for itself, with no port open.
func (k *Tracker) answer(from judge.Side, p natmodels.Packet, about natmodels.MappingInfo, t uint64) natmodels.Verdict {
	v := natmodels.Verdict{Action: natmodels.Reply, Packet: p, Reason: natmodels.NoMapping, Mapping: about}
	if from == judge.Inside {
		v.Reason = natmodels.HairpinOff
	}
	reply, ok := judge.HostAnswer(p)
	if !ok {
		v.Action = natmodels.Drop
		k.stats.Dropped[v.Reason]++
		return k.explain(v, t)
	}
	k.stats.Replied++
	if v.Mapping.IsZero() {
		v = k.explain(v, t)
	}
	v.Packet = reply
	return v
}

func (k *Tracker) drop(p natmodels.Packet, reason natmodels.Reason) natmodels.Verdict {
	k.stats.Dropped[reason]++
	return natmodels.Verdict{Action: natmodels.Drop, Packet: p, Reason: reason}
}
