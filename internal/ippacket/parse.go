package ippacket

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

const (
	header4    = 20
	header6    = 40
	udpHeader  = 8
	tcpHeader  = 20
	icmpHeader = 8
)

// Parse reads the packet that b begins with and checks its headers, lengths, and the
// checksum of an IPv4 header; for the transport's there is [View.Verify]. It does not keep
// b. Its error is a [Problem]; with BadQuote the view is whole but for Packet.Quoted.
func Parse(b []byte) (v View, err error) {
	return v, v.read(b, false).err()
}

// read reads a packet, or the part of one that is quoted: this may end anywhere eight bytes
// after its IP header (RFC 792), and its checksum is that of some place on the way.
func (v *View) read(b []byte, quoted bool) Problem {
	if len(b) == 0 {
		return Truncated
	}
	problem := BadVersion
	switch b[0] >> 4 {
	case 4:
		problem = v.read4(b, quoted)
	case 6:
		problem = v.read6(b, quoted)
	}
	if problem != none {
		return problem
	}
	v.PayloadAt, v.PayloadEnd = v.HeaderLen, v.Len
	if v.later() || !knows(v.Version, v.Packet.Protocol) {
		return none
	}
	return v.readTransport(b[:v.Len], quoted)
}

// read4 reads an IPv4 header (RFC 791 section 3.1).
func (v *View) read4(b []byte, quoted bool) Problem {
	if len(b) < header4 {
		return Truncated
	}
	header, total := int(b[0]&15)*4, int(be.Uint16(b[2:]))
	switch {
	case header < header4 || total < header:
		return BadLength
	case header > len(b) || total > len(b) && !quoted:
		return Truncated
	case !quoted && Checksum(b[:header]) != 0:
		return BadChecksum // RFC 1812 section 5.2.2
	}
	if header > header4 {
		var problem Problem
		if v.routed, problem = readOptions(b[header4:header]); problem != none {
			return problem
		}
	}
	bits := be.Uint16(b[6:])
	v.Version, v.TOS, v.TTL = 4, b[1], b[8]
	v.ID = uint32(be.Uint16(b[4:]))
	v.DF, v.MF, v.Offset = bits&flagDF != 0, bits&flagMF != 0, int(bits&offsetBits)*8
	v.Len, v.HeaderLen = min(total, len(b)), header
	v.Packet.Protocol = natmodels.Protocol(b[9])
	v.Packet.Src = netip.AddrPortFrom(addr4(b[12:16]), 0)
	v.Packet.Dst = netip.AddrPortFrom(addr4(b[16:20]), 0)
	return none
}

// The bits of the field of IPv4 that has the fragment's offset.
const (
	flagDF     = 0x4000
	flagMF     = 0x2000
	offsetBits = 0x1fff
)

// Options of IPv4 (RFC 791 section 3.1).
const (
	optionEnd    = 0
	optionNone   = 1
	optionLSRR   = 131
	optionSSRR   = 137
	optionCopied = 0x80
)

// readOptions checks the lengths of options, and whether one is a source route that is not
// at its end.
func readOptions(o []byte) (routed bool, problem Problem) {
	for len(o) > 0 && o[0] != optionEnd {
		if o[0] == optionNone {
			o = o[1:]
			continue
		}
		if len(o) < 2 || o[1] < 2 || int(o[1]) > len(o) {
			return false, BadLength
		}
		if o[0] == optionLSRR || o[0] == optionSSRR {
			routed = routed || len(o) > 2 && o[2] <= o[1]
		}
		o = o[o[1]:]
	}
	return routed, none
}
