// Package sipmsg is what every SIP element here knows of a message: how to tell it from
// what else arrives on its port, how to take it apart, whether it is fit to be served, and
// where its responses go. It is for ua, servers and whoever reads SIP out of a trace.
//
// Messages are sipgo's, with every header field as text: what is not an element's own
// passes through it as it came, and a field that makes no sense is answered instead of
// losing the message.
//
//	switch m, err := sipmsg.Read(datagram, from, false); m := m.(type) {
//	case *sipmsg.Request:
//		if m.Fault != nil { // 400 or 505
//			send(m.Respond(m.Fault.Code, m.Fault.Reason, tag), m.ReplyTo)
//		}
//	case *sipmsg.Response:
//		...
//	default: // err says why there is nobody to tell
//	}
//
// Peek reads of a datagram what tells which message of which call it is, also when the end
// is missing, and costs no more than looking for it.
//
// RFC 3261 §7, §8.1.1, §8.2.6, §16.3, §17.2.3, §18.2, §18.3, §19.1, §20, §25.1; RFC 3581 §4;
// RFC 4475; RFC 5626 §3.5.1; RFC 5761 §4; RFC 7983 §7.
//
// It keeps no state, asks no clock and sends nothing: transactions are package sipstack's.
package sipmsg
