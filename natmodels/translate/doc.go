// Package translate is the NAT of mappings: RFC 4787 for UDP, RFC 5382 and RFC 7857 for TCP,
// RFC 5508 for ICMP, with what devices do against them as settings. It is one of the engines
// of package natmodels, for who wants to set up such a NAT in Go; by name they are in package
// catalogue.
//
//	cfg := translate.RFC4787(natmodels.EndpointIndependent, natmodels.AddressAndPortDependent)
//	cfg.IdleTimeout = 30 * time.Second
//	nat, err := translate.New(cfg, natmodels.Place{External: addresses})
//
// Each behavior is a key function that zeroes the fields of the remote endpoint it ignores.
// The mapping table is keyed by the internal endpoint and the mapping key of the
// destination; a filter is a set of filtering keys. A port is never shared by two mappings.
// A mapping is alive one nanosecond before its deadline and dead at the deadline. What its
// filter admits lives and dies with it, or by PermissionTimeout.
//
// A mapping of TCP carries connections, each with a state and a timer of its own
// ([TCPConfig]), and lives as long as the last of them. Queries of ICMP are mapped by their
// identifier; errors are translated together with the packet they quote, in both directions
// and between two inside hosts, and neither end nor refresh anything. A NAT that holds
// unsolicited SYNs for six seconds sends packets by itself: ask [NAT.Due].
//
// New refuses what it cannot honour, and also what it would have to ignore, with an error
// that wraps natmodels.ErrInvalidConfig and says why.
//
// # Expectations
//
// [NAT.Expect] makes a mapping that serves, in both directions, whatever the internal
// endpoint exchanges with the remotes that are expected, with all of them the same, whatever
// the mapping behavior is, and that admits them whatever the filtering is. It lives until the
// lifetime is over, and then by the timers of any mapping; it admits those who were expected
// for the lifetime and, once one of them has sent, until the mapping ends. Expecting the same
// again prolongs it.
//
// # NAT64
//
// [NAT64] decorates such a NAT: IPv6 inside, IPv4 outside. A host sends to an IPv4 address
// behind the prefix, as DNS64 would name it (RFC 6052), and hears from there; ICMP becomes
// ICMPv6 on its way in and back again on its way out, with the packets that errors quote
// (RFC 7915).
//
// # A new setting
//
// A setting is a field of [Config], its row in settings.go, from which the notation, its
// errors, the printing and the documentation come, and the code that honours it. Port rules
// other than a range make a NAT look at every port when none is left.
package translate
