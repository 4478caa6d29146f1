// Package peers plays real programs that are not ours against this project's servers, NATs and theory: coturn's client
// of NAT discovery, baresip, SIPp, and Kamailio in the place of the registrar and proxy.
//
// [Kamailio] is for scenarios.RunOptions.Proxy. The rest are tests: a chosen set of cells by make real-peers, the whole
// products by make real-peers-all. They run on the real clock, on Linux, with the rights that package emulator needs.
package peers
