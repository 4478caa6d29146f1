package natmodels

import (
	"fmt"
	"strings"
	"time"
)

// Explain says in one sentence what became of a packet and why, for people. It
// belongs right after the call that returned v: for a Filtered packet it names the
// remotes that the mapping admits by now.
func (n *NAT) Explain(v Verdict) string {
	switch v.Action {
	case Forward:
		return n.explainForward(v)
	case Hairpin:
		if v.Mapping.IsZero() {
			return fmt.Sprintf("hairpinned to %v by its prefix", v.Packet.Dst)
		}
		return fmt.Sprintf("hairpinned to %v through mapping %v", v.Packet.Dst, v.Mapping)
	case Reply:
		return fmt.Sprintf("answered by %v: %s", v.Packet, n.explainReply(v))
	}
	return v.Reason.String() + ": " + n.explainDrop(v)
}

func (n *NAT) explainForward(v Verdict) string {
	switch {
	case v.Mapping.IsZero() && n.prefix != nil:
		return "forwarded with its prefix translated"
	case v.Mapping.IsZero():
		return "routed without translation"
	case v.Created:
		return "forwarded through new mapping " + v.Mapping.String()
	}
	return "forwarded through mapping " + v.Mapping.String()
}

// explainReply says why the NAT answers instead of forwarding. The packet that came is
// gone; the answer says who sent it, and to what.
func (n *NAT) explainReply(v Verdict) string {
	p := v.Packet
	if p.Quoted != nil {
		p = *p.Quoted
	} else {
		p.Src, p.Dst = p.Dst, p.Src
	}
	v.Packet = p
	return v.Reason.String() + ": " + n.explainDrop(v)
}

func (n *NAT) explainDrop(v Verdict) string {
	p := v.Packet
	if n.cfg.NAT64.IsValid() {
		if says := n.explainNAT64(v); says != "" {
			return says
		}
		if out, problem := toFour(n.cfg.NAT64, p); problem == NotDropped && (v.Reason == NoMapping || v.Reason == HairpinOff) {
			p = out
		}
	}
	switch v.Reason {
	case BadPacket:
		return fmt.Sprintf("%v -> %v has an address or port that cannot be translated", p.Src, p.Dst)
	case UnsupportedProtocol:
		return fmt.Sprintf("this NAT does not translate %v", p.Protocol)
	case FamilyMismatch:
		return fmt.Sprintf("%v -> %v is not of the family that this NAT serves", p.Src, p.Dst)
	case NotExternal:
		return fmt.Sprintf("%v is not an external address of this NAT", p.Dst.Addr())
	case NoMapping:
		if p.Quoted != nil {
			return fmt.Sprintf("%v is about a packet of no mapping", p)
		}
		if v.Mapping.Local {
			return fmt.Sprintf("%v is a port of the box itself, which has it not open", p.Dst)
		}
		if from, ok := n.awaited(p); ok {
			return fmt.Sprintf("%v %v is expected from %v alone", p.Protocol, p.Dst, from)
		}
		return fmt.Sprintf("nobody behind this NAT has %v %v", p.Protocol, p.Dst)
	case Expired:
		return fmt.Sprintf("mapping %v expired %v ago", v.Mapping, v.Since)
	case Flushed:
		return fmt.Sprintf("mapping %v was flushed", v.Mapping)
	case Renumbered:
		return fmt.Sprintf("mapping %v was lost when the external addresses changed", v.Mapping)
	case Filtered:
		return n.explainFiltered(v)
	case PortsExhausted:
		return fmt.Sprintf("no external port in %v is free for %v", n.ranges[spaceOf(p.Protocol)], p.Src)
	case PortConflict:
		return n.explainConflict(v)
	case HairpinOff:
		return fmt.Sprintf("%v is an external address of this NAT, which does not hairpin (RFC 4787 section 6)", p.Dst.Addr())
	}
	switch v.Reason {
	case Closed:
		return fmt.Sprintf("connection %v is over", v.Mapping)
	case LimitReached:
		return fmt.Sprintf("%v can have no further mapping: %v", p.Src.Addr(), n.cfg.Limits)
	case Evicted:
		return fmt.Sprintf("mapping %v made room for another one", v.Mapping)
	case Invalid:
		return fmt.Sprintf("%v makes no sense where its connection stands", p)
	}
	return "dropped"
}

// explainNAT64 says what happens to packets at a NAT64 alone, or nothing.
func (n *NAT) explainNAT64(v Verdict) string {
	p, prefix := v.Packet, n.cfg.NAT64
	switch {
	case v.Reason == NotExternal && p.Dst.Addr().Is6():
		return fmt.Sprintf("%v is not in the prefix %v of this NAT64 (RFC 6146 section 3.5)", p.Dst.Addr(), prefix)
	case v.Reason == BadPacket && prefix.Contains(p.Src.Addr()):
		return fmt.Sprintf("%v is in the prefix %v of this NAT64, where no host is (RFC 6146 section 3.5)", p.Src.Addr(), prefix)
	case v.Reason == Invalid && p.Quoted != nil:
		return fmt.Sprintf("%s has no translation (RFC 7915 sections 4.2 and 5.2)", p.What())
	}
	return ""
}

// explainFiltered names the mapping that refused the packet and the remotes it
// admits.
func (n *NAT) explainFiltered(v Verdict) string {
	const named = 3
	remotes, _ := n.Admitted(v.Mapping, n.epoch.Add(time.Duration(n.clock)))
	list := "nobody yet"
	if len(remotes) > 0 {
		names := make([]string, 0, named+1)
		for _, r := range remotes[:min(named, len(remotes))] {
			names = append(names, remoteString(r))
		}
		list = "only " + strings.Join(names, ", ")
		if more := len(remotes) - named; more > 0 {
			list += fmt.Sprintf(" and %d more", more)
		}
	}
	scope := ""
	if n.cfg.FilterScope == PerEndpoint {
		scope = " per internal endpoint"
	}
	return fmt.Sprintf("mapping %v admits %s (%v filtering%s, RFC 4787 section 5)", v.Mapping, list, n.filtering[spaceOf(v.Mapping.Protocol)], scope)
}

func (n *NAT) explainConflict(v Verdict) string {
	port := v.Packet.Src.Port()
	switch {
	case !v.Mapping.IsZero():
		return fmt.Sprintf("port %d must be preserved for %v, but mapping %v has it", port, v.Packet.Src, v.Mapping)
	case !n.ranges[spaceOf(v.Packet.Protocol)].holds(port):
		return fmt.Sprintf("port %d must be preserved for %v, but lies outside %v", port, v.Packet.Src, n.ranges[spaceOf(v.Packet.Protocol)])
	}
	return fmt.Sprintf("port %d must be preserved for %v, but is free on no external address", port, v.Packet.Src)
}
