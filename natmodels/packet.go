package natmodels

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Protocol is a transport protocol by its IANA protocol number.
type Protocol uint8

// The transport protocols that are translated. A packet of another protocol is
// dropped with [UnsupportedProtocol], except that a [Router] forwards any protocol.
const (
	ICMP Protocol = 1
	TCP  Protocol = 6
	UDP  Protocol = 17
	// ICMPv6 is what ICMP is to IPv4. An engine that serves IPv6 takes it in the place
	// of ICMP, with the types of ICMPv6.
	ICMPv6 Protocol = 58
)

// String returns "udp", "tcp", "icmp", "icmpv6" or "protocol-N".
func (p Protocol) String() string {
	switch p {
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case ICMPv6:
		return "icmpv6"
	}
	return "protocol-" + strconv.Itoa(int(p))
}

// TCPFlags are the control bits of a TCP segment (RFC 9293 section 3.1).
type TCPFlags uint8

// The control bits, at their places in the header.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

var flagNames = []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"}

// String returns "SYN+ACK", or "none".
func (f TCPFlags) String() string {
	var set []string
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	if len(set) == 0 {
		return "none"
	}
	return strings.Join(set, "+")
}

// ParseTCPFlags reads what String returns, such as "SYN+ACK".
func ParseTCPFlags(s string) (TCPFlags, error) {
	var f TCPFlags
	for name := range strings.SplitSeq(s, "+") {
		bit, err := parse[uint8]("TCP flag", name, flagNames)
		if err != nil {
			return 0, err
		}
		f |= 1 << bit
	}
	return f, nil
}

// Types of ICMP messages (RFC 792).
const (
	EchoReply       uint8 = 0
	DestUnreachable uint8 = 3
	SourceQuench    uint8 = 4
	Redirect        uint8 = 5
	EchoRequest     uint8 = 8
	TimeExceeded    uint8 = 11
	ParamProblem    uint8 = 12
)

// Codes of DestUnreachable (RFC 792, RFC 1812 section 5.2.7.1).
const (
	HostUnreachable     uint8 = 1
	PortUnreachable     uint8 = 3
	FragmentationNeeded uint8 = 4
	AdminProhibited     uint8 = 13
)

// Types of ICMPv6 messages (RFC 4443).
const (
	V6DestUnreachable uint8 = 1
	V6PacketTooBig    uint8 = 2
	V6TimeExceeded    uint8 = 3
	V6ParamProblem    uint8 = 4
	V6EchoRequest     uint8 = 128
	V6EchoReply       uint8 = 129
)

// Packet is what a NAT sees of a packet: the fields it reads and rewrites. The
// payload stays with the caller.
//
// IPv4 addresses must be plain: an IPv4-mapped IPv6 address (::ffff:192.0.2.1)
// is a [BadPacket], as is a zone, an unspecified address or, of UDP and TCP, port
// zero.
//
// An ICMP echo has its identifier as the port of both Src and Dst. An ICMP error has
// port zero in both, and quotes the packet it is about.
type Packet struct {
	Protocol Protocol
	Flags    TCPFlags // TCP
	Type     uint8    // ICMP
	Code     uint8    // ICMP
	// Seq and Ack are the sequence and acknowledgment numbers of TCP. Connection
	// tracking reads Ack to recognise the answer to a SYN; nothing rewrites them.
	Seq, Ack uint32
	Src, Dst netip.AddrPort
	// Quoted is the packet that an ICMP error is about, as it was when it was stopped;
	// nil in all others. The NAT never writes to it: a verdict has a copy.
	Quoted *Packet
}

// IsICMP reports whether p is a message of ICMP, of either version.
func (p *Packet) IsICMP() bool { return p.Protocol == ICMP || p.Protocol == ICMPv6 }

// Echo reports whether p is an ICMP echo request, or reply.
func (p *Packet) Echo() (request, reply bool) {
	switch p.Protocol {
	case ICMP:
		return p.Type == EchoRequest, p.Type == EchoReply
	case ICMPv6:
		return p.Type == V6EchoRequest, p.Type == V6EchoReply
	}
	return false, false
}

// IsError reports whether p is an ICMP message of a type that quotes a packet.
func (p *Packet) IsError() bool {
	_, known := icmpErrorNames[icmpKind{p.Protocol, p.Type}]
	return known
}

// Equal reports whether p and q are equal, what they quote included.
func (p Packet) Equal(q Packet) bool {
	if p.Quoted != nil && q.Quoted != nil {
		if !p.Quoted.Equal(*q.Quoted) {
			return false
		}
		p.Quoted, q.Quoted = nil, nil
	}
	return p == q
}

// What says what the packet is beside its endpoints: "udp", "tcp SYN+ACK",
// "icmp echo-request", "icmp unreachable/3".
func (p Packet) What() string {
	switch {
	case p.Protocol == TCP:
		return "tcp " + p.Flags.String()
	case p.IsICMP():
		request, reply := p.Echo()
		name, known := icmpErrorNames[icmpKind{p.Protocol, p.Type}]
		switch {
		case request:
			return p.Protocol.String() + " echo-request"
		case reply:
			return p.Protocol.String() + " echo-reply"
		case known:
			return fmt.Sprintf("%v %s/%d", p.Protocol, name, p.Code)
		}
		return fmt.Sprintf("%v %d/%d", p.Protocol, p.Type, p.Code)
	}
	return p.Protocol.String()
}

type icmpKind struct {
	protocol Protocol
	kind     uint8
}

// icmpErrorNames lists the messages that quote a packet.
var icmpErrorNames = map[icmpKind]string{
	{ICMP, DestUnreachable}:     "unreachable",
	{ICMP, SourceQuench}:        "source-quench",
	{ICMP, Redirect}:            "redirect",
	{ICMP, TimeExceeded}:        "time-exceeded",
	{ICMP, ParamProblem}:        "parameter-problem",
	{ICMPv6, V6DestUnreachable}: "unreachable",
	{ICMPv6, V6PacketTooBig}:    "packet-too-big",
	{ICMPv6, V6TimeExceeded}:    "time-exceeded",
	{ICMPv6, V6ParamProblem}:    "parameter-problem",
}

// String returns "udp 10.0.0.2:5060 -> 203.0.113.20:3478"; a packet quoted follows in
// braces.
func (p Packet) String() string {
	s := fmt.Sprintf("%s %v -> %v", p.What(), p.Src, p.Dst)
	if p.Quoted != nil {
		s += " about {" + p.Quoted.String() + "}"
	}
	return s
}
