package ippacket

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// Header is what the builder of a packet may choose in the IP header; its zero value will do.
type Header struct {
	TTL uint8  // or hop limit; zero stands for 64
	TOS uint8  // or traffic class
	ID  uint16 // IPv4: the identification
	DF  bool   // IPv4: do not fragment
}

const defaultTTL = 64

// maxLen is what the length field can say: of the whole packet in IPv4, of what follows the
// header in IPv6.
const maxLen = 0xffff

// AppendIP appends a packet of any protocol from src to dst, both of one family, and returns
// the longer slice. A checksum within the payload is the caller's business.
func AppendIP(b []byte, h Header, protocol natmodels.Protocol, src, dst netip.Addr, payload []byte) ([]byte, error) {
	at := len(b)
	b, problem := appendHeader(b, h, protocol, src, dst, len(payload))
	if problem != none {
		return b[:at], problem
	}
	return append(b, payload...), nil
}

// AppendUDP appends a datagram (RFC 768), always with a checksum: one that is zero is sent as
// 0xffff.
func AppendUDP(b []byte, h Header, src, dst netip.AddrPort, payload []byte) ([]byte, error) {
	at, length := len(b), udpHeader+len(payload)
	b, problem := appendHeader(b, h, natmodels.UDP, src.Addr(), dst.Addr(), length)
	if problem != none {
		return b[:at], problem
	}
	l := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, payload...)
	be.PutUint16(b[l:], src.Port())
	be.PutUint16(b[l+2:], dst.Port())
	be.PutUint16(b[l+4:], uint16(length))
	seal(b[at:], l-at, natmodels.UDP)
	return b, nil
}

// AppendTCP appends a segment without options (RFC 9293 section 3.1): endpoints, flags and
// numbers are those of p. It is also how the reset in a verdict gets its bytes.
func AppendTCP(b []byte, h Header, p natmodels.Packet, window uint16, payload []byte) ([]byte, error) {
	if p.Protocol != natmodels.TCP || p.Quoted != nil {
		return b, OtherPacket
	}
	at := len(b)
	b, problem := appendHeader(b, h, natmodels.TCP, p.Src.Addr(), p.Dst.Addr(), tcpHeader+len(payload))
	if problem != none {
		return b[:at], problem
	}
	l := len(b)
	b = append(b, make([]byte, tcpHeader)...)
	b = append(b, payload...)
	be.PutUint16(b[l:], p.Src.Port())
	be.PutUint16(b[l+2:], p.Dst.Port())
	be.PutUint32(b[l+4:], p.Seq)
	be.PutUint32(b[l+8:], p.Ack)
	b[l+12], b[l+13] = tcpHeader/4<<4, byte(p.Flags)
	be.PutUint16(b[l+14:], window)
	seal(b[at:], l-at, natmodels.TCP)
	return b, nil
}

// appendHeader appends the IP header of a packet that carries so many bytes.
func appendHeader(b []byte, h Header, protocol natmodels.Protocol, src, dst netip.Addr, length int) ([]byte, Problem) {
	if h.TTL == 0 {
		h.TTL = defaultTTL
	}
	switch {
	case ofFamily(src, 4) && ofFamily(dst, 4):
		if header4+length > maxLen {
			return b, TooLong
		}
		return appendHeader4(b, h, protocol, src, dst, length), none
	case ofFamily(src, 6) && ofFamily(dst, 6):
		if length > maxLen {
			return b, TooLong
		}
		return appendHeader6(b, h, protocol, src, dst, length), none
	}
	return b, OtherFamily
}

func appendHeader4(b []byte, h Header, protocol natmodels.Protocol, src, dst netip.Addr, length int) []byte {
	var p [header4]byte
	p[0], p[1], p[8], p[9] = 0x45, h.TOS, h.TTL, byte(protocol)
	be.PutUint16(p[2:], uint16(header4+length))
	be.PutUint16(p[4:], h.ID)
	if h.DF {
		be.PutUint16(p[6:], flagDF)
	}
	*(*[4]byte)(p[12:]), *(*[4]byte)(p[16:]) = src.As4(), dst.As4()
	be.PutUint16(p[10:], Checksum(p[:]))
	return append(b, p[:]...)
}

func appendHeader6(b []byte, h Header, protocol natmodels.Protocol, src, dst netip.Addr, length int) []byte {
	var p [header6]byte
	p[0], p[1], p[6], p[7] = 6<<4|h.TOS>>4, h.TOS<<4, byte(protocol), h.TTL
	be.PutUint16(p[4:], uint16(length))
	*(*[16]byte)(p[8:]), *(*[16]byte)(p[24:]) = src.As16(), dst.As16()
	return append(b, p[:]...)
}

// seal fills in the transport's checksum of a packet whose transport begins at header.
func seal(p []byte, header int, protocol natmodels.Protocol) {
	at, addresses, _ := checksumAt(protocol)
	l := p[header:]
	be.PutUint16(l[at:], 0)
	s := uint64(0)
	if addresses {
		s = pseudo(p, protocol, len(l))
	}
	c := ^fold(sum(l, s))
	if c == 0 && protocol == natmodels.UDP {
		c = 0xffff // RFC 768: zero says that there is none
	}
	be.PutUint16(l[at:], c)
}
