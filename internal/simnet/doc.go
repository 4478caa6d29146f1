// Package simnet measures this project's core against another simulated network that runs on
// virtual time, github.com/marcopolo/simnet, which has no NAT. It is a module of its own, so
// that users do not inherit what only a benchmark needs.
//
//	go test -bench . -cpu 1,2
package simnet
