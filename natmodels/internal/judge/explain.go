package judge

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/natproof/natproof/natmodels"
)

// Explain says in one sentence what became of a packet; drop says why one was not let
// through, as [Drop] does for the reasons that all engines have.
func Explain(v natmodels.Verdict, drop func(natmodels.Verdict) string) string {
	switch v.Action {
	case natmodels.Forward:
		return forward(v)
	case natmodels.Hairpin:
		return fmt.Sprintf("hairpinned to %v through mapping %v", v.Packet.Dst, v.Mapping)
	case natmodels.Reply:
		return fmt.Sprintf("answered by %v: %s", v.Packet, reply(v, drop))
	}
	return v.Reason.String() + ": " + drop(v)
}

func forward(v natmodels.Verdict) string {
	switch {
	case v.Mapping.IsZero():
		return "routed without translation"
	case v.Created:
		return "forwarded through new mapping " + v.Mapping.String()
	}
	return "forwarded through mapping " + v.Mapping.String()
}

// reply says why the box answers instead of forwarding. The packet that came is gone; the
// answer says who sent it, and to what.
func reply(v natmodels.Verdict, drop func(natmodels.Verdict) string) string {
	p := v.Packet
	if p.Quoted != nil {
		p = *p.Quoted
	} else {
		p.Src, p.Dst = p.Dst, p.Src
	}
	v.Packet = p
	return v.Reason.String() + ": " + drop(v)
}

// Drop says why a packet was not let through.
func Drop(v natmodels.Verdict) string {
	p := v.Packet
	switch v.Reason {
	case natmodels.BadPacket:
		return fmt.Sprintf("%v -> %v has an address or port that cannot be translated", p.Src, p.Dst)
	case natmodels.UnsupportedProtocol:
		return fmt.Sprintf("this NAT does not translate %v", p.Protocol)
	case natmodels.FamilyMismatch:
		return fmt.Sprintf("%v -> %v is not of the family that this NAT serves", p.Src, p.Dst)
	case natmodels.NotExternal:
		return fmt.Sprintf("%v is not an external address of this NAT", p.Dst.Addr())
	case natmodels.NoMapping:
		if p.Quoted != nil {
			return fmt.Sprintf("%v is about a packet of no mapping", p)
		}
		return fmt.Sprintf("nobody behind this NAT has %v %v", p.Protocol, p.Dst)
	case natmodels.HairpinOff:
		return fmt.Sprintf("%v is an external address of this NAT, which does not hairpin (RFC 4787 section 6)", p.Dst.Addr())
	case natmodels.Invalid:
		return fmt.Sprintf("%v makes no sense where its connection stands", p)
	case natmodels.Filtered:
		return fmt.Sprintf("mapping %v does not admit %v", v.Mapping, p.Src)
	}
	return gone(v)
}

// gone says how a mapping ended.
func gone(v natmodels.Verdict) string {
	switch v.Reason {
	case natmodels.Expired:
		return fmt.Sprintf("mapping %v expired %v ago", v.Mapping, v.Since)
	case natmodels.Flushed:
		return fmt.Sprintf("mapping %v was flushed", v.Mapping)
	case natmodels.Renumbered:
		return fmt.Sprintf("mapping %v was lost when the external addresses changed", v.Mapping)
	case natmodels.Closed:
		return fmt.Sprintf("connection %v is over", v.Mapping)
	case natmodels.Evicted:
		return fmt.Sprintf("mapping %v made room for another one", v.Mapping)
	}
	return "dropped"
}

// Admits says whom a mapping admits, under the filtering that refused a packet.
func Admits(m natmodels.MappingInfo, remotes []netip.AddrPort, filtering string) string {
	const named = 3
	list := "nobody yet"
	if len(remotes) > 0 {
		list = "only "
		for i, r := range remotes[:min(named, len(remotes))] {
			if i > 0 {
				list += ", "
			}
			list += Remote(r)
		}
		if more := len(remotes) - named; more > 0 {
			list += fmt.Sprintf(" and %d more", more)
		}
	}
	return fmt.Sprintf("mapping %v admits %s (%s, RFC 4787 section 5)", m, list, filtering)
}

// Said is what Admits said last: packet after packet may be refused for the same.
type Said struct {
	mapping   natmodels.MappingInfo
	remotes   []netip.AddrPort
	filtering string
	text      string
}

// Admits is the function Admits. It keeps the remotes.
func (s *Said) Admits(m natmodels.MappingInfo, remotes []netip.AddrPort, filtering string) string {
	if s.text == "" || s.mapping != m || s.filtering != filtering || !slices.Equal(s.remotes, remotes) {
		*s = Said{m, remotes, filtering, Admits(m, remotes, filtering)}
	}
	return s.text
}

// Remote prints the fields of r that are set: an address, or an address and port.
func Remote(r netip.AddrPort) string {
	if r.Port() == 0 {
		return r.Addr().String()
	}
	return r.String()
}

// Sort puts mappings into the order of Box.Mappings.
func Sort(all []natmodels.MappingInfo) {
	slices.SortFunc(all, func(a, b natmodels.MappingInfo) int {
		return cmp.Or(
			cmp.Compare(a.Protocol, b.Protocol),
			a.Internal.Compare(b.Internal),
			a.Remote.Compare(b.Remote),
			cmp.Compare(a.ID, b.ID),
		)
	})
}
