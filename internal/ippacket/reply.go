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
		return AppendTCP(to, h, p, 0, nil) // RFC 9293 section 3.10.7.1
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
