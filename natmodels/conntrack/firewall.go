package conntrack

import (
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
)

// firstThrough handles, for a Firewall, a packet that belongs to no connection. From
// the inside it makes one. From the outside it makes one if Filtering lets the sender
// reach the internal endpoint.
func (k *Tracker) firstThrough(from judge.Side, p natmodels.Packet, c connection, t uint64) (v natmodels.Verdict) {
	c.reply = c.original.inverse()
	c.source = from == judge.Inside
	if from == judge.Outside && !k.invited(p.Protocol, c.original, t) {
		return k.turnAway(p, t)
	}
	_, added := k.add(c)
	k.translate(&v, from, &p, added, forward, t)
	v.Created = true
	return v
}

// invited reports whether the internal endpoint that a packet is for has a connection
// that admits its source.
func (k *Tracker) invited(p natmodels.Protocol, of tuple, t uint64) bool {
	for ref := k.byHolder.newest(k, kinKey{p, of.destination()}); ref != 0; {
		c := k.table.At(ref)
		alike := k.filtering == natmodels.EndpointIndependent || k.filtering == natmodels.AddressDependent && c.reply.src == of.src
		if c.deadline > t && alike {
			return true
		}
		ref = c.kin[sameHolder].older
	}
	return false
}

// turnAway drops a packet from the outside, or answers it in the name of the host that
// it is for.
func (k *Tracker) turnAway(p natmodels.Packet, t uint64) natmodels.Verdict {
	v := k.explain(k.drop(p, natmodels.NoMapping), t)
	reply, ok := judge.HostAnswer(p)
	if k.cfg.Unsolicited != natmodels.Reject || !ok || p.IsICMP() {
		return v
	}
	if reply.IsICMP() {
		reply = judge.Unreachable(p, p.Dst.Addr(), natmodels.AdminProhibited)
	}
	k.stats.Dropped[v.Reason]--
	k.stats.Replied++
	v.Action, v.Packet = natmodels.Reply, reply
	return v
}
