package kernelnat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/natmodels"
)

// Proto is an IP protocol number.
type Proto = natmodels.Protocol

// The protocols of the test, its TCP flags and ICMP types.
const (
	ICMP = natmodels.ICMP
	TCP  = natmodels.TCP
	UDP  = natmodels.UDP

	FIN = natmodels.FIN
	SYN = natmodels.SYN
	RST = natmodels.RST
	ACK = natmodels.ACK

	EchoReply    = natmodels.EchoReply
	Unreachable  = natmodels.DestUnreachable
	EchoRequest  = natmodels.EchoRequest
	TimeExceeded = natmodels.TimeExceeded
)

// Packet is an IPv4 packet as the test builds and reads it. An ICMP echo has its
// identifier as the port of Src and Dst both, so that every protocol of the test
// has endpoints.
type Packet struct {
	Proto    Proto
	Src, Dst netip.AddrPort

	Flags    natmodels.TCPFlags // TCP
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
	ErrTruncated error = ippacket.Truncated
	ErrChecksum  error = ippacket.BadChecksum
	ErrForeign         = errors.New("kernelnat: parse packet: not a packet of the test")
)

const (
	ipHeader = 20
	tagSize  = 4
)

// Marshal returns the packet on the wire, its checksums filled in.
func (p Packet) Marshal() []byte {
	payload := p.Data
	if payload == nil {
		payload = binary.BigEndian.AppendUint32(nil, p.Tag)
	}
	h, q := ippacket.Header{ID: uint16(p.Tag)}, toEngine(p)
	var b []byte
	var err error
	switch {
	case p.Proto == UDP:
		b, err = ippacket.AppendUDP(nil, h, p.Src, p.Dst, payload)
	case p.Proto == TCP:
		b, err = ippacket.AppendTCP(nil, h, q, p.Window, nil) // the tag would be data, and count
	case p.Quoted != nil:
		b, err = ippacket.AppendICMP(nil, h, q, 0, p.Quoted.Marshal())
	default:
		b, err = ippacket.AppendICMP(nil, h, q, uint32(p.Src.Port())<<16, payload)
	}
	if err != nil {
		panic(fmt.Sprintf("kernelnat: marshal %v: %v", p, err)) // the test made it
	}
	return b
}

// Parse reads a packet and checks every checksum in it, and in the packet that it quotes.
func Parse(b []byte) (Packet, error) {
	if len(b) > 0 && b[0]>>4 != 4 {
		return Packet{}, ErrForeign
	}
	v, err := ippacket.Parse(b)
	if err == nil {
		err = v.Verify(b)
	}
	if err != nil {
		return Packet{}, fmt.Errorf("kernelnat: parse packet: %w", err)
	}
	if !ofTest(&v) {
		return Packet{}, ErrForeign
	}
	p := fromEngine(v.Packet, v.ID)
	switch {
	case p.Proto == TCP:
		p.Window = binary.BigEndian.Uint16(b[v.HeaderLen+14:])
	case p.Quoted != nil:
		p.Quoted, err = parseQuoted(v.Quoted(b), *p.Quoted)
		if err != nil {
			return Packet{}, fmt.Errorf("%w in the packet quoted", err)
		}
	default:
		p.carry(v.Payload(b))
	}
	return p, nil
}

// ofTest reports whether the test knows what to make of a packet.
func ofTest(v *ippacket.View) bool {
	p := &v.Packet
	request, reply := p.Echo()
	known := p.Protocol == UDP || p.Protocol == TCP || p.Protocol == ICMP && (request || reply || p.Quoted != nil)
	return known && v.HeaderLen == ipHeader && !v.Fragmented()
}

// parseQuoted reads a packet that is quoted; p is what ippacket says of it, and all there is
// if it is not quoted as a whole.
func parseQuoted(b []byte, p Packet) (*Packet, error) {
	if int(binary.BigEndian.Uint16(b[2:])) <= len(b) {
		whole, err := Parse(b)
		return &whole, err
	}
	fragment := binary.BigEndian.Uint16(b[6:])&0x3fff != 0
	echo := p.Proto == ICMP && (p.Type == EchoRequest || p.Type == EchoReply)
	switch {
	case b[0] != 0x45, fragment, p.Proto != UDP && p.Proto != TCP && !echo:
		return nil, ErrForeign
	case ippacket.Checksum(b[:ipHeader]) != 0:
		return nil, ErrChecksum
	}
	p.Tag = uint32(binary.BigEndian.Uint16(b[4:]))
	if p.Proto != TCP {
		p.carry(b[ipHeader+8:])
	}
	return &p, nil
}

// carry takes note of the payload.
func (p *Packet) carry(payload []byte) {
	if len(payload) == tagSize {
		p.Tag = binary.BigEndian.Uint32(payload)
	} else if len(payload) > 0 {
		p.Data = bytes.Clone(payload)
	}
}

// What returns what the packet is beside its endpoints: "udp", "tcp SYN+ACK",
// "icmp echo-request", "icmp unreachable/3".
func (p Packet) What() string { return toEngine(p).What() }

// String returns "udp 10.0.0.2:5060 -> 203.0.113.20:3478".
func (p Packet) String() string { return toEngine(p).String() }
