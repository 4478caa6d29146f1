package ippacket

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// Extension headers of IPv6 (RFC 8200 section 4).
const (
	hopByHop           = 0
	routing            = 43
	fragment           = 44
	destinationOptions = 60
)

// extension reports whether a protocol number is one of them.
func extension(next uint8) bool {
	return next == hopByHop || next == routing || next == fragment || next == destinationOptions
}

// read6 reads an IPv6 header (RFC 8200 section 3) and the extension headers after it.
func (v *View) read6(b []byte, quoted bool) Problem {
	if len(b) < header6 {
		return Truncated
	}
	total := header6 + int(be.Uint16(b[4:]))
	if total > len(b) && !quoted {
		return Truncated
	}
	v.Version, v.TTL, v.DF = 6, b[7], true
	v.TOS = b[0]<<4 | b[1]>>4
	v.Len = min(total, len(b))
	v.Packet.Src = netip.AddrPortFrom(addr6(b[8:24]), 0)
	v.Packet.Dst = netip.AddrPortFrom(addr6(b[24:40]), 0)
	return v.walk(b[:v.Len])
}

// walk goes from the IPv6 header over the extension headers to the transport's, or to what
// a later fragment carries. Each takes eight bytes at least, so it ends.
func (v *View) walk(b []byte) Problem {
	by, at := 6, header6 // the next header field, and what it names
	for {
		next := b[by]
		if !extension(next) || v.later() {
			v.Packet.Protocol, v.HeaderLen = natmodels.Protocol(next), at
			return none
		}
		if at+8 > len(b) {
			return Truncated
		}
		length := 8
		switch next {
		case hopByHop:
			if at != header6 {
				return BadExtension // RFC 8200 section 4.1: immediately after the IPv6 header
			}
			length += int(b[at+1]) * 8
		case fragment:
			if v.fragmentAt != 0 {
				return BadExtension
			}
			v.fragmentAt, v.fragmentBy = at, by
			bits := be.Uint16(b[at+2:])
			v.Offset, v.MF, v.ID = int(bits&^7), bits&1 != 0, be.Uint32(b[at+4:])
		case routing:
			length += int(b[at+1]) * 8
			v.routed = v.routed || b[at+3] != 0 // segments left (RFC 8200 section 4.4)
		default:
			length += int(b[at+1]) * 8
		}
		if at+length > len(b) {
			return Truncated
		}
		by, at = at, at+length
	}
}
