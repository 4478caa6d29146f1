// Package ippacket reads, builds and changes packets of IPv4 and IPv6 in bytes: it stands
// between the bytes that hosts send and [natmodels.Packet], which is what a NAT sees of them.
//
//	v, err := ippacket.Parse(b)                  // v.Packet is for the NAT
//	verdict := nat.Outbound(v.Packet, now)
//	err = v.Apply(b, verdict.Packet)             // and its verdict goes into the bytes
//
// Checksums that a change touches are updated by what changed (RFC 1624), as a NAT does, so
// that what was wrong before stays wrong; those of a packet that an ICMP error quotes too.
//
//   - [Parse] reads a packet and checks its IP header, as a router does (RFC 1812 section
//     5.2.2); [View.Verify] checks the transport's checksum, as a host does.
//   - [AppendUDP], [AppendTCP], [AppendICMP], [AppendEcho], [AppendIP], [View.AppendEchoReply] and
//     [View.AppendICMPError] build packets.
//   - [View.Apply], [View.DecTTL] and [View.ReplaceUDPPayload] change them; [View.AppendReply]
//     is what a NAT answers by itself, [View.Translate] what a NAT64 makes of a packet (RFC 7915).
//   - [View.Fragment] and [View.Fragment6] cut a packet, a [Reassembler] joins what was cut.
//
// Errors are values of type [Problem], which cost nothing to make and can be counted. A
// packet is never kept: what is returned lies in the caller's bytes, but for what a
// Reassembler holds. Nothing allocates for UDP, TCP and echoes.
//
// Headers are kept as they are: options of IPv4 are checked for their lengths, extension
// headers of IPv6 are walked (hop-by-hop options, routing, fragment, destination options),
// and any other protocol is carried with the addresses alone.
//
// Not here: jumbograms (RFC 2675), authentication headers (a protocol like any other), ECN of
// fragments (RFC 3168 section 5.3).
package ippacket
