// Package sipalg rewrites SIP messages as the application level gateways of NATs do,
// rightly and wrongly. It is a pure function on the bytes of a UDP payload, made to
// stand beside a NAT of package natmodels: the NAT translates the packet, the ALG its
// payload.
//
//	alg, _ := sipalg.Named("linux")
//	v := nat.Outbound(packet, now)
//	payload = alg.Outbound(payload, sipalg.Flow{
//		Internal: packet.Src, External: v.Packet.Src, Remote: packet.Dst,
//	})
//
// RFC 4787 REQ-10 wants ALGs off, and this package shows why. The variants of [Names]:
// full and any-port rewrite Via, Contact, routes and the session description;
// stale-length forgets Content-Length, so that the message is cut short or not complete;
// double treats the public address that a client learned by STUN as if it were private.
//
// linux is the SIP helper of the Linux kernel, to the byte (internal/kernelnat holds it to
// that): it leaves a=rtcp (RFC 3605) private, hides received and rport, drops what it
// cannot read, and reads what is announced. For that its owner gives it, for each flow,
// a [Session] to remember by and a [Gate] to open the NAT with: signalling that a
// registrar accepted, and media in both directions.
//
// It knows IPv4 addresses in SIP over UDP (RFC 3261) and SDP (RFC 4566). It does not
// open ports for what a message announces: Flow.Media and Flow.Gate ask its owner to. It
// does not see TLS, and it does not put fragments together.
package sipalg
