// Package conntrack judges each connection by itself, as Linux does: [Config] translates
// (masquerade and snat of nftables), [Firewall] filters and changes nothing. It is one of the
// engines of package natmodels, held against the kernel by internal/kernelnat.
//
//	nat, err := conntrack.New(conntrack.Config{}, natmodels.Place{External: addresses})
//
// There are no mappings that several destinations share. A new connection takes the external
// port of the newest one from the same internal endpoint if no other connection has that port
// towards the same remote endpoint: so one external port may serve several inside hosts, and
// mapping is endpoint-independent only until two connections collide.
//
// It keeps expectations as Linux does: pairs, signalling, media from the inside, with a master
// and a class ([Tracker.Expect], natmodels.Helped). What the SIP helper does to payloads is the
// business of package sipalg.
//
// It watches no TCP windows, and the hash over a pool of IPv6 addresses is not modelled.
package conntrack
