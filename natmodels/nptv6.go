package natmodels

import "net/netip"

// prefixTranslator is the engine of a PrefixTranslator.
type prefixTranslator struct {
	prefixes []prefixPair
	stats    *Stats
}

// send handles a packet from a side: outbound its source, inbound its destination is
// translated. A packet from the inside to an external address of a prefix comes back
// in with both translated.
func (x *prefixTranslator) send(from side, p Packet) Verdict {
	v := Verdict{Action: Forward, Packet: p}
	ok := true
	if from == fromInside {
		ok = x.rewrite(&v.Packet, true)
	}
	dst := packAddr(p.Dst.Addr())
	if at := x.external(dst); ok && at != nil {
		ok = x.rewrite(&v.Packet, false)
		if from == fromInside {
			v.Action = Hairpin
		}
	} else if from == fromOutside {
		ok = false
	}
	switch {
	case !ok:
		v = Verdict{Action: Drop, Packet: p, Reason: NotExternal}
		x.stats.Dropped[NotExternal]++
	case v.Action == Hairpin:
		x.stats.Hairpinned++
	default:
		x.stats.Forwarded++
	}
	return v
}

// rewrite translates the source of a packet outward, or its destination inward; the
// packet that an ICMP error quotes went the other way.
func (x *prefixTranslator) rewrite(p *Packet, outward bool) bool {
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

func (x *prefixTranslator) external(a addr) *prefixPair {
	for i, p := range x.prefixes {
		if a.within(p.external, p.mask) {
			return &x.prefixes[i]
		}
	}
	return nil
}

func (x *prefixTranslator) translate(e *netip.AddrPort, outward bool) bool {
	if !e.IsValid() {
		return false
	}
	a := packAddr(e.Addr())
	for _, p := range x.prefixes {
		from, to := p.external, p.internal
		if outward {
			from, to = to, from
		}
		if !a.within(from, p.mask) {
			continue
		}
		out := a.moved(to, p.mask)
		if !a.is4() {
			var ok bool
			if out, ok = neutral(a, out, p.length()); !ok {
				return false
			}
		}
		*e = netip.AddrPortFrom(out.netip(), e.Port())
		return true
	}
	return false
}

// neutral adds to an address with a new prefix what leaves the checksum of the packet
// as it was (RFC 6296 section 3): to the fourth word for a prefix of at most 48 bits
// (section 3.4), else to the first word after the prefix that is not 0xffff
// (section 3.5). An address without such a word cannot be translated.
func neutral(was, now addr, prefix int) (addr, bool) {
	word := 3
	if prefix > 48 {
		for word = 4; now.word(word) == 0xffff; {
			if word++; word == 8 {
				return addr{}, false
			}
		}
	} else if now.word(word) == 0xffff {
		return addr{}, false
	}
	adjust := onesAdd(onesSum(was), ^onesSum(now))
	sum := onesAdd(now.word(word), adjust)
	if sum == 0xffff {
		sum = 0
	}
	now.setWord(word, sum)
	return now, true
}

// onesAdd is the one's complement sum.
func onesAdd(a, b uint16) uint16 {
	sum := uint32(a) + uint32(b)
	return uint16(sum + sum>>16)
}

// word returns one of the eight 16-bit words of an address.
func (a addr) word(i int) uint16 {
	if i < 4 {
		return uint16(a.hi >> (48 - 16*i))
	}
	return uint16(a.lo >> (112 - 16*i))
}

func (a *addr) setWord(i int, w uint16) {
	part, shift := &a.hi, 48-16*i
	if i >= 4 {
		part, shift = &a.lo, 112-16*i
	}
	*part = *part&^(0xffff<<shift) | uint64(w)<<shift
}
