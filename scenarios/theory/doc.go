// Package theory answers a few general questions about a network with NATs, from the NATs'
// behaviours and the ends' traits alone, each with a cause and its RFC section:
//
//   - [Network.Response]: does a response reach who asked?
//   - [Network.Request]: does a request reach what somebody announced, or where a REGISTER
//     came from? [Network.InDialog]: and within a dialog?
//   - [Network.Stream]: does a stream of media run?
//   - [Alive]: is a mapping still there, given who refreshed it when?
//
// What has happened before is of account where time passes: course.go keeps it, by NATs of its own
// that are as naive as can be (line.go). Media to which something happens in a call is played
// through them too, packet by packet (talk.go); all other media is decided by closed forms.
//
// Flows compose their steps of these. The package moves no real packet and knows neither the
// engines that do nor the network they are in, so that what it predicts is independent of
// what is observed. What it knows of an end is its [Traits], never its name.
//
// Mapping and filtering are those of RFC 4787 §4.1 and §5; a side without a NAT, or with a
// port forward, counts as endpoint-independent in both. A response goes where RFC 3261
// §18.2.2 or, with rport, RFC 3581 §4 sends it. A request goes to the Contact (RFC 3261
// §16.6) or to where the REGISTER came from. Media goes to the announced address, or to
// where media came from if the sender latches (RFC 7362 §4). A SIP ALG rewrites what an end
// announces before anybody reads it: alg.go says into what, and the rules above apply to the
// result.
//
// Assumed is a lab in which the STUN server, the proxy, the gateway and the two ends have
// addresses of their own, the proxy asks nobody for a password,
// signalling and media are symmetric, media flows only in an established call, and a silent
// end opens no hole by other means either. For what is beyond it [New] returns
// [ErrNotCovered] rather than a guess.
package theory
