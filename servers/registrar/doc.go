// Package registrar is a SIP registrar, location service and stateful proxy on one UDP
// socket, or two. It is the public server that user agents behind NATs register with and call
// through, with the choices that decide whether that works as settings: route to the
// Contact a user agent wrote or to where its REGISTER came from, honour rport or not.
//
// It takes any net.PacketConn: a socket of the machine, or of a virtual network inside a
// testing/synctest bubble.
//
//	conn, err := net.ListenPacket("udp4", "203.0.113.5:5060")
//	...
//	srv, err := registrar.New(conn, registrar.Config{
//		Domain: "example.com",
//		Users:  map[string]string{"alice": "secret", "bob": "secret"},
//		Policy: registrar.PolicyReceived,
//		Routes: []registrar.Route{{Prefix: "+", Phone: true, To: gateway}},
//	})
//	...
//	go srv.Serve()
//	defer srv.Close()
//
// # Registrar
//
// RFC 3261 §10: several contacts per address of record with q and expires, Min-Expires,
// queries, "Contact: *", ordering by Call-ID and CSeq, digest authentication with MD5
// (§22) and SHA-256 (RFC 8760). A binding remembers where its REGISTER came from, its
// Path (RFC 3327) and its instance and reg-id (RFC 5626). Bindings run out at the very
// instant their time is up.
//
// # Proxy
//
// RFC 3261 §16 with the corrections of RFC 4320, RFC 5393 and RFC 6026: validation, loop
// detection, Record-Route, parallel forking among equal q and serial forking down the q
// values, best response, CANCEL, Timer C. Requests are relayed to the users of the domain,
// to configured peers, and within dialogs this server let through; the Record-Route
// carries a proof of the latter. Header fields that are not the proxy's business pass
// through byte for byte.
//
// Responses go back by RFC 3581 where the client asked for rport, else by RFC 3261
// §18.2.2 to the source address and the port in the Via. Everything leaves from the socket.
//
// # NAT policies
//
// PolicyContact sends to the address in the Contact, as RFC 3261 says. PolicyReceived
// sends to the source of the REGISTER, and writes ";alias=ip~port~1" into each Contact
// that names another address than the one it came from; the peer returns it in the
// Request-URI of ACK, BYE and re-INVITE, and the proxy sends those to the alias. This is
// what Kamailio's nathelper module does with add_contact_alias and handle_ruri_alias.
// PolicyReceivedNoAlias leaves Contacts alone, PolicyIPOnly believes the port of the
// Contact, PolicyAnotherSource calls from a second socket. Policies lists them.
//
// Config.Ping keeps the NATs of registered users open.
//
// # Behind a NAT, or on two sides
//
// Config.Advertise is the address outside, Config.Local the one inside; the server goes by
// both in URIs and Vias. With DoubleRecordRoute a dialog between the sides has a
// Record-Route for each (RFC 5658), so that neighbours need no hairpinning.
//
// # Outbound
//
// Config.Outbound makes it registrar and edge proxy of RFC 5626, in one or for a registrar
// behind it. A flow is the address a REGISTER came from. Dialogs are tied to it by a token
// in the Record-Route when the Contact has ;ob. A flow fails when pings of kind options get
// no answer (Ping.MaxUnanswered), when it is silent for 10 s more than Config.FlowTimer (STUN
// and SIP count), or when its user agent registers it from elsewhere; a flow that has been
// silent for longer than MaxExpires is forgotten. Then the next flow of the same instance is
// tried, new requests get 480 and those of a dialog 430.
//
// # Reading along
//
// Config.OnEvent gets each decision with its reason, for example "INVITE bob ->
// 198.51.100.7:40001 by received sip:bob@10.0.0.2:5060". Stats counts, bad input included.
//
// # Agents
//
// Config.Agents makes the server the notifier (RFC 6665) of its users' presence (RFC 3856,
// published by RFC 3903) and message-summary (RFC 3842). A NOTIFY goes where a request to a
// binding with the subscriber's Contact and source would go, by the same policy, or by the flow
// of its SUBSCRIBE: through a NAT it is a call. Server.SetMessages and Server.SetPresence are for
// what no user agent publishes; Agents.Unsolicited tells of messages without a subscription.
// Several publications for one user are notified as one document of all their
// tuples, a lone one byte for byte.
//
// # Persistence
//
// Bindings, subscriptions and published state live in memory, or in Config.Store as well:
// then what got a 200 is there after a restart. Package sqlite is one. After a restart each
// subscriber gets a NOTIFY of how things are.
//
// Shutdown ends subscriptions that are not kept, and closes.
//
// # Order and time
//
// Messages are handled one at a time in the order they arrive, and all timers run from
// one queue, so that a seeded run under virtual time repeats exactly: transport and
// transactions are package sipstack's, messages sipmsg's over sipgo's parser.
//
// # What it is not
//
// UDP only: no TCP, TLS or sips. No DNS: a Contact or Route with a host name cannot be
// reached. No temporary GRUUs, recursion on 3xx or maddr in Via.
package registrar
