package ippacket

// minMTU4 is what every link of IPv4 carries (RFC 791 section 3.2).
const minMTU4 = 68

// Fragment cuts a packet, or a fragment of one, into fragments of at most mtu bytes, as an
// IPv4 router does (RFC 791 section 3.2). A packet that fits is returned as it is; one that
// has DF set, or is IPv6, is TooBig if it does not.
//
// Options that are not to be copied are replaced by no-operations in all fragments but the
// first, as Linux does, so that all headers are of one length.
func (v *View) Fragment(b []byte, mtu int) ([][]byte, error) {
	switch {
	case v.Len <= mtu:
		return [][]byte{b[:v.Len]}, nil
	case v.DF:
		return nil, TooBig
	case mtu < minMTU4:
		return nil, BadMTU
	}
	first := b[:v.HeaderLen]
	other := append([]byte(nil), first...)
	dropOptions(other[header4:])
	all := cutter{header: v.HeaderLen, size: (mtu - v.HeaderLen) &^ 7, body: b[v.HeaderLen:v.Len]}
	return all.cut(func(p []byte, offset int, last bool) {
		if offset == 0 && v.Offset == 0 {
			copy(p, first)
		} else {
			copy(p, other)
		}
		field := uint16((v.Offset + offset) / 8)
		if !last || v.MF {
			field |= flagMF
		}
		be.PutUint16(p[2:], uint16(len(p)))
		be.PutUint16(p[6:], field)
		be.PutUint16(p[10:], 0)
		be.PutUint16(p[10:], Checksum(p[:v.HeaderLen]))
	}), nil
}

// dropOptions replaces options that have no copied flag (RFC 791 section 3.1). Their lengths
// are right.
func dropOptions(o []byte) {
	for len(o) > 0 && o[0] != optionEnd {
		n := 1
		if o[0] != optionNone {
			n = int(o[1])
		}
		if o[0]&optionCopied == 0 {
			for i := range n {
				o[i] = optionNone
			}
		}
		o = o[n:]
	}
}

// cutter cuts a body into fragments.
type cutter struct {
	header, size int // of each fragment
	body         []byte
}

// cut makes the fragments one after the other, all in one piece of memory. Seal fills in
// the header of one.
func (c cutter) cut(seal func(p []byte, offset int, last bool)) [][]byte {
	n := (len(c.body) + c.size - 1) / c.size
	memory := make([]byte, n*c.header+len(c.body))
	all := make([][]byte, 0, n)
	for offset := 0; offset < len(c.body); offset += c.size {
		part := c.body[offset:min(offset+c.size, len(c.body))]
		end := c.header + len(part)
		p := memory[:end:end]
		memory = memory[end:]
		copy(p[c.header:], part)
		seal(p, offset, offset+len(part) == len(c.body))
		all = append(all, p)
	}
	return all
}
