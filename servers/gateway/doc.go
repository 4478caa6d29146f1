// Package gateway is a PSTN gateway as a caller sees one: a SIP server that
// answers calls to telephone numbers and sends and receives their audio.
//
// It is the far end of the PC-to-phone flow, "a gateway that is not situated
// behind a NAT", and a counterpart for testing any user agent on real sockets.
//
//	conn, err := net.ListenPacket("udp", "203.0.113.5:5060")
//	...
//	gw, err := gateway.New(conn, gateway.Config{RingTime: 2 * time.Second, Latch: media.LatchAlways})
//	...
//	go gw.Serve()
//	...
//	for _, call := range gw.Calls() {
//		fmt.Println(call.Number, call.State, call.Media.RTPReceived)
//	}
//	gw.Close()
//
// # What it does
//
// It is a policy; SIP and media are package ua's, whose documentation says how
// each request is answered. An INVITE for sip:NUMBER@anywhere (the host is not
// looked at; user=phone may be missing) or tel:NUMBER (RFC 3966) gets 100, 180
// (with Config.EarlyMedia 183 and audio at once),
// and after RingTime 200 with a session description. Others get 404, one too
// many 486, one that finds no media port 503, and every one 503 while Shutdown
// is under way. OPTIONS is answered as an INVITE would be. MESSAGE gets 405.
//
// Each call has a media.Stream on ports of its own. Config.MediaAddr may differ
// from the address of the SIP socket: then the answer names an address that the
// caller has not sent anything to yet, which is the case in which a port
// manager's UpdateRemoteAddress is called.
//
// Digits that the caller presses (RFC 4733) are remembered in Call.Digits.
//
// Requests of the gateway go by the caller's Contact and Record-Route set (RFC
// 3261 §12.2.1.1), and not back to where the INVITE came from: a Contact that
// names the wrong mapping loses the BYE. Names are never looked up.
//
// Stats are the user agent's: everything received has an outcome there.
//
// # Time
//
// All timers are those of RFC 3261, and run on time.Now: put the gateway in a
// testing/synctest bubble rather than shorten them.
//
// # What it is not
//
// No registration, authentication, TCP or TLS; it never calls anybody. No early
// media, PRACK, UPDATE or session timers; REFER is refused, see Config.DeclineRefer. A call keeps its codec.
package gateway
