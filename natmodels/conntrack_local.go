package natmodels

import "time"

// firstLocal handles a packet for the box itself that belongs to no connection.
func (k *tracker) firstLocal(from side, p Packet, c connection, t uint64) Verdict {
	if from == fromOutside && k.cfg.Unsolicited != LocalEntry {
		return k.refuse(p, NoMapping, t)
	}
	c.local = true
	ref, added := k.add(c)
	v := k.answer(from, p, k.info(added), t)
	v.Created = true
	switch request, _ := p.echo(); {
	case p.Protocol == TCP: // the reset ends it at once
		k.end(ref, Closed, t)
	case request:
		added.replied = true
	}
	return v
}

// invalid handles a packet that makes no sense.
func (k *tracker) invalid(from side, p Packet, dst endpoint, t uint64) Verdict {
	reason := Invalid
	if p.Quoted != nil {
		reason = NoMapping
	}
	switch {
	case from == fromOutside && k.local(dst.addr):
		return k.refuse(p, reason, t)
	case k.local(dst.addr):
		return k.answer(from, p, MappingInfo{}, t)
	case !k.cfg.PassInvalid:
		return k.drop(p, reason)
	case from == fromOutside && k.unstatic(dst.addr) != dst.addr: // routed back to where it came from
		k.stats.Replied++
		return Verdict{Action: Reply, Packet: p, Reason: reason}
	}
	k.stats.Forwarded++
	return Verdict{Action: Forward, Packet: p}
}

// refuse handles a packet from the outside that nothing is waiting for.
func (k *tracker) refuse(p Packet, reason Reason, t uint64) Verdict {
	if k.cfg.Unsolicited == SilentDrop {
		return k.explain(k.drop(p, reason), t)
	}
	return k.answer(fromOutside, p, MappingInfo{}, t)
}

// explain tells, of a packet to an external endpoint, a connection with another remote
// from none, and one that is gone from one that never was.
func (k *tracker) explain(v Verdict, t uint64) Verdict {
	if v.Reason != NoMapping || v.Packet.Quoted != nil {
		return v
	}
	reason := NoMapping
	if c := k.holder(v.Packet, t); c != nil {
		reason, v.Mapping = Filtered, k.info(c)
	} else if g, ok := k.history.find(v.Packet.Protocol, v.Packet.Dst); ok {
		reason, v.Mapping = g.cause, g.info
		if g.cause == Expired {
			v.Since = time.Duration(t - g.at)
		}
	}
	if v.Action == Drop {
		k.stats.Dropped[v.Reason]--
		k.stats.Dropped[reason]++
	}
	v.Reason = reason
	return v
}

// holder returns the newest live connection that has the destination of a packet as
// its external endpoint.
func (k *tracker) holder(p Packet, t uint64) *connection {
	e, _ := packAny(p.Dst)
	for ref := k.byHolder.newest(k, kinKey{p.Protocol, e}); ref != 0; {
		c := k.table.at(ref)
		if c.deadline > t {
			return c
		}
		ref = c.kin[sameHolder].older
	}
	return nil
}

// answer is what the box says to a packet for itself, with no port open.
func (k *tracker) answer(from side, p Packet, about MappingInfo, t uint64) Verdict {
	v := Verdict{Action: Reply, Packet: p, Reason: NoMapping, Mapping: about}
	if from == fromInside {
		v.Reason = HairpinOff
	}
	reply, ok := hostAnswer(p)
	if !ok {
		v.Action = Drop
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

func (k *tracker) drop(p Packet, reason Reason) Verdict {
	k.stats.Dropped[reason]++
	return Verdict{Action: Drop, Packet: p, Reason: reason}
}
