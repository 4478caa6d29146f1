// Package natmodels is the vocabulary of NATs as pure state machines: packets and times go
// in, verdicts come out. A NAT here has no socket, no goroutine, no clock and no global
// randomness, so the same settings, packets and times always give the same verdicts. They
// are made for emulators, simulators, fuzzers and tests that need a NAT whose every decision
// can be predicted and explained.
//
// # A first packet
//
//	model, err := catalogue.Lookup("port-restricted")
//	...
//	nat, err := model.New(natmodels.Place{External: []netip.Addr{netip.MustParseAddr("198.51.100.1")}})
//	...
//	v := nat.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: phone, Dst: server}, now)
//	if v.Action == natmodels.Forward {
//		send(v.Packet) // its Src is now the external endpoint
//	}
//	fmt.Println(nat.Explain(v))
//
// A [Model] is what a NAT does, a [Place] where it stands, a [Box] the two together.
// Outbound takes packets from the inside, Inbound packets from the outside. Both return a
// [Verdict]: forward the rewritten packet, hairpin it back inside, answer it, or drop it
// for a typed [Reason]. The verdict names the mapping it concerns, and Explain says the same
// in a sentence:
//
//	filtered: mapping 10.0.0.2:5060 <-> 198.51.100.1:40001 admits only
//	203.0.113.20:3478 (address-and-port-dependent filtering, RFC 4787 section 5)
//
// # Rooms
//
// Three engines make boxes, each with settings of its own:
//
//   - translate: mappings, as RFC 4787, 5382 and 5508 have them; NAT64 (RFC 6146) around them
//   - conntrack: connections, as Linux has them, with translation or as a firewall
//   - stateless: a router; prefixes translated 1:1 (RFC 6296, Basic NAT)
//
// Package catalogue names them: the nine behaviors of RFC 4787 and real devices, and files of
// one's own, in one settings notation. Package sipalg is an application level gateway to put
// beside a box.
//
// What a theory needs to know of a NAT is its [Behavior], a value that knows no engine.
//
// # Behaviors
//
// The words are those of RFC 4787. An internal endpoint that sends gets a mapping to an
// external endpoint. Which destinations share that mapping is the mapping behavior; which
// remotes may send to it is the filtering behavior. Both are one of [EndpointIndependent],
// [AddressDependent] and [AddressAndPortDependent], which makes nine kinds of NAT:
//
//	                             filtering
//	mapping                      endpoint-    address-    address-and-port-
//	                             independent  dependent   dependent
//	endpoint-independent         eim-eif      eim-adf     eim-apdf
//	address-dependent            adm-eif      adm-adf     adm-apdf
//	address-and-port-dependent   apdm-eif     apdm-adf    apdm-apdf
//
// RFC 4787 section 5 words filtering by internal endpoint: a remote is admitted once the
// internal endpoint has sent to it, through whichever mapping. Devices that filter by
// session admit it only on the mapping that was used. With endpoint-independent mapping that
// is the same thing; with the others it decides whether a symmetric NAT can be reached at
// the port that STUN saw: see [FilterScope].
//
// # Application level gateways
//
// A NAT sees no payloads. An application level gateway stands beside it and opens it with
// Expect for what a message announces. A box that tracks connections keeps expectations as
// Linux does: pairs, signalling, media from the inside; see [Expectation] and [Helped].
//
// # Packets that come too late
//
// A drop tells [NoMapping] (nobody has had this external endpoint lately) from [Expired],
// [Flushed], [Renumbered], [Evicted] and [Closed] (somebody had, and this is how it ended).
// The last 1024 mappings that ended are remembered for that.
//
// # Cost
//
// A packet on an existing mapping costs two hash table lookups at most and no allocation.
// Mappings live in tables without pointers, about 130 bytes each, and their timers in a
// hierarchical wheel: expiry is amortised O(1), and no packet handles more than a fixed
// number of timers. When that leaves dead mappings in the tables, nothing shows it: every
// lookup compares the deadline, and whatever counts or lists mappings finishes the work
// first.
//
// # What it is not
//
// It knows no fragments, no checksums and no TCP windows, and one side of a NAT is of one
// address family. docs/rfc-coverage.md lists every requirement of RFC 4787, 5382 and 5508
// with the tests that pin it. It imports the standard library and itself.
package natmodels
