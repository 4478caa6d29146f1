// Package discover finds out, from inside, how the NATs on the way to a STUN
// server behave: the client of RFC 5780, and next to it the decision tree of
// RFC 3489, so that one can see what the old names lose.
//
// It is for whoever wants to know which NAT a host is behind, and for testing
// emulated NATs from the outside. It needs nothing but a function that opens
// sockets, so it runs on real networks and on virtual ones:
//
//	report, err := discover.Run(ctx, discover.Config{
//		Server: netip.MustParseAddrPort("203.0.113.1:3478"),
//		Local:  netip.MustParseAddr("10.0.0.2"),
//		Listen: func(a netip.AddrPort) (net.PacketConn, error) {
//			return net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
//		},
//	})
//	fmt.Println(report.Mapping, report.Filtering, report.Classic)
//
// The server must have two addresses and two ports (RFC 5780 section 6); with a
// lesser one the report says what could not be found out, and why.
//
// What is tested, by section of RFC 5780: connectivity (4.2), filtering (4.4),
// mapping (4.3), hairpinning (3.4), fragments (3.5), generic ALG (3.6), and if
// asked for binding lifetime (4.6): of mappings in use, of unreplied ones, and
// what prolongs them. Beyond it: whether filtering is by mapping or by internal
// endpoint. Filtering is tested before mapping and from a socket of its own,
// because its precondition is that nothing was sent to the alternate address
// before. New transactions start at most ten times a second.
//
// Silence tells of a filter only if the one who is silent answers when asked directly,
// and tells nothing once the server has gone. A class of RFC 3489 that an answer
// contradicts is not given; a note says which answer.
//
// SIP looks for a SIP ALG on the way, at a server that tells how messages arrived (package
// servers/sipprobe, 'natproof serve').
//
// It measures what a NAT does to these few packets at this moment. NATs change
// their behaviour under load, so nothing here should be relied on without a
// fallback. Several NATs in a row appear as one: the strictest of each kind.
package discover
