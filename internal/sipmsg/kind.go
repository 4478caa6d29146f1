package sipmsg

import (
	"bytes"
	"encoding/binary"
)

// Kind is what a datagram is, by its first bytes.
type Kind uint8

// The kinds of datagram that share a port.
const (
	Other       Kind = iota // SIP, if its first line says so
	Empty                   // no byte at all
	Keepalive               // line ends (RFC 5626 §3.5.1), or up to four zero bytes, as some proxies send them
	STUN                    // with the magic cookie of RFC 8489 §5
	ClassicSTUN             // of RFC 3489, without it
	DTLS                    // first byte 20 to 63
	RTP                     // first byte 128 to 191
	RTCP                    // the same, and the second byte 192 to 223 (RFC 5761 §4)
)

const (
	stunHeader = 20
	stunCookie = "\x21\x12\xa4\x42"
)

// KindOf tells what shares a port apart (RFC 7983 §7). The first byte alone would take
// four zero bytes for STUN, so STUN is known by its cookie, or by a length that is right.
func KindOf(b []byte) Kind {
	if len(b) == 0 {
		return Empty
	}
	switch c := b[0]; {
	case c == 0 && len(b) <= 4 && len(bytes.Trim(b, "\x00")) == 0:
		return Keepalive
	case c <= 3 && len(b) >= stunHeader:
		if string(b[4:8]) == stunCookie {
			return STUN
		}
		if n := int(binary.BigEndian.Uint16(b[2:])); n%4 == 0 && n == len(b)-stunHeader { // RFC 3489 §11.1
			return ClassicSTUN
		}
	case (c == '\r' || c == '\n') && len(bytes.Trim(b, "\r\n")) == 0:
		return Keepalive
	case c >= 20 && c <= 63 && len(b) >= 13: // a record's header (RFC 9147 §4)
		return DTLS
	case c >= 128 && c <= 191 && len(b) >= 8:
		if b[1] >= 192 && b[1] <= 223 {
			return RTCP
		}
		return RTP
	}
	return Other
}
