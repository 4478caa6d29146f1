// Package limit keeps one source from taking a server's time from all others: a token bucket
// for each source address, before the server sees a datagram.
//
//	l, err := limit.New(limit.Config{Rate: 100, Burst: 500})
//	...
//	srv, err := registrar.New(l.Conn(conn), cfg)
//
// A source is an IPv4 address, whatever its port: all who share a NAT are one, and the rate
// has to allow for them. An IPv6 source is a /64, which is what one host may well have.
//
// The table of sources is bounded: the one that has been quiet for longest makes room for a new
// one, and comes back with a full bucket. So a flood from invented addresses costs no more
// memory than Config.Sources, and is not stopped by this.
package limit
