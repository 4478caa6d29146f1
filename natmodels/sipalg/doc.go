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
// full and any-port rewrite Via, Contact, routes and the session description; linux
// leaves a=rtcp (RFC 3605) private and hides the received parameter of responses, as was
// measured on nf_nat_sip; stale-length forgets Content-Length, so that the message is
// cut short or not complete; double treats the public address that a client learned by
// STUN as if it were private.
//
// It knows IPv4 addresses in SIP over UDP (RFC 3261) and SDP (RFC 4566). It does not
// open ports for media that the message announces: Flow.Media asks its owner to. It
// does not see TLS, and it does not put fragments together.
package sipalg
