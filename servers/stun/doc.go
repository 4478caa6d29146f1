// Package stun is a STUN server: Binding as in RFC 8489, NAT behaviour
// discovery as in RFC 5780, and answers for RFC 3489 clients.
//
// It is for tests of NAT traversal, on real sockets or on virtual ones: it sees
// nothing but net.PacketConn. With four sockets, two addresses times two ports,
// it does all of RFC 5780; with one it is a plain Binding server.
//
//	conns, err := stun.Listen(func(a netip.AddrPort) (net.PacketConn, error) {
//		return net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
//	}, netip.MustParseAddrPort("127.0.0.1:3478"), netip.MustParseAddrPort("127.0.0.2:3479"))
//	if err != nil {
//		return err
//	}
//	server, err := stun.New(stun.Config{Conns: conns})
//	if err != nil {
//		return err
//	}
//	defer server.Close()
//	return server.Serve()
//
// What it answers, by request:
//
//   - Binding: MAPPED-ADDRESS, XOR-MAPPED-ADDRESS, RESPONSE-ORIGIN, and with
//     four sockets OTHER-ADDRESS (RFC 5780 section 6.1).
//   - CHANGE-REQUEST: the answer leaves from the other address, port, or both;
//     with one socket 420.
//   - RESPONSE-PORT: the answer goes to the source address and that port.
//   - PADDING: the answer has PADDING as long as the MTU; together with
//     RESPONSE-PORT 400.
//   - An attribute that must be understood and is not: 420 with
//     UNKNOWN-ATTRIBUTES (RFC 8489 section 6.3.1).
//   - Attributes that cannot be read behind a sound header: 400.
//   - FINGERPRINT is verified when present, and then the answer has one too.
//   - Without magic cookie (RFC 3489): MAPPED-ADDRESS, SOURCE-ADDRESS and
//     CHANGED-ADDRESS. RESPONSE-ADDRESS is 420 unless Config allows it, since it
//     makes the server send to whomever the client names.
//
// Anything else is dropped and counted, see Stats.
//
// It is not a TURN server, knows no TCP or TLS, and authenticates nobody:
// credentials in a request are ignored, as RFC 8489 section 12 wants of a
// stand-alone server. It has no rate limit of
// its own (package limit has one for any socket), and an answer is larger than its request, so think
// before putting it on the open Internet.
package stun
