// Package media sends and receives one phone call's audio: RTP and RTCP over
// sockets it is given, and the session descriptions that say where they go.
//
// It is for user agents and gateways that want to know whether audio arrives,
// and from where, rather than to hear it: the payload is G.711 silence, and
// what a Stream gives back is Stats.
//
//	stream, err := media.New(media.Config{RTP: rtpSocket, RTCP: rtcpSocket, Latch: media.LatchAlways})
//	...
//	remote, err := media.Parse(answerSDP)
//	agreed, err := media.Agree(local, remote)
//	err = stream.Start(agreed.RTP, agreed.RTCP)
//	...
//	before := stream.Stats()
//	time.Sleep(time.Second)
//	heard := stream.Stats().Sub(before).RTPReceived // 50 when all is well
//	stream.Close()
//
// # What it does
//
// RTP leaves from the socket it arrives on (symmetric RTP, RFC 4961), one
// packet every PTime counted from Start, so that it does not drift. RTCP goes
// out at Start and then at the intervals of RFC 3550 §6.2 and §6.3, on a socket
// of its own or multiplexed with RTP (RFC 5761). The receiver keeps the
// statistics of RFC 3550 §6.4.1 and A.8. Stats has what was measured here, and in Stats.Peer
// what the other end reports.
//
// Three options are what real devices differ in: Latch follows the observed
// Three options are what real devices differ in: Latch says when to follow the
// observed source of packets (RFC 7362), Strict drops packets from any other source
// than the signalled one, Silent sends no RTP. With rtcp-mux a Silent stream still
// opens a NAT for the peer's RTP, because its reports leave from the same port.
//
// SendDTMF presses digits as telephone events (RFC 4733) in the same RTP stream,
// and Config.OnDTMF is told of the peer's.
//
// Everything that is random comes from Config.Seed. All time is time.Now and
// one time.Timer, so a Stream runs in a testing/synctest bubble unchanged.
//
// # Session descriptions
//
// Marshal, Parse, Answer and Agree cover the audio of an offer/answer exchange:
// RFC 8866, RFC 3264, RFC 3605 (a=rtcp), RFC 5761 (a=rtcp-mux), RFC 4733
// telephone events.
//
// # What it is not
//
// No audio device, codec, jitter buffer, SRTP, ICE, video, conference, nor
// feedback messages (RFC 4585). One peer, one stream. Names in c= lines are
// refused rather than looked up. Telephone events are digits of up to 8 s; others
// are taken and told to nobody.
package media
