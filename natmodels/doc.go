// Package natmodels is a NAT as a pure state machine: packets and times go in,
// verdicts come out. It has no socket, no goroutine, no clock and no global
// randomness, so the same configuration, packets and times always give the same
// verdicts. It is made for emulators, simulators, fuzzers and tests that need a NAT
// whose every decision can be predicted and explained.
//
// # A first packet
//
//	cfg, _ := natmodels.Preset("port-restricted")
//	cfg.External = []netip.Addr{netip.MustParseAddr("198.51.100.1")}
//	nat, err := natmodels.New(cfg)
//	...
//	v := nat.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: phone, Dst: server}, now)
//	if v.Action == natmodels.Forward {
//		send(v.Packet) // its Src is now the external endpoint
//	}
//	fmt.Println(nat.Explain(v))
//
// Outbound takes packets from the inside, Inbound packets from the outside. Both
// return a [Verdict]: forward the rewritten packet, hairpin it back inside, or drop
// it for a typed [Reason]. The verdict names the mapping it concerns, and
// [NAT.Explain] says the same in a sentence:
//
//	filtered: mapping 10.0.0.2:5060 <-> 198.51.100.1:40001 admits only
//	203.0.113.20:3478 (address-and-port-dependent filtering, RFC 4787 section 5)
//
// # Behaviors
//
// The words are those of RFC 4787. An internal endpoint that sends gets a mapping to
// an external endpoint. Which destinations share that mapping is the mapping
// behavior; which remotes may send to it is the filtering behavior. Both are one of
// [EndpointIndependent], [AddressDependent] and [AddressAndPortDependent], which
// makes nine kinds of NAT, all of them here as presets:
//
//	                             filtering
//	mapping                      endpoint-    address-    address-and-port-
//	                             independent  dependent   dependent
//	endpoint-independent         eim-eif      eim-adf     eim-apdf
//	address-dependent            adm-eif      adm-adf     adm-apdf
//	address-and-port-dependent   apdm-eif     apdm-adf    apdm-apdf
//
// The older names are presets too: full-cone is eim-eif, address-restricted is
// eim-adf, port-restricted is eim-apdf, symmetric is apdm-apdf. The preset none is a
// [Router]: no translation and no filtering.
//
// Each behavior is a key function that zeroes the fields of the remote endpoint it
// ignores. The mapping table is keyed by the internal endpoint and the mapping key of
// the destination; a filter is a set of filtering keys.
//
// # Filter scope
//
// RFC 4787 section 5 words filtering by internal endpoint: a remote is admitted once
// the internal endpoint has sent to it, through whichever mapping. Devices that
// filter by session admit it only on the mapping that was used. With
// endpoint-independent mapping that is the same thing; with the others it decides
// whether a symmetric NAT can be reached at the port that STUN saw. [PerMapping] is
// the default, [PerEndpoint] the literal reading.
//
// # Settings
//
// Everything else is a setting of [Config], independent of the others:
//
//   - PortChoice, Step, PortRange, Parity, Contiguous, PortClasses, ReuseDelay, Blocks:
//     which external port (section 4.2; RFC 6888 for the last two). A port is never
//     shared by two mappings. [Config.PreservesPort] tells whether a port outside will
//     equal the one inside, [Config.Block] whose a port is.
//   - IdleTimeout, UnrepliedTimeout, StreamAfter, WellKnownTimeout and Refresh: how long a
//     mapping lives (section 4.3). It is alive one nanosecond before its deadline and
//     dead at the deadline. What its filter admits lives and dies with it, or by
//     PermissionTimeout.
//   - Hairpin: packets from the inside to an external address (section 6). They go
//     out through the sender's mapping and in through the receiver's filter.
//   - Unsolicited and TCP.SYN: whether the NAT answers what it does not let in.
//   - Limits and WhenFull: what happens when there are too many mappings. UnderLoad: a
//     NAT that changes its behavior then.
//   - External and Pooling: one external address or several (section 4.1).
//   - Static: port forwards.
//   - Seed: the one source of randomness.
//
// The presets of [PresetNames] follow RFC 4787 in all of these and so differ only in
// mapping, filtering and port choice: five minutes idle, refresh by outbound packets,
// hairpinning with the external source, paired pooling; ports are preserved where
// possible with endpoint-independent mapping and random otherwise. Real boxes do not:
// [Catalogue] has devices and services by name, each with where its facts are from, and
// [Preset] knows them too.
//
// New refuses what it cannot honour, and also what it would have to ignore, with an
// error that wraps [ErrInvalidConfig] and says why. See [ConfigError].
//
// # TCP and ICMP
//
// A mapping of TCP carries connections, each with a state and a timer of its own
// ([TCPConfig], RFC 5382, RFC 7857, RFC 6146 section 3.5.2), and lives as long as the last
// of them. Queries of ICMP are mapped by their identifier; errors are translated
// together with the packet they quote, in both directions and between two inside hosts,
// and neither end nor refresh anything (RFC 5508). See [Packet] for how they are written
// down. A NAT that holds unsolicited SYNs for six seconds sends packets by itself:
// ask [NAT.Due].
//
// # Other kinds
//
// A [Conntrack] decides per connection, as Linux does, so that ports may be shared and
// mapping is endpoint-independent only until two connections collide. A [Firewall] has the
// same connections and translates nothing. A [PrefixTranslator] has no state at all
// (RFC 6296, Basic NAT).
//
// # NAT64
//
// With [Config.NAT64] a Translator has IPv6 inside and IPv4 outside (RFC 6146). A host
// sends to an IPv4 address behind the prefix, as DNS64 would name it (RFC 6052), and
// hears from there; ICMP becomes ICMPv6 on its way in and back again on its way out, with
// the packets that errors quote (RFC 7915). Its mappings are the BIB entries of the RFC,
// IPv6 inside and IPv4 outside, those of queries of protocol ICMP. There is no preset; one
// that does what the RFC asks for is
//
//	cfg, _ := natmodels.Preset("eim-adf") // or eim-eif
//	cfg.NAT64 = netip.MustParsePrefix("64:ff9b::/96")
//	cfg.External = []netip.Addr{netip.MustParseAddr("198.51.100.1")}
//	cfg.Refresh = natmodels.RefreshBoth
//	cfg.Parity, cfg.PortClasses = true, true // section 3.5.1.1
//	cfg.TCP.SYN = natmodels.HoldSYN          // section 3.5.2.2
//
// Mapping must be endpoint-independent, filtering endpoint-independent or
// address-dependent, the two that RFC 6146 describes, and no UDP timer below two minutes.
//
// # Application level gateways
//
// A NAT sees no payloads. An application level gateway stands beside it (package sipalg)
// and opens it with [NAT.Expect] for what a message announces. A Conntrack or Firewall
// keeps expectations as Linux does: pairs, signalling, media from the inside; see
// [Expectation], [NAT.Unexpect], [NAT.RenewExpectation], [NAT.Watched].
//
// # Packets that come too late
//
// A drop tells [NoMapping] (nobody has had this external endpoint lately) from
// [Expired], [Flushed], [Renumbered], [Evicted] and [Closed] (somebody had, and this is
// how it ended). The last 1024 mappings that ended are remembered for that.
//
// # Changes while running
//
// [NAT.Flush] is a reboot, [NAT.Renumber] a new address from the provider,
// [NAT.SetBehavior] a device that changes its behavior under way. [NAT.Snapshot] keeps a
// NAT as it is at one moment, for as many futures as one likes.
//
// # Cost
//
// A packet on an existing mapping costs two hash table lookups at most and no
// allocation. Mappings live in tables without pointers, about 130 bytes each, and
// their timers in a hierarchical wheel: expiry is amortised O(1), and no packet
// handles more than a fixed number of timers. When that leaves dead mappings in the
// tables, nothing shows it: every lookup compares the deadline, and whatever counts or
// lists mappings finishes the work first. Port rules other than a range make a NAT look
// at every port when none is left.
//
// # What it is not
//
// It knows no fragments, no checksums and no TCP windows, and one side of a NAT is of one
// address family. docs/rfc-coverage.md lists every
// requirement of RFC 4787, 5382 and 5508 with the tests that pin it.
package natmodels
