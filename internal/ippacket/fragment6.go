package ippacket

const (
	minMTU6        = 1280 // RFC 8200 section 5
	fragmentHeader = 8
)

// Fragment6 cuts a packet of IPv6 into fragments of at most mtu bytes with that
// identification, as its source does (RFC 8200 section 4.5): routers never do. A packet that
// fits is returned as it is; an mtu of less than 1280 is a BadMTU, and what is a fragment
// already, or has a fragment header, BadFragment.
func (v *View) Fragment6(b []byte, mtu int, id uint32) ([][]byte, error) {
	switch {
	case v.Version != 6:
		return nil, OtherFamily
	case v.Len <= mtu:
		return [][]byte{b[:v.Len]}, nil
	case v.fragmentAt != 0:
		return nil, BadFragment
	case mtu < minMTU6:
		return nil, BadMTU
	}
	by, at := unfragmentable(b[:v.Len])
	if mtu-at-fragmentHeader < 8 || v.HeaderLen > mtu-fragmentHeader {
		return nil, BadMTU // RFC 7112: the first fragment has all headers
	}
	all := cutter{header: at + fragmentHeader, size: mtu - at - fragmentHeader, body: b[at:v.Len]}
	return all.cut(func(p []byte, offset int, last bool) {
		copy(p, b[:at])
		p[by] = fragment
		be.PutUint16(p[4:], uint16(len(p)-header6))
		p[at] = b[by]
		field := uint16(offset)
		if !last {
			field |= 1
		}
		be.PutUint16(p[at+2:], field)
		be.PutUint32(p[at+4:], id)
	}), nil
}

// unfragmentable is where the part ends that all fragments have: the IPv6 header, and
// extension headers up to the routing header, or hop-by-hop options if there is none. By is
// the next header field that names what follows. The headers have been walked.
func unfragmentable(b []byte) (by, end int) {
	by, end = 6, header6
	for next, at := 6, header6; ; {
		kind := b[next]
		if kind != hopByHop && kind != routing && kind != destinationOptions {
			return by, end
		}
		length := 8 + int(b[at+1])*8
		next, at = at, at+length
		if kind != destinationOptions {
			by, end = next, at
		}
	}
}
