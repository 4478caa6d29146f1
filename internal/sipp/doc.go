// Package sipp runs SIPp (https://sipp.readthedocs.io, Debian package sip-tester) on a scenario
// and reads what it counted. Its tests hold registrar, gateway and user agent to calls and
// registrations of that independent peer, over the operating system's loopback:
//
//	sh internal/setup/sipp.sh
//	make sipp
//
//	stats, err := sipp.Run{Scenario: "call.xml", Server: addr, Calls: 1000, Rate: 50, Dir: dir}.Do(ctx)
//
// They take half a minute of real time, and are skipped unless NATPROOF_REQUIRE_SIPP is 1. It is not
// for programs.
package sipp
