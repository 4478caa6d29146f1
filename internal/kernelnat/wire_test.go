package kernelnat

import (
	"encoding/binary"
	"net/netip"
)

// What follows writes packets by hand, and not by package ippacket, which is under test.

// ipHead is the header of a packet (RFC 791 section 3.1).
type ipHead struct {
	src, dst netip.Addr
	proto    Proto
	ttl, tos uint8
	id       uint16
	df, mf   bool
	offset   int    // in bytes
	options  []byte // of a length that is a multiple of four
}

var wireOrder = binary.BigEndian

func (h ipHead) packet(payload []byte) []byte {
	if h.ttl == 0 {
		h.ttl = 60
	}
	size := ipHeader + len(h.options)
	b := make([]byte, size, size+len(payload))
	b[0], b[1], b[8], b[9] = 0x40|byte(size/4), h.tos, h.ttl, byte(h.proto)
	wireOrder.PutUint16(b[2:], uint16(size+len(payload)))
	wireOrder.PutUint16(b[4:], h.id)
	field := uint16(h.offset / 8)
	if h.df {
		field |= 0x4000
	}
	if h.mf {
		field |= 0x2000
	}
	wireOrder.PutUint16(b[6:], field)
	copy(b[12:], h.src.AsSlice())
	copy(b[16:], h.dst.AsSlice())
	copy(b[ipHeader:], h.options)
	wireOrder.PutUint16(b[10:], ^wireSum(b))
	return append(b, payload...)
}

// wireSum is the ones' complement sum of RFC 1071, as it is written there.
func wireSum(b []byte) uint16 {
	s := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		s += uint32(b[len(b)-1]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// sealed has the checksum of a transport at a place within it filled in.
func (h ipHead) sealed(l []byte, at int) []byte {
	pseudo := append(append(h.src.AsSlice(), h.dst.AsSlice()...), 0, byte(h.proto), byte(len(l)>>8), byte(len(l)))
	if h.proto == ICMP {
		pseudo = nil
	}
	wireOrder.PutUint16(l[at:], 0)
	c := ^wireSum(append(pseudo, l...))
	if c == 0 && h.proto == UDP {
		c = 0xffff
	}
	wireOrder.PutUint16(l[at:], c)
	return l
}

func (h ipHead) udp(src, dst uint16, data []byte) []byte {
	h.proto = UDP
	l := append(make([]byte, 8), data...)
	wireOrder.PutUint16(l, src)
	wireOrder.PutUint16(l[2:], dst)
	wireOrder.PutUint16(l[4:], uint16(len(l)))
	return h.packet(h.sealed(l, 6))
}

// tcpHead is a TCP header.
type tcpHead struct {
	src, dst uint16
	flags    byte
	seq, ack uint32
	options  []byte // of a length that is a multiple of four
}

func (h ipHead) tcp(s tcpHead, data []byte) []byte {
	h.proto = TCP
	l := append(make([]byte, 20), s.options...)
	wireOrder.PutUint16(l, s.src)
	wireOrder.PutUint16(l[2:], s.dst)
	wireOrder.PutUint32(l[4:], s.seq)
	wireOrder.PutUint32(l[8:], s.ack)
	l[12], l[13] = byte(len(l)/4)<<4, s.flags
	wireOrder.PutUint16(l[14:], 60000)
	return h.packet(h.sealed(append(l, data...), 16))
}

func (h ipHead) icmp(kind, code uint8, rest uint32, data []byte) []byte {
	h.proto = ICMP
	l := wireOrder.AppendUint32([]byte{kind, code, 0, 0}, rest)
	return h.packet(h.sealed(append(l, data...), 2))
}

func (h ipHead) echo(kind uint8, id, seq uint16, data []byte) []byte {
	return h.icmp(kind, 0, uint32(id)<<16|uint32(seq), data)
}

// cutAt makes fragments of a packet without options, which end at these places of its payload.
func cutAt(b []byte, ends ...int) [][]byte {
	var all [][]byte
	body := b[ipHeader:]
	at := 0
	for _, end := range append(ends, len(body)) {
		all = append(all, fragmentOf(b, at, end))
		at = end
	}
	return all
}

// fragmentOf is the part of a packet without options between two places of its payload.
func fragmentOf(b []byte, at, end int) []byte {
	p := append(append([]byte(nil), b[:ipHeader]...), b[ipHeader+at:ipHeader+end]...)
	field := wireOrder.Uint16(b[6:])&0x4000 | uint16(at/8)
	if ipHeader+end < len(b) {
		field |= 0x2000
	}
	wireOrder.PutUint16(p[2:], uint16(len(p)))
	wireOrder.PutUint16(p[6:], field)
	return resealed(p)
}

// resealed fills in the checksum of the IP header.
func resealed(p []byte) []byte {
	size := int(p[0]&15) * 4
	wireOrder.PutUint16(p[10:], 0)
	wireOrder.PutUint16(p[10:], ^wireSum(p[:size]))
	return p
}

// moreTTL gives a packet one more hop; its checksum stays as right or wrong as it was.
func moreTTL(b []byte) []byte {
	if len(b) < ipHeader {
		return b
	}
	p := append([]byte(nil), b...)
	p[8]++
	s := uint32(^wireOrder.Uint16(p[10:])) + 0x0100
	wireOrder.PutUint16(p[10:], ^uint16(s>>16+s&0xffff)) // RFC 1624 eqn. 3
	return p
}
