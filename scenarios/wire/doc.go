// Package wire tells from the packets of a played cell what became of each step: SIP, RTP
// and RTCP as they were seen at every box and socket.
//
// A [Tape] takes the events of a lab one by one and keeps what steps are judged by. A
// [Match] says which messages belong to a step. What only an endpoint can know, such as
// that it threw a response away which had reached it, it may tell ([Told]); it need not.
//
// [Follow] says where one packet, or one five-tuple, went, and which box dropped it under
// which rule.
package wire
