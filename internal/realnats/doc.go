// Package realnats holds entries of the catalogue to what they are about: 'natproof discover', and
// its search for SIP ALGs, behind nftables set as Docker sets it, behind slirp4netns and behind
// pasta, at a 'natproof serve' with two public addresses.
//
// Each lab is a few network namespaces without names (lab.sh) in a process namespace of its own,
// so that nothing is left when its first process ends, however that happens. It needs root.
//
//	make real-nats
//	go test -tags realnats -v ./internal/realnats -timeout 2h -args -require -lifetimes # an hour: timers too
//
// The log has the versions that were measured.
package realnats
