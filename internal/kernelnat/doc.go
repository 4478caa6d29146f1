// Package kernelnat holds the NAT engine to a NAT that we did not write: that of the
// Linux kernel.
//
// The kernel is made a router between two TUN devices in a network namespace of its
// own, with an nftables ruleset such as "masquerade". The test is the other end of
// both devices, so it writes and reads raw packets: no host answers behind its back,
// and what the router sends in consequence of a packet is known exactly. Random
// sequences of packets (collisions between inside hosts, several servers, replies,
// strangers, TCP segments, ICMP errors, pauses across timers) go through the kernel
// and then, at the same times, through the model. Both must send the same packets.
// Ports that the kernel draws at random are compared by structure: which of them
// are equal, and of which range.
//
//	g := rs.Generator(seed)
//	d := Difference{Runner: kernel, Model: engine}
//	found, err := d.Find([]Sequence{g.Sequence(), g.Sequence()})
//	shortest, err := d.Shrink(found[0])
//
// There are two models. Ruleset.Engine is natmodels, the one that is under test.
// Rules is a naive one: a list of connections and the rules of the kernel one by
// one. It takes no privileges, so ordinary tests hold the engine to it, with the
// timers of Linux and pauses that take no time; and it says in a few pages what Linux
// does. testdata/facts says it in examples, which the kernel, the engine and Rules are
// all held to; testdata/sip is what the SIP helper of the kernel makes of messages,
// for the kernel and for Helped: the engine with natmodels/sipalg beside it.
//
// SIPGenerator makes sequences of SIP messages and media for the ruleset with the helper.
// There the payloads must be equal too. Rules does not know the helper's business, so the
// ordinary tests have the transcripts alone.
//
// # Bytes
//
// Beside that, the same packets in bytes go through the kernel and through a gateway of package
// vnet with a raw port on either side, its NAT an entry of the catalogue (linux-masquerade,
// linux-masquerade-open), and what comes out at both ends is compared byte by byte: checksums that
// are right, missing and wrong, TCP, ICMP errors about translated packets and what is quoted in
// them, all that the box says itself, fragments, options, DF, TTL. There are cases with names, and
// random sequences by seed (-bytes says how many, for each NAT). The lab plays on its virtual
// clock what was sent to the kernel. testdata/bytes is what the kernel did with the cases; ordinary
// tests hold the lab to it (-transcribe writes it anew).
//
// Bytes may differ where, and only where, one of these rules says so:
//
//   - Identification: of packets that the box makes itself, unless DF is set in them, when it must
//     be equal (RFC 6864 section 4.1: it says nothing then). Everything else keeps its own.
//   - TTL: a packet between the outside and the gateway crosses one router in the lab, the
//     internet's. The test gives what it sends there one hop more, and adds one to the TTL of what
//     comes; then it must be equal. For the same reason no packet leaves the inside with a TTL of 2.
//   - TTL within the quote of "fragmentation needed" about a packet from the outside, and the
//     checksum of that header: the lab tells after it has taken the hop, the kernel before (RFC 1812
//     section 4.3.2.3 allows both).
//   - Ports drawn at random: there are none, since no two flows of a sequence want the same one.
//   - The time after which fragments are given up: the kernel is set to a second, the lab has the
//     minute of RFC 1122 section 3.3.2. That they are, and who is told, must be equal.
//
// What the lab does otherwise on purpose is in docs/limitations.md ("Bytes, against Linux"), and
// not sent here.
//
// # Running
//
// The tests against the kernel have the build tag "kernel"; they need root or
// user namespaces, and the commands ip and nft, which setup.sh installs:
//
//	go test -tags kernel ./internal/kernelnat
//	go test -tags kernel ./internal/kernelnat -run TestScript -script FILE -ruleset masquerade
//
// Sources of the rules: net/netfilter of Linux (nf_nat_core.c,
// nf_conntrack_proto_udp.c, nf_conntrack_proto_tcp.c, nf_conntrack_proto_icmp.c), and
// measurement.
//
// Not covered, since the engine sees neither sequence windows nor payload: segments
// outside the TCP window, which the kernel calls invalid; the shorter timer of an
// established connection whose data was not acknowledged. The kernel may
// let a connection whose time is over lend its port for up to a minute longer, until
// it comes across it; here it is made to come across it after every pause.
package kernelnat
