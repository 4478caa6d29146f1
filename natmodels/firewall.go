package natmodels

// firstThrough handles, for a Firewall, a packet that belongs to no connection. From
// the inside it makes one. From the outside it makes one if Filtering lets the sender
// reach the internal endpoint.
func (k *tracker) firstThrough(from side, p Packet, c connection, t uint64) (v Verdict) {
	c.reply = c.original.inverse()
	c.source = from == fromInside
	if from == fromOutside && !k.invited(p.Protocol, c.original, t) {
		return k.turnAway(p, t)
	}
	_, added := k.add(c)
	k.translate(&v, from, &p, added, forward, t)
	v.Created = true
	return v
}

// invited reports whether the internal endpoint that a packet is for has a connection
// that admits its source.
func (k *tracker) invited(p Protocol, of tuple, t uint64) bool {
	for ref := k.byHolder.newest(k, kinKey{p, of.destination()}); ref != 0; {
		c := k.table.at(ref)
		alike := k.cfg.Filtering == EndpointIndependent || k.cfg.Filtering == AddressDependent && c.reply.src == of.src
		if c.deadline > t && alike {
			return true
		}
		ref = c.kin[sameHolder].older
	}
	return false
}

// turnAway drops a packet from the outside, or answers it in the name of the host that
// it is for.
func (k *tracker) turnAway(p Packet, t uint64) Verdict {
	v := k.explain(k.drop(p, NoMapping), t)
	reply, ok := hostAnswer(p)
	if k.cfg.Unsolicited != Reject || !ok || p.icmp() {
		return v
	}
	if reply.icmp() {
		reply = unreachable(p, p.Dst.Addr(), AdminProhibited)
	}
	k.stats.Dropped[v.Reason]--
	k.stats.Replied++
	v.Action, v.Packet = Reply, reply
	return v
}
