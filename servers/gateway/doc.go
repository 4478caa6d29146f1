// Package gateway is a PSTN gateway as a caller sees one: a SIP server that
// answers calls to telephone numbers and sends and receives their audio.
//
// It is the far end of the PC-to-phone flow, "a gateway that is not situated
// behind a NAT", and a counterpart for testing any user agent on real sockets.
//
//	conn, err := net.ListenPacket("udp", "203.0.113.5:5060")
//	...
//	gw, err := gateway.New(conn, gateway.Config{RingTime: 2 * time.Second, Latch: true})
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
// An INVITE for sip:NUMBER@anywhere (the host is not looked at; user=phone may
// be missing) or tel:NUMBER gets 100, 180, and after RingTime 200 with a
// session description; the 200 is repeated until its ACK (RFC 3261 §13.3.1.4).
// An INVITE without an offer gets one in the 200. CANCEL, re-INVITE (a new
// address, hold, a new target), BYE from either side, and OPTIONS are answered.
// The rest is refused as RFC 3261 says: 400, 404, 405, 415, 416, 420, 481, 482,
// 486, 488 with a Warning, 500, 503, 505.
//
// Each call has a media.Stream on ports of its own. Config.MediaAddr may differ
// from the address of the SIP socket: then the answer names an address that the
// caller has not sent anything to yet, which is the case in which a port
// manager's UpdateRemoteAddress is called.
//
// Responses go where the top Via says: with rport to the source (RFC 3581 §4),
// without it to the source's address and the Via's port (RFC 3261 §18.2.2),
// always from the one socket. Requests of the gateway go by the caller's
// Contact and Record-Route set (RFC 3261 §12.2.1.1), and not back to where the
// INVITE came from: a Contact that names the wrong mapping loses the BYE.
//
// What does not parse is counted and dropped, or answered 400 if its sender can
// be told; see Stats.
//
// # Time
//
// All timers are those of RFC 3261 as sipgo has them (sip.T1, sip.T2), and run
// on time.Now: put the gateway in a testing/synctest bubble rather than shorten
// them. Names are never looked up, neither in Contact nor in Record-Route.
//
// # RFCs
//
// 3261 (SIP), 3264 (offer/answer), 3581 (rport), 3966 (numbers), 6026 (INVITE
// transactions, by sipgo); for media those of package media.
//
// # What it is not
//
// No registration, authentication, TCP or TLS; it never calls anybody. No early
// media, PRACK, UPDATE, REFER or session timers: such extensions are refused
// with 405 or 420. A call keeps the codec it began with.
package gateway
