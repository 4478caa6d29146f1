package ippacket

import "github.com/natproof/natproof/natmodels"

// Flags of TCP that only the first or the last of several segments has (RFC 9293 section 3.1, RFC
// 3168 section 6.1.2).
const (
	flagFIN = 0x01
	flagPSH = 0x08
	flagCWR = 0x80
)

// Segments cuts a packet of TCP into segments that carry size bytes each, but the last, as a
// network card does for its host. All but the numbers, the flags, the lengths and the checksums is
// the same in each; identifications of IPv4 count up. The checksum of TCP in b means nothing.
func (v *View) Segments(b []byte, size int) ([][]byte, error) {
	switch {
	case v.Packet.Protocol != natmodels.TCP, v.Fragmented():
		return nil, OtherPacket
	case size <= 0:
		return nil, BadMTU
	}
	header, body := b[:v.PayloadAt], b[v.PayloadAt:v.PayloadEnd]
	n := max(1, (len(body)+size-1)/size)
	memory := make([]byte, n*len(header)+len(body))
	all := make([][]byte, 0, n)
	for i := range n {
		part := body[i*size : min((i+1)*size, len(body))]
		end := len(header) + len(part)
		p := memory[:end:end]
		memory = memory[end:]
		copy(p, header)
		copy(p[len(header):], part)
		v.sealSegment(p, i, n, size)
		all = append(all, p)
	}
	return all, nil
}

// sealSegment fills in the headers of the segment number i of n.
func (v *View) sealSegment(p []byte, i, n, size int) {
	if v.Version == 4 {
		be.PutUint16(p[2:], uint16(len(p)))
		be.PutUint16(p[4:], uint16(v.ID)+uint16(i))
		be.PutUint16(p[10:], 0)
		be.PutUint16(p[10:], Checksum(p[:v.HeaderLen]))
	} else {
		be.PutUint16(p[4:], uint16(len(p)-header6))
	}
	l := p[v.HeaderLen:]
	be.PutUint32(l[4:], v.Packet.Seq+uint32(i*size))
	if i > 0 {
		l[13] &^= flagCWR
	}
	if i < n-1 {
		l[13] &^= flagFIN | flagPSH
	}
	seal(p, v.HeaderLen, natmodels.TCP)
}

// PartialChecksum is what the field of the transport's checksum holds of a packet of so many bytes
// from its IP header on, as long as somebody else is to sum the rest: the sum of the pseudo-header.
func PartialChecksum(p []byte, protocol natmodels.Protocol, length int) uint16 {
	return fold(pseudo(p, protocol, length))
}
