package kernelnat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Proto is an IP protocol number.
type Proto uint8

// The protocols of the test.
const (
	ICMP Proto = 1
	TCP  Proto = 6
	UDP  Proto = 17
)

// String returns "udp", "tcp" or "icmp".
func (p Proto) String() string {
	switch p {
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	return "protocol-" + strconv.Itoa(int(p))
}

// TCP flags (RFC 9293 section 3.1).
const (
	FIN uint8 = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// ICMP types (RFC 792).
const (
	EchoReply    uint8 = 0
	Unreachable  uint8 = 3
	EchoRequest  uint8 = 8
	TimeExceeded uint8 = 11
)

// Packet is an IPv4 packet as the test builds and reads it. An ICMP echo has its
// identifier as the port of Src and Dst both, so that every protocol of the test
// has endpoints.
type Packet struct {
	Proto    Proto
	Src, Dst netip.AddrPort

	Flags    uint8 // TCP
	Seq, Ack uint32
	Window   uint16

	Type, Code uint8   // ICMP
	Quoted     *Packet // ICMP errors: what the error is about

	// Tag is carried as payload, and in short as the IP identification; it tells the
	// packets of a sequence apart.
	Tag uint32
	// Data, if any, is the payload instead.
	Data []byte
}

// Errors of Parse.
var (
	ErrTruncated = errors.New("kernelnat: parse packet: truncated")
	ErrChecksum  = errors.New("kernelnat: parse packet: wrong checksum")
	ErrForeign   = errors.New("kernelnat: parse packet: not a packet of the test")
)

const (
	ipHeader   = 20
	udpHeader  = 8
	tcpHeader  = 20
	icmpHeader = 8
	tagSize    = 4
)

// Marshal returns the packet on the wire, its checksums filled in.
func (p Packet) Marshal() []byte {
	body := p.body()
	b := make([]byte, ipHeader, ipHeader+len(body))
	b[0] = 0x45
	binary.BigEndian.PutUint16(b[2:], uint16(ipHeader+len(body)))
	binary.BigEndian.PutUint16(b[4:], uint16(p.Tag))
	b[8] = 64
	b[9] = byte(p.Proto)
	src, dst := p.Src.Addr().As4(), p.Dst.Addr().As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	binary.BigEndian.PutUint16(b[10:], checksum(b, 0))
	return append(b, body...)
}

func (p Packet) body() []byte {
	payload := p.Data
	if payload == nil {
		payload = binary.BigEndian.AppendUint32(nil, p.Tag)
	}
	var b []byte
	at := 0
	switch p.Proto {
	case UDP:
		b = make([]byte, udpHeader)
		binary.BigEndian.PutUint16(b[0:], p.Src.Port())
		binary.BigEndian.PutUint16(b[2:], p.Dst.Port())
		b = append(b, payload...)
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
		at = 6
	case TCP:
		b = make([]byte, tcpHeader)
		binary.BigEndian.PutUint16(b[0:], p.Src.Port())
		binary.BigEndian.PutUint16(b[2:], p.Dst.Port())
		binary.BigEndian.PutUint32(b[4:], p.Seq)
		binary.BigEndian.PutUint32(b[8:], p.Ack)
		b[12] = tcpHeader / 4 << 4
		b[13] = p.Flags
		binary.BigEndian.PutUint16(b[14:], p.Window)
		at = 16
	case ICMP:
		b = make([]byte, icmpHeader)
		b[0], b[1] = p.Type, p.Code
		if p.Quoted != nil {
			b = append(b, p.Quoted.Marshal()...)
		} else {
			binary.BigEndian.PutUint16(b[4:], p.Src.Port())
			b = append(b, payload...)
		}
		binary.BigEndian.PutUint16(b[2:], checksum(b, 0))
		return b
	}
	sum := checksum(b, pseudoHeader(p.Src.Addr(), p.Dst.Addr(), p.Proto, len(b)))
	if sum == 0 && p.Proto == UDP {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[at:], sum)
	return b
}

// Parse reads a packet and checks every checksum in it.
func Parse(b []byte) (Packet, error) { return parse(b, false) }

func parse(b []byte, quoted bool) (Packet, error) {
	if len(b) < ipHeader {
		return Packet{}, ErrTruncated
	}
	if b[0] != 0x45 || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
		return Packet{}, ErrForeign
	}
	if checksum(b[:ipHeader], 0) != 0 {
		return Packet{}, fmt.Errorf("%w in the IP header", ErrChecksum)
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total < ipHeader || total > len(b) && !quoted {
		return Packet{}, ErrTruncated
	}
	whole := total <= len(b)
	if whole {
		b = b[:total]
	}
	p := Packet{Proto: Proto(b[9]), Tag: uint32(binary.BigEndian.Uint16(b[4:]))}
	src, dst := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	body := b[ipHeader:]
	if whole {
		if err := p.verify(body, src, dst); err != nil {
			return Packet{}, err
		}
	}
	var sport, dport uint16
	var payload []byte
	switch p.Proto {
	case UDP:
		if len(body) < udpHeader {
			return Packet{}, ErrTruncated
		}
		sport, dport = binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
		payload = body[udpHeader:]
	case TCP:
		if len(body) < 8 || !quoted && len(body) < tcpHeader {
			return Packet{}, ErrTruncated
		}
		sport, dport = binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
		p.Seq = binary.BigEndian.Uint32(body[4:])
		if len(body) >= tcpHeader {
			p.Ack = binary.BigEndian.Uint32(body[8:])
			p.Flags = body[13]
			p.Window = binary.BigEndian.Uint16(body[14:])
		}
	case ICMP:
		if len(body) < icmpHeader {
			return Packet{}, ErrTruncated
		}
		p.Type, p.Code = body[0], body[1]
		if p.Type != EchoRequest && p.Type != EchoReply {
			q, err := parse(body[icmpHeader:], true)
			if err != nil {
				return Packet{}, fmt.Errorf("%w in the packet quoted", err)
			}
			p.Quoted = &q
			break
		}
		sport = binary.BigEndian.Uint16(body[4:])
		dport = sport
		payload = body[icmpHeader:]
	default:
		return Packet{}, ErrForeign
	}
	if len(payload) == tagSize {
		p.Tag = binary.BigEndian.Uint32(payload)
	} else if len(payload) > 0 {
		p.Data = bytes.Clone(payload)
	}
	p.Src, p.Dst = netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport)
	return p, nil
}

// verify checks the checksum of the transport.
func (p Packet) verify(body []byte, src, dst netip.Addr) error {
	start := uint32(0)
	if p.Proto == UDP || p.Proto == TCP {
		start = pseudoHeader(src, dst, p.Proto, len(body))
	}
	if checksum(body, start) != 0 {
		return fmt.Errorf("%w of %v", ErrChecksum, p.Proto)
	}
	return nil
}

// checksum is the Internet checksum (RFC 1071).
func checksum(b []byte, sum uint32) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func pseudoHeader(src, dst netip.Addr, proto Proto, length int) uint32 {
	sum := uint32(proto) + uint32(length)
	for _, a := range [][4]byte{src.As4(), dst.As4()} {
		sum += uint32(binary.BigEndian.Uint16(a[:2])) + uint32(binary.BigEndian.Uint16(a[2:]))
	}
	return sum
}

var flagNames = []string{"FIN", "SYN", "RST", "PSH", "ACK"}

func flagString(flags uint8) string {
	var names []string
	for i, name := range flagNames {
		if flags&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// What returns what the packet is beside its endpoints: "udp", "tcp SYN+ACK",
// "icmp echo-request", "icmp unreachable/3".
func (p Packet) What() string {
	switch p.Proto {
	case TCP:
		return "tcp " + flagString(p.Flags)
	case ICMP:
		switch p.Type {
		case EchoRequest:
			return "icmp echo-request"
		case EchoReply:
			return "icmp echo-reply"
		case Unreachable:
			return fmt.Sprintf("icmp unreachable/%d", p.Code)
		case TimeExceeded:
			return fmt.Sprintf("icmp time-exceeded/%d", p.Code)
		}
		return fmt.Sprintf("icmp %d/%d", p.Type, p.Code)
	}
	return p.Proto.String()
}

// String returns "udp 10.0.0.2:5060 -> 203.0.113.20:3478".
func (p Packet) String() string {
	s := fmt.Sprintf("%s %v -> %v", p.What(), p.Src, p.Dst)
	if p.Quoted != nil {
		s += " about {" + p.Quoted.String() + "}"
	}
	return s
}
