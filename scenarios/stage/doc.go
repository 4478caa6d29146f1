// Package stage builds the world of a cell in a virtual internet: two sites, each behind
// the NAT that the cell names, and on the internet the STUN server, the registrar and proxy
// and, where the flow has one, the PSTN gateway.
//
// What sits at the ends is an [Endpoint]: it registers, calls, answers and hangs up. A
// [Phone] makes one from a [Setup], and says by which traits theory may predict it. [UA] is
// this project's own user agent; a phone of yours is one more value:
//
//	mine := stage.Phone{Name: "mine", Traits: ..., New: func(s stage.Setup) (stage.Endpoint, error) {
//		conn, err := s.Host.ListenPacket("udp4", ":5060") // a host is a pion transport.Net too
//		...
//	}}
//
// Everything runs under virtual time (package bubble): see [World] for a test of a socket
// alone.
package stage
