package kernelnat

import (
	"fmt"
	"net/netip"
	"strings"
)

// Trace returns what came of every step in words that are equal for two boxes that
// behave alike: hosts by name, and ports that were picked at random by the order in
// which they were first seen.
func (r *Run) Trace() []string {
	n := naming{place: r.Place, names: make(map[uint16]string)}
	trace := make([]string, len(r.Got))
	for i, got := range r.Got {
		trace[i] = n.line(r.Sent[i], got)
	}
	return trace
}

// naming gives names to the endpoints of one run.
type naming struct {
	place Place
	names map[uint16]string
	count map[string]int
}

func (n *naming) line(sent Packet, got []Emission) string {
	if !sent.Src.IsValid() {
		return "-"
	}
	if len(got) == 0 {
		return "dropped"
	}
	kept := n.kept(sent)
	if sent.Quoted != nil {
		kept = append(kept, n.kept(*sent.Quoted)...)
	}
	parts := make([]string, len(got))
	for i, e := range got {
		parts[i] = fmt.Sprintf("%v: %s", e.Side, n.packet(e.Packet, kept)+n.text(e.Data, append(kept, numbers(sent.Data)...)))
	}
	return strings.Join(parts, "; ")
}

// kept returns the ports that a box may keep: an inside host's, or what a packet from
// the outside was sent to.
func (n *naming) kept(p Packet) []uint16 {
	if external(p.Dst.Addr()) {
		return []uint16{p.Src.Port(), p.Dst.Port()}
	}
	return []uint16{p.Src.Port()}
}

func (n *naming) packet(p Packet, kept []uint16) string {
	if p.Proto == ICMP { // the identifier is shown once, with the endpoint it is a choice for
		if !external(p.Src.Addr()) && (external(p.Dst.Addr()) || n.far(p.Src.Addr())) {
			p.Src = netip.AddrPortFrom(p.Src.Addr(), 0)
		} else {
			p.Dst = netip.AddrPortFrom(p.Dst.Addr(), 0)
		}
	}
	s := fmt.Sprintf("%s %s > %s", p.What(), n.endpoint(p.Proto, p.Src, kept), n.endpoint(p.Proto, p.Dst, kept))
	if p.Quoted != nil {
		s += " about {" + n.packet(*p.Quoted, kept) + "}"
	}
	return s
}

// external reports whether the router stands behind an address.
func external(a netip.Addr) bool { return isLocal(a) || oneToOne.Contains(a) }

func (n *naming) far(a netip.Addr) bool { return serverNet.Contains(a) }

func (n *naming) endpoint(proto Proto, e netip.AddrPort, kept []uint16) string {
	host := n.place.Name(e.Addr())
	if e.Port() == 0 {
		return host
	}
	if !strings.HasPrefix(host, Ext.String()) {
		return fmt.Sprintf("%s:%d", host, e.Port())
	}
	return host + ":" + n.port(proto, e.Port(), kept)
}

// port names a port of the router's outside. A port that the sender itself wrote is
// no choice of the box.
func (n *naming) port(proto Proto, port uint16, kept []uint16) string {
	if name, ok := n.names[port]; ok {
		return name
	}
	for _, k := range kept {
		if k == port {
			name := fmt.Sprint(port)
			n.names[port] = name
			return name
		}
	}
	if n.count == nil {
		n.count = make(map[string]int)
	}
	class := portClass(proto, port)
	n.count[class]++
	name := fmt.Sprintf("%s%d", class, n.count[class])
	n.names[port] = name
	return name
}

// portClass says which of the kernel's ranges a random port is from.
func portClass(proto Proto, port uint16) string {
	switch {
	case proto == ICMP:
		return "id"
	case port < 512:
		return "low"
	case port < 1024:
		return "mid"
	}
	return "P"
}
