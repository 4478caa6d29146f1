// Package sipalg rewrites SIP messages as the application level gateways of NATs do,
// rightly and wrongly. An [ALG] is a pure function on the bytes of a UDP payload; [Beside]
// joins one to a NAT of package natmodels: the NAT translates the packet, the ALG its
// payload, and what a message announces is opened in the NAT.
//
//	alg, _ := sipalg.Named("full")
//	beside := sipalg.Beside{NAT: nat, ALG: alg}
//	v := nat.Outbound(packet, now)
//	out := beside.Pass(sipalg.Passage{Before: packet, Verdict: v, Payload: payload, At: now})
//	send(out.Payload, v.Packet.Src, out.Dst) // unless out.Dropped
//
// RFC 4787 REQ-10 wants ALGs off, and this package shows why. The variants of [Names]:
// full and any-port rewrite Via, Contact, routes and the session description;
// stale-length forgets Content-Length, so that the message is cut short or not complete;
// double treats the public address that a client learned by STUN as if it were private.
//
// linux is the SIP helper of the Linux kernel, to the byte (internal/kernelnat holds it to
// that): it leaves a=rtcp (RFC 3605) private, hides received and rport, drops what it
// cannot read, and reads what is announced. For that Beside gives it, for each flow,
// a [Session] to remember by and a [Gate] to open the NAT with: signalling that a
// registrar accepted, and media in both directions.
//
// It knows IPv4 addresses in SIP over UDP (RFC 3261) and SDP (RFC 4566). An ALG
// opens no ports itself: Flow.Media and Flow.Gate ask its owner, such as a Beside, to. It
// does not see TLS, and it does not put fragments together.
package sipalg
