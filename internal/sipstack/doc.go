// Package sipstack is the transport and transaction layer under ua and servers/registrar:
// sockets, and client and server transactions (RFC 3261 §17, RFC 6026), over the messages
// of package sipmsg.
//
//	stack := sipstack.New(sipstack.Config{User: user, Tag: tag})
//	socket := stack.Open(conn)
//	go stack.Serve(socket)
//	tx, err := stack.Request(socket, dest, request, client) // client hears of responses
//	...
//	stack.Close()
//
// # Order
//
// Datagrams and timers are handled one at a time, and the user is told of what came of
// them one at a time and in that order, whichever goroutine it happened on: two messages
// that arrive one after the other never overtake each other. While it is told of one thing
// the user may call the stack, but must not wait for another. This is why sipgo's
// transport and transaction layers are not used: they handle each message on a goroutine
// of its own, and one that waits for the user holds up its timers (docs/adr/0004).
//
// # Time
//
// All timers run from one queue and one alarm, so that a seeded run under virtual time
// repeats exactly, and at rest the stack has no goroutine but its readers. The values are
// those of RFC 3261 appendix A for UDP.
//
// # What becomes of a datagram
//
// Each has one outcome, and Stats counts it: the fields of Outcomes add up to Datagrams.
//
// A panic ends the process, unless Config.OnPanic is told of it: then the datagram's own
// transaction alone.
//
// A finished transaction keeps what it repeats and nothing else. UDP only.
package sipstack
