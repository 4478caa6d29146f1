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
	all := cutter{header: v.HeaderLen, size: mtu - v.HeaderLen, body: b[v.HeaderLen:v.Len]}
	return all.cut(v.sealer(b)), nil
}

// CutAt cuts a packet of IPv4 into fragments that carry so many bytes each, as it was cut before it
// was joined. DF is not set in any, as Linux has it (ip_fraglist_init in net/ipv4/ip_output.c). Other lengths than those of
// [Reassembler.Cuts] are BadFragment.
func (v *View) CutAt(b []byte, lengths []int) ([][]byte, error) {
	if v.Version != 4 {
		return nil, OtherFamily
	}
	sum := 0
	for i, n := range lengths {
		if n <= 0 || n%8 != 0 && i < len(lengths)-1 {
			return nil, BadFragment
		}
		sum += n
	}
	if sum != v.Len-v.HeaderLen {
		return nil, BadFragment
	}
	all := cutter{header: v.HeaderLen, lengths: lengths, body: b[v.HeaderLen:v.Len]}
	return all.cut(v.sealer(b)), nil
}

// sealer fills in the headers of the fragments of a packet.
func (v *View) sealer(b []byte) func(p []byte, offset int, last bool) {
	first := b[:v.HeaderLen]
	other := append([]byte(nil), first...)
	dropOptions(other[header4:])
	return func(p []byte, offset int, last bool) {
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
	}
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
	header  int   // of each fragment
	size    int   // of what each carries at most; all but the last carry a multiple of eight bytes
	lengths []int // of what they carry, if they differ
	body    []byte
}

// cut makes the fragments one after the other, all in one piece of memory. Seal fills in
// the header of one.
func (c cutter) cut(seal func(p []byte, offset int, last bool)) [][]byte {
	n := len(c.lengths)
	if n == 0 {
		n = (len(c.body) + c.size&^7 - 1) / (c.size &^ 7)
	}
	memory := make([]byte, n*c.header+len(c.body))
	all := make([][]byte, 0, n)
	for offset := 0; offset < len(c.body); {
		size := c.size
		switch {
		case c.lengths != nil:
			size = c.lengths[len(all)]
		case len(c.body)-offset > size:
			size &^= 7
		}
		part := c.body[offset:min(offset+size, len(c.body))]
		end := c.header + len(part)
		p := memory[:end:end]
		memory = memory[end:]
		copy(p[c.header:], part)
		seal(p, offset, offset+len(part) == len(c.body))
		all = append(all, p)
		offset += len(part)
	}
	return all
}
