// Package attr holds what a STUN client and a STUN server share and the codec
// of pion/stun lacks: framing that also takes RFC 3489 messages, and the
// attributes of RFC 5780 and RFC 3489.
//
// It is for code that builds or reads STUN messages itself, next to
// github.com/pion/stun/v3, whose Setter and Getter its types implement:
//
//	m, _ := pion.Build(pion.TransactionID, pion.BindingRequest,
//		attr.ChangeRequest{IP: true, Port: true})
//
//	_, m, err := attr.Decode(datagram)
//	var port attr.ResponsePort
//	err = port.GetFrom(m)
//
// Framing follows RFC 8489 section 5 strictly for a datagram: the first two
// bits are zero, the length is a multiple of four and covers the datagram
// exactly. A message without the magic cookie is an RFC 3489 message, whose
// transaction id is 128 bits long (RFC 8489 section 11).
//
// It is not a codec of its own: messages are pion's.
package attr
