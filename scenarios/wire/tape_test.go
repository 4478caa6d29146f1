package wire

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/vnet"
)

// script makes a trace: one packet after the other, a millisecond from hop to hop.
type script struct {
	at     time.Duration
	packet uint64
	events []vnet.Event
}

// The addresses of the scripts. nat-a shows outA for a.
var (
	addrA    = netip.MustParseAddrPort("10.0.0.2:5060")
	outA     = netip.MustParseAddrPort("198.51.100.1:41000")
	addrB    = netip.MustParseAddrPort("192.0.2.2:5060")
	addrP    = netip.MustParseAddrPort("203.0.113.10:5060")
	addrNone = netip.MustParseAddrPort("203.0.113.99:9")
)

// event adds one event of the last packet.
func (s *script) event(e vnet.Event) {
	e.Seq, e.At, e.Packet, e.Proto = uint64(len(s.events)+1), s.at, s.packet, natmodels.UDP
	s.events = append(s.events, e)
	s.at += time.Millisecond
}

// arrives lets a box send a packet that another one gets.
func (s *script) arrives(from, to string, payload []byte) {
	s.packet++
	s.event(vnet.Event{Kind: vnet.Sent, Box: from, Src: addrA, Dst: addrB, Payload: payload})
	s.event(vnet.Event{Kind: vnet.Delivered, Box: to, Src: addrA, Dst: addrB, Payload: payload})
}

// lost lets a box send a packet that another one drops.
func (s *script) lost(from, at string, reason vnet.Reason, payload []byte) {
	s.packet++
	s.event(vnet.Event{Kind: vnet.Sent, Box: from, Src: addrA, Dst: addrB, Payload: payload})
	s.event(vnet.Event{Kind: vnet.Dropped, Box: at, Src: addrA, Dst: addrB, Payload: payload, Reason: reason,
		Detail: fmt.Sprintf("%s: packet %d", reason, s.packet)})
}

// onItsWay lets a box send a packet of which nothing more is seen.
func (s *script) onItsWay(from string, payload []byte) {
	s.packet++
	s.event(vnet.Event{Kind: vnet.Sent, Box: from, Src: addrA, Dst: addrB, Payload: payload})
}

func (s *script) tape() *Tape { return Read(s.events) }

// request and response make SIP messages of a dialog that the tag of From names.
func request(method, tag string) []byte {
	return []byte(strings.Join([]string{method + " sip:x@example.com SIP/2.0", "From: <sip:x@example.com>;tag=" + tag,
		"Call-ID: call-" + tag, "CSeq: 1 " + method, "", ""}, "\r\n"))
}

func response(status int, method, tag string) []byte {
	return []byte(strings.Join([]string{fmt.Sprintf("SIP/2.0 %d -", status), "From: <sip:x@example.com>;tag=" + tag,
		"Call-ID: call-" + tag, "CSeq: 1 " + method, "", ""}, "\r\n"))
}

// rtp and rtcp are told by their first two bytes (RFC 7983 §7, RFC 5761 §4).
var (
	rtp  = []byte{0x80, 0, 0, 1}
	rtcp = []byte{0x80, 200, 0, 1}
)

// judgement is what came of a step, on one line: "ok", "not-sent", or "lost box rule".
func judgement(fate cell.Fate, c cell.Cause) string {
	if fate != cell.Lost {
		return string(fate)
	}
	return fmt.Sprintf("lost %s %s", c.Box, c.Rule)
}
