// Package ua is a SIP user agent for looking at NATs: it registers, calls, answers, sends
// audio that can be counted, and lets its user say where its packets seem to come from.
//
// It is for tests and tools, in a virtual network and on real sockets alike: the only way
// it reaches a network is Config.Listen. It follows the objects of the RTC Client API -
// client, profile, session, port manager - in Go idiom.
//
// # The smallest useful program
//
//	client, err := ua.New(ua.Config{
//		LocalAddr: netip.MustParseAddr("192.0.2.7"),
//		OnEvent:   func(e ua.Event) { log.Printf("%T %+v", e, e) },
//	})
//	err = client.Start(ctx)
//	defer client.Close()
//	session, err := client.NewSession(nil)
//	err = session.Call(ctx, "sip:bob@192.0.2.8") // returns when connected
//	time.Sleep(time.Second)
//	stats, _ := session.MediaStats()
//	fmt.Println(stats.RTPReceived) // 50 when all is well
//	err = session.Hangup(ctx)
//
// # Client
//
// A Client owns one SIP port. Everything that happens without being asked for is an
// Event, handed to Config.OnEvent one at a time and in order. Errors can be told apart
// with errors.Is and errors.As: *ResponseError is a refusal, *TimeoutError names the
// request that nobody answered and where it went.
//
// # Profile
//
// A Profile is an account with a registrar. Enable registers and keeps the registration
// fresh: it answers digest challenges (RFC 8760), asks for longer when it is told to
// (423), refreshes in time, tries again after trouble (RFC 5626 section 4.5), and
// registers anew when the port manager says that the mapping changed. Disable unregisters.
// What else moves a registration: a keepalive that shows another mapping than the one at
// registration, and with Options.LearnContact the address that the registrar has seen.
//
// ProfileConfig.Outbound registers by flows (RFC 5626): one to each proxy of a set, found again
// by instance and reg-id, mended when its keepalive fails, and left for the next when a request
// is answered 430. A Service-Route (RFC 3608) of the registrar is what requests outside of
// dialogs pass.
//
//	profile, err := client.NewProfile(ua.ProfileConfig{
//		Account:   ua.Account{URI: "sip:alice@example.com", Password: "secret"},
//		Registrar: netip.MustParseAddrPort("203.0.113.10:5060"),
//		KeepAlive: ua.KeepAlive{Kind: ua.KeepAliveCRLF},
//	})
//	err = profile.SetPortManager(manager) // before Enable
//	err = profile.Enable(ctx)
//
// # Session
//
// A Session is one call. NewSession makes one to call with; an incoming call comes as a
// SessionEvent with the state Incoming, to Ring, Answer or Reject. The states are those
// of RTC_SESSION_STATE. A session is Connected when the ACK was sent or has arrived, and
// Disconnected when its sockets are closed and its mappings released. Hold, Resume and
// Refresh send a re-INVITE, Update an UPDATE; the peer's are answered. Audio begins with the
// first answer, also one in a provisional response, which an incoming call sends by
// EarlyMedia. Whether audio arrives is told by MediaStats, never by the state. SendDTMF
// presses keys, and a DTMFEvent is one of the peer's.
//
// # Transfer
//
// Transfer and TransferTo ask the peer of a session to call somebody else (REFER, RFC 3515),
// TransferTo so that the call takes the place of another one that we have. They return with
// the outcome, which the peer reports, and hang up after a success; each report is a
// TransferEvent. What this end does when it is asked is Options.Refer; Options.Replaces lets
// its own calls be replaced.
//
//	err := session.Transfer(ctx, "sip:carol@example.com") // blind
//	err := session.TransferTo(ctx, consultation)          // attended
//
// # Service
//
// A user agent that answers for many - a gateway, a conference - needs no profile. Calls to
// any user part, with Service.Tel to tel: URIs too, become sessions, as many at once as come
// and Service.Admit lets in. Session.Called tells who was called; Progress, Prepare and
// Refuse are what Ring, Answer and Reject are made of.
//
//	client, err := ua.New(ua.Config{
//		LocalAddr: netip.MustParseAddr("203.0.113.5"),
//		OnEvent:   answerWhatComes,
//		Service: ua.Service{Admit: func(a ua.Arrival) *ua.Refusal {
//			if a.Called != "echo" {
//				return &ua.Refusal{Code: 404}
//			}
//			return nil
//		}},
//	})
//
// # Events
//
// Profile.Subscribe keeps a subscription to somebody's state (RFC 6665) until Unsubscribe:
// refreshed in time, begun anew after trouble or when the notifier asks for it. Its states
// are those of RTC_SUBSCRIPTION_STATE and, as a phase, those of RFC 6665; what is told comes
// as a NotifyEvent. Profile.Publish keeps a state at a compositor (RFC 3903).
//
//	sub, err := profile.Subscribe(ctx, ua.SubscribeConfig{Target: "sip:bob@example.com", Event: "presence"})
//	...
//	err = sub.Unsubscribe(ctx)
//
// Service.Notifier takes subscriptions of others; PresencePackage and DialogPackage tell them
// what the phone does, an EventPackage of your own anything else.
//
//	cfg.Notifier.Packages = []ua.EventPackage{ua.DialogPackage()}
//
// # PortManager
//
// Behind a NAT, the address a socket is bound to is not the one others must send to. A
// PortManager knows the other one: it is asked for each port before the port is
// advertised, told when the peer's address turns out to be another, and told when the
// port is no longer used. Session.Renew asks it anew and tells the peer, and Client.Move,
// for a host that has another address now, does so for profiles, calls and subscriptions. See
// PortManager for who is called when. Here are
//
//   - Local: no NAT; what is bound is advertised.
//   - Static: a list, such as port forwards.
//   - STUN: asks a STUN server from the very socket, keeps the mapping alive, and punches.
//   - Recorder: wraps another and remembers every call.
//
// Via and Contact have the external SIP address, c= and m= the external RTP address, and
// a=rtcp (RFC 3605) the external RTCP address unless it is the one above RTP's. What the
// three are bound to may be named by the manager as well.
//
// # Options
//
// Options and KeepAlive are what real phones differ in: rport, signalling from another
// port than the one advertised, latching, source checks, silence, RTCP multiplexing, reliable
// provisional responses, UPDATE, session timers, and six ways of keeping a NAT's mapping
// alive, none among them. Allow and Supported list what is switched on.
//
// # Inside
//
// Messages and parser are sipgo's, read by package sipmsg; sockets, transactions and the
// demultiplexing of STUN and keepalives on the SIP port (RFC 7983) are package sipstack's;
// dialogs are this package's. What arrives on a SIP socket is handled in order, by one
// goroutine or, where the socket pushes (package push), by that of the network, which waits
// for it. The package runs in a testing/synctest bubble: all time is package
// time's, nobody waits while holding a mutex, and Close leaves nothing behind.
//
// Whoever holds a mutex of a session, profile or client does not call the stack: it may be
// this goroutine's turn to tell the client of what has arrived.
//
// RFC 3261, 3262 (PRACK), 3264, 3311 (UPDATE), 3327 (Path, announced), 3428 (MESSAGE), 3515 and
// 5589 (transfer), 3581 (rport), 3605, 3608, 3856 and 4235 (of the phone itself), 3891
// (Replaces), 3892 (Referred-By, without its signatures), 3903, 4028 (session timers), 4488, 4733
// (DTMF), 5626, 5627 (GRUU), 5761, 6026, 6665, 7983, 8489, 8760.
//
// # What it is not
//
// No TCP, TLS or WebSocket; no SRTP, ICE or video; no DNS (RFC 3263) beyond
// Config.Resolve. A flow (RFC 5626) is the SIP port and a proxy, so there is one to each proxy.
// Of a SUBSCRIBE that forks the first branch to notify is kept. No resource lists (RFC 4662),
// no conditional notification (RFC 5839).
package ua
