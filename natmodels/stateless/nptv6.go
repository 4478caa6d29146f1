package stateless

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// prefixBox is a PrefixTranslator in its place.
type prefixBox struct {
	stateless
	model    PrefixTranslator
	prefixes []table.PrefixPair
}

// Model is the prefixes.
func (x *prefixBox) Model() natmodels.Model { return x.model }

// Outbound translates the source of a packet.
func (x *prefixBox) Outbound(p natmodels.Packet, now time.Time) natmodels.Verdict {
	x.stats.Outbound++
	return x.send(judge.Inside, p)
}

// Inbound translates the destination of a packet.
func (x *prefixBox) Inbound(p natmodels.Packet, now time.Time) natmodels.Verdict {
	x.stats.Inbound++
	return x.send(judge.Outside, p)
}

// Explain says what became of a packet.
func (x *prefixBox) Explain(v natmodels.Verdict) string {
	switch v.Action {
	case natmodels.Forward:
		return "forwarded with its prefix translated"
	case natmodels.Hairpin:
		return fmt.Sprintf("hairpinned to %v by its prefix", v.Packet.Dst)
	}
	return judge.Explain(v, judge.Drop)
}

// Expect is refused: there is nothing to open.
func (x *prefixBox) Expect(e natmodels.Expectation, _ time.Time) (netip.AddrPort, natmodels.Reason) {
	if reason := expectable(e); reason != natmodels.NotDropped {
		return netip.AddrPort{}, reason
	}
	return netip.AddrPort{}, natmodels.UnsupportedProtocol
}

// SetBehavior changes nothing: the prefixes cannot change.
func (x *prefixBox) SetBehavior(m natmodels.Model) error {
	next, ok := m.(PrefixTranslator)
	if !ok {
		return judge.Become(natmodels.PrefixTranslator, m.Behavior().Kind)
	}
	if !slices.Equal(next.Prefixes, x.model.Prefixes) {
		return &natmodels.ConfigError{Setting: "prefixes", Problem: "the prefixes of a running NAT cannot change"}
	}
	return nil
}

// Renumber is refused: the addresses are those of the prefixes.
func (x *prefixBox) Renumber(external []netip.Addr) error { return x.renumber(external, nowherePrefix) }

// Snapshot saves the box.
func (x *prefixBox) Snapshot() natmodels.Snapshot { return prefixSnapshot(*x) }

type prefixSnapshot prefixBox

// Restore returns a box with the same counters.
func (s prefixSnapshot) Restore() natmodels.Box {
	x := prefixBox(s)
	return &x
}

// send handles a packet from a side: outbound its source, inbound its destination is
// translated. A packet from the inside to an external address of a prefix comes back
// in with both translated.
func (x *prefixBox) send(from judge.Side, p natmodels.Packet) natmodels.Verdict {
	v := natmodels.Verdict{Action: natmodels.Forward, Packet: p}
	ok := true
	if from == judge.Inside {
		ok = x.rewrite(&v.Packet, true)
	}
	dst := table.Pack(p.Dst.Addr())
	if at := x.external(dst); ok && at != nil {
		ok = x.rewrite(&v.Packet, false)
		if from == judge.Inside {
			v.Action = natmodels.Hairpin
		}
	} else if from == judge.Outside {
		ok = false
	}
	switch {
	case !ok:
		v = natmodels.Verdict{Action: natmodels.Drop, Packet: p, Reason: natmodels.NotExternal}
		x.stats.Dropped[natmodels.NotExternal]++
	case v.Action == natmodels.Hairpin:
		x.stats.Hairpinned++
	default:
		x.stats.Forwarded++
	}
	return v
}

// rewrite translates the source of a packet outward, or its destination inward; the
// packet that an ICMP error quotes went the other way.
func (x *prefixBox) rewrite(p *natmodels.Packet, outward bool) bool {
	end := &p.Dst
	if outward {
		end = &p.Src
	}
	if !x.translate(end, outward) {
		return false
	}
	if p.Quoted != nil {
		q := *p.Quoted
		inner := &q.Src
		if outward {
			inner = &q.Dst
		}
		x.translate(inner, outward)
		p.Quoted = &q
	}
	return true
}

func (x *prefixBox) external(a table.Addr) *table.PrefixPair {
	for i, p := range x.prefixes {
		if a.Within(p.External, p.Mask) {
			return &x.prefixes[i]
		}
	}
	return nil
}

func (x *prefixBox) translate(e *netip.AddrPort, outward bool) bool {
	if !e.IsValid() {
		return false
	}
	a := table.Pack(e.Addr())
	for _, p := range x.prefixes {
		from, to := p.External, p.Internal
		if outward {
			from, to = to, from
		}
		if !a.Within(from, p.Mask) {
			continue
		}
		out := a.Moved(to, p.Mask)
		if !a.Is4() {
			var ok bool
			if out, ok = neutral(a, out, p.Length()); !ok {
				return false
			}
		}
		*e = netip.AddrPortFrom(out.Netip(), e.Port())
		return true
	}
	return false
}

// neutral adds to an address with a new prefix what leaves the checksum of the packet
// as it was (RFC 6296 section 3): to the fourth word for a prefix of at most 48 bits
// (section 3.4), else to the first word after the prefix that is not 0xffff
// (section 3.5). An address without such a word cannot be translated.
func neutral(was, now table.Addr, prefix int) (table.Addr, bool) {
	word := 3
	if prefix > 48 {
		for word = 4; wordOf(now, word) == 0xffff; {
			if word++; word == 8 {
				return table.Addr{}, false
			}
		}
	} else if wordOf(now, word) == 0xffff {
		return table.Addr{}, false
	}
	adjust := onesAdd(onesSum(was), ^onesSum(now))
	sum := onesAdd(wordOf(now, word), adjust)
	if sum == 0xffff {
		sum = 0
	}
	setWord(&now, word, sum)
	return now, true
}

// onesAdd is the one's complement sum.
func onesAdd(a, b uint16) uint16 {
	sum := uint32(a) + uint32(b)
	return uint16(sum + sum>>16)
}
