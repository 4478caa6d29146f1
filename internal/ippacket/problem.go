package ippacket

// Problem is what is wrong with a packet, or why nothing can be done with it. It is an error
// for [errors.Is].
type Problem uint8

const (
	none Problem = iota
	// Truncated: the packet ends before its headers do, or before its length says.
	Truncated
	// BadVersion: neither IPv4 nor IPv6.
	BadVersion
	// BadLength: a length in a header that cannot be, such as one shorter than the header.
	BadLength
	// BadChecksum: the checksum of the IP header, of UDP, TCP or ICMP is wrong, or a UDP
	// checksum is missing in IPv6 (RFC 8200 section 8.1).
	BadChecksum
	// BadExtension: hop-by-hop options elsewhere than first, or two fragment headers
	// (RFC 8200 section 4.1).
	BadExtension
	// BadQuote: an ICMP error that does not quote a packet of its own family with eight bytes
	// after the header (RFC 792), or whose quote ends within extension headers (RFC 7112). The
	// view is whole but for Packet.Quoted.
	BadQuote
	// OtherFamily: an address is of another family than the packet, or is none.
	OtherFamily
	// OtherPacket: the change is none of the endpoints of this packet.
	OtherPacket
	// SourceRouted: the packet is on its way to another address than its last, which alone
	// its checksum covers (RFC 8200 section 8.1).
	SourceRouted
	// NotUDP: not a whole UDP datagram.
	NotUDP
	// TooLong: more than the length field can say.
	TooLong
	// NoAnswer: no ICMP error may be sent about this packet (RFC 1122 section 3.2.2, RFC 4443
	// section 2.4(e)), or it is no echo request that could be answered.
	NoAnswer
	// NoTranslation: the other family has no such packet (RFC 7915).
	NoTranslation
	// TTLExceeded: the packet may not be forwarded once more (RFC 1812 section 5.3.1).
	TTLExceeded
	// TooBig: the packet does not fit, and must not be fragmented here: DF is set, or it is
	// IPv6 (RFC 8200 section 4.5).
	TooBig
	// BadMTU: an MTU that does not hold the headers and eight bytes.
	BadMTU
	// BadFragment: a fragment that cannot be part of a datagram: empty, not of a multiple of
	// eight bytes, or beyond 65,535 bytes; it alone is dropped.
	BadFragment
	// Duplicate: the fragment is here already; it alone is dropped.
	Duplicate
	// Overlap: the fragment overlaps another one; the datagram is dropped (RFC 5722).
	Overlap
	// Contradiction: the fragments do not agree on where the datagram ends; it is dropped.
	Contradiction
	// NoRoom: there is no memory for one more fragment, which alone is dropped.
	NoRoom
	// OutOfOrder: the fragments before this one are not here; it alone is dropped.
	OutOfOrder

	problemCount
)

var problemTexts = [problemCount]string{
	none:          "ippacket: no problem",
	Truncated:     "ippacket: parse: truncated",
	BadVersion:    "ippacket: parse: neither IPv4 nor IPv6",
	BadLength:     "ippacket: parse: impossible length",
	BadChecksum:   "ippacket: verify: wrong checksum",
	BadExtension:  "ippacket: parse: extension header out of place",
	BadQuote:      "ippacket: parse: ICMP error without a packet it is about",
	OtherFamily:   "ippacket: write: address of another family",
	OtherPacket:   "ippacket: apply: verdict about another packet",
	SourceRouted:  "ippacket: apply: source-routed",
	NotUDP:        "ippacket: replace payload: not a whole UDP datagram",
	TooLong:       "ippacket: build: longer than a packet can be",
	NoAnswer:      "ippacket: answer: packet that must not be answered",
	NoTranslation: "ippacket: translate: packet that the other family has not",
	TTLExceeded:   "ippacket: forward: TTL exceeded",
	TooBig:        "ippacket: fragment: packet too big, and must not be fragmented",
	BadMTU:        "ippacket: fragment: MTU below what headers take",
	BadFragment:   "ippacket: reassemble: impossible fragment",
	Duplicate:     "ippacket: reassemble: duplicate",
	Overlap:       "ippacket: reassemble: overlapping fragments",
	Contradiction: "ippacket: reassemble: fragments of different ends",
	NoRoom:        "ippacket: reassemble: no room",
	OutOfOrder:    "ippacket: reassemble: out of order",
}

var problemNames = [problemCount]string{
	"none", "truncated", "bad-version", "bad-length", "bad-checksum", "bad-extension", "bad-quote",
	"other-family", "other-packet", "source-routed", "not-udp", "too-long", "no-answer", "no-translation", "ttl-exceeded",
	"too-big", "bad-mtu", "bad-fragment", "duplicate", "overlap", "contradiction", "no-room", "out-of-order",
}

// Error says what was done and what is wrong.
func (p Problem) Error() string {
	if p >= problemCount {
		return "ippacket: unknown problem"
	}
	return problemTexts[p]
}

// Name returns it in lower case with hyphens, such as "bad-checksum".
func (p Problem) Name() string {
	if p >= problemCount {
		return "unknown"
	}
	return problemNames[p]
}

// Problems lists every problem, in a fixed order.
func Problems() []Problem {
	all := make([]Problem, 0, problemCount-1)
	for p := Truncated; p < problemCount; p++ {
		all = append(all, p)
	}
	return all
}

// err is nil if there is no problem.
func (p Problem) err() error {
	if p == none {
		return nil
	}
	return p
}
