package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pion/rtcp"
	"github.com/pion/stun/v3"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/vnet"
)

// message is what a ladder says of a payload.
type message struct {
	kind  messageKind
	label string // as much as one would like to say
	short string // for a narrow arrow
	note  string // the addresses it names, for the line below; may be empty
}

type messageKind int

const (
	otherMessage messageKind = iota
	sipMessage
	stunMessage
	rtpMessage
	rtcpMessage
	icmpMessage
)

// streams are the kinds of which many packets are alike, and are drawn once.
func (k messageKind) streams() bool { return k == rtpMessage || k == rtcpMessage || k == icmpMessage }

// describeEvent is what a ladder says of a packet.
func describeEvent(e vnet.Event) message {
	if e.Proto == natmodels.ICMP {
		return message{kind: icmpMessage, label: "ICMP", short: "ICMP"}
	}
	return describe(e.Payload)
}

// describe tells what shares a port apart, and says of it what one can see.
func describe(payload []byte) message {
	switch sipmsg.KindOf(payload) {
	case sipmsg.Empty:
		return message{label: "empty datagram", short: "empty"}
	case sipmsg.Keepalive:
		return message{label: "keepalive", short: "ka"}
	case sipmsg.STUN:
		return describeSTUN(payload)
	case sipmsg.RTCP:
		return describeRTCP(payload)
	case sipmsg.RTP:
		return message{kind: rtpMessage, label: "RTP", short: "RTP"}
	case sipmsg.Other:
		if m, ok := describeSIP(payload); ok {
			return m
		}
	}
	return message{label: fmt.Sprintf("%d bytes", len(payload)), short: fmt.Sprintf("%d B", len(payload))}
}

func describeSTUN(payload []byte) message {
	m := message{kind: stunMessage, label: "STUN", short: "STUN"}
	msg := &stun.Message{Raw: bytes.Clone(payload)}
	if err := msg.Decode(); err != nil {
		m.label = "STUN (malformed)"
		return m
	}
	switch msg.Type.Class {
	case stun.ClassRequest:
		m.label = "STUN request"
	case stun.ClassIndication:
		m.label = "STUN indication"
	case stun.ClassErrorResponse:
		var code stun.ErrorCodeAttribute
		m.label = "STUN error"
		if code.GetFrom(msg) == nil {
			m.label = fmt.Sprintf("STUN error %d", code.Code)
		}
	case stun.ClassSuccessResponse:
		m.label = "STUN success"
		var mapped stun.XORMappedAddress
		if mapped.GetFrom(msg) == nil {
			m.note = "you are " + mapped.String()
		}
	}
	return m
}

var rtcpNames = map[uint8]string{200: "SR", 201: "RR", 202: "SDES", 203: "BYE", 204: "APP"}

// describeRTCP names a compound packet by what it begins with, and says so if
// it ends a source (RFC 3550 §6.6).
func describeRTCP(payload []byte) message {
	m := message{kind: rtcpMessage, label: "RTCP", short: "RTCP"}
	if name, ok := rtcpNames[payload[1]]; ok {
		m.label = "RTCP " + name
	}
	packets, err := rtcp.Unmarshal(payload)
	if err != nil {
		return m
	}
	for _, p := range packets {
		if _, ok := p.(*rtcp.Goodbye); ok && payload[1] != 203 {
			m.label += ", BYE"
		}
	}
	return m
}

// describeSIP reads what matters here: the first line, CSeq, the addresses in
// the top Via, the Contact and the session description. The message may be as
// broken as it likes, its line ends too.
func describeSIP(payload []byte) (message, bool) {
	if !bytes.Contains(payload, []byte("\r\n")) {
		payload = bytes.ReplaceAll(payload, []byte("\n"), []byte("\r\n"))
	}
	p, ok := sipmsg.Peek(payload)
	if !ok {
		return message{}, false
	}
	m := message{kind: sipMessage, label: p.Method, short: p.Method, note: sipNote(&p)}
	if p.Status != 0 {
		m.label = fmt.Sprintf("%d %s (%s)", p.Status, p.Reason, p.CSeq.Method)
		m.short = fmt.Sprintf("%d (%s)", p.Status, p.CSeq.Method)
	}
	return m, true
}

// sipNote names the addresses by which the other side will answer: in a request
// the top Via and, if it makes a dialog or a binding, the Contact; in both the
// media address.
func sipNote(p *sipmsg.Brief) string {
	var parts []string
	if p.Status == 0 {
		if p.Via != "" {
			parts = append(parts, "Via "+viaAddress(p.Via))
		}
		if p.Method != "REGISTER" {
			parts = append(parts, "to "+addressOf(p.URI))
		}
	}
	makes := p.Names() == "INVITE" || p.Names() == "REGISTER"
	if p.Contact != "" && makes && p.Status < 300 && (p.Status == 0 || p.Status >= 200) {
		parts = append(parts, "Contact "+addressOf(p.Contact))
	}
	if media := mediaAddress(p.Body); media != "" {
		parts = append(parts, "media "+media)
	}
	return strings.Join(parts, ", ")
}

// viaAddress is sent-by, with the parameters that bear on NATs, or all of a Via that
// makes no sense.
func viaAddress(via string) string {
	v, ok := sipmsg.ParseVia(via)
	if !ok {
		return via
	}
	text := v.SentBy
	for p := range strings.SplitSeq(v.Params, ";") {
		p = strings.TrimSpace(p)
		if p == "rport" || strings.HasPrefix(p, "rport=") || strings.HasPrefix(p, "received=") {
			text += ";" + p
		}
	}
	return text
}

// addressOf is host and port of a URI, and an alias if there is one. Without brackets
// parameters are taken for the URI's.
func addressOf(value string) string {
	if uri, _, _, ok := sipmsg.SplitAddress(value); ok && strings.Contains(value, "<") {
		value = uri
	}
	uri, params, _ := strings.Cut(value, ";")
	text := strings.TrimPrefix(uri[strings.IndexByte(uri, '@')+1:], "sip:")
	if alias, ok := sipmsg.Param(params, "alias"); ok {
		text += ";alias=" + alias
	}
	return text
}

// mediaAddress is the address and port of the first stream of an SDP body.
func mediaAddress(body []byte) string {
	host, port := "", ""
	for line := range strings.Lines(string(body)) {
		switch {
		case strings.HasPrefix(line, "c=IN IP"):
			if f := strings.Fields(line); len(f) == 3 {
				host = f[2]
			}
		case strings.HasPrefix(line, "m=") && port == "":
			if f := strings.Fields(line); len(f) > 1 {
				port = f[1]
			}
		}
	}
	if host == "" || port == "" {
		return ""
	}
	return host + ":" + port
}
