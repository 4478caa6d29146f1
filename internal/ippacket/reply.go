package ippacket

import "github.com/natproof/natproof/natmodels"

// AppendReply appends the bytes of p, the answer by a NAT itself in a verdict about the
// packet in b that v is the view of (natmodels.Reply): a reset, an ICMP error, an echo reply,
// or the packet as it came. Whatever b has as endpoints, the answer and what it quotes have
// those of p.
func (v *View) AppendReply(to []byte, h Header, p natmodels.Packet, b []byte) ([]byte, error) {
	at := len(to)
	_, reply := p.Echo()
	var err error
	switch {
	case p.Equal(v.Packet):
		return append(to, b[:v.Len]...), nil
	case p.Protocol == natmodels.TCP:
		return v.appendReset(to, h, p, b)
	case p.Quoted != nil:
		to, err = v.AppendICMPError(to, h, p.Src.Addr(), p.Type, p.Code, 0, b)
	case reply:
		to, err = v.AppendEchoReply(to, h, b)
	default:
		return to, OtherPacket
	}
	if err != nil {
		return to, err
	}
	made, err := Parse(to[at:])
	if err == nil {
		err = made.Apply(to[at:], p)
	}
	if err != nil {
		return to[:at], err
	}
	return to, nil
}

// appendReset appends the reset p. What a NAT does not see of the segment in b is its data, which
// RFC 9293 section 3.10.7.1 has counted in the acknowledgment. As Linux has it (tcp_v4_send_reset
// in net/ipv4/tcp_ipv4.c), the TOS is that of the segment, without ECN, if h has none,
// and DF is set.
func (v *View) appendReset(to []byte, h Header, p natmodels.Packet, b []byte) ([]byte, error) {
	if v.Packet.Flags&natmodels.ACK == 0 {
		p.Ack += uint32(len(v.Payload(b)))
	}
	if h.TOS == 0 {
		h.TOS = v.TOS &^ ecnBits
	}
	h.DF = true
	return AppendTCP(to, h, p, 0, nil)
}

// ecnBits are those of RFC 3168 section 5.
const ecnBits = 3
