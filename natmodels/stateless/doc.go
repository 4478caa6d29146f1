// Package stateless is the boxes that remember nothing: [Router], which changes nothing, and
// [PrefixTranslator], which gives each address of a prefix the one at the same place of
// another (RFC 6296 for IPv6, Basic NAT of RFC 2663 section 4.1.1 for IPv4). They are engines
// of package natmodels for who wants no NAT where one could stand, or a static one.
//
//	router, err := stateless.Router{}.New(natmodels.Place{})
package stateless
