package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pion/rtcp"
	"github.com/pion/stun/v3"

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

// describe tells protocols on one port apart by the first byte, as RFC 7983 §7
// does, and RTCP from RTP by the second (RFC 5761 §4).
func describe(payload []byte) message {
	switch {
	case len(payload) == 0:
		return message{label: "empty datagram", short: "empty"}
	case stun.IsMessage(payload):
		return describeSTUN(payload)
	case payload[0] >= 128 && payload[0] <= 191 && len(payload) >= 8:
		if payload[1] >= 192 && payload[1] <= 223 {
			return describeRTCP(payload)
		}
		return message{kind: rtpMessage, label: "RTP", short: "RTP"}
	case len(bytes.Trim(payload, "\r\n\x00")) == 0:
		return message{label: "keepalive", short: "ka"}
	case payload[0] >= 'A' && payload[0] <= 'Z':
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
// broken as it likes.
func describeSIP(payload []byte) (message, bool) {
	head, body, _ := strings.Cut(strings.ReplaceAll(string(payload), "\r\n", "\n"), "\n\n")
	lines := strings.Split(head, "\n")
	headers := map[string]string{}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		name = headerName(name)
		if _, have := headers[name]; ok && !have {
			headers[name] = strings.TrimSpace(value)
		}
	}
	m := message{kind: sipMessage}
	words := strings.SplitN(lines[0], " ", 3)
	switch {
	case len(words) == 3 && words[0] == "SIP/2.0":
		method := headers["cseq"]
		if i := strings.LastIndexByte(method, ' '); i >= 0 {
			method = method[i+1:]
		}
		m.label = fmt.Sprintf("%s %s (%s)", words[1], words[2], method)
		m.short = fmt.Sprintf("%s (%s)", words[1], method)
	case len(words) == 3 && strings.HasPrefix(words[2], "SIP/"):
		m.label, m.short = words[0], words[0]
	default:
		return message{}, false
	}
	m.note = sipNote(words, headers, body)
	return m, true
}

// headerName expands the compact forms (RFC 3261 §7.3.3) of the headers used here.
func headerName(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	switch name {
	case "v":
		return "via"
	case "m":
		return "contact"
	}
	return name
}

// sipNote names the addresses by which the other side will answer: in a request
// the top Via and, if it makes a dialog or a binding, the Contact; in both the
// media address.
func sipNote(first []string, headers map[string]string, body string) string {
	var parts []string
	response := first[0] == "SIP/2.0"
	method := headers["cseq"]
	if !response {
		if via := headers["via"]; via != "" {
			parts = append(parts, "Via "+viaAddress(via))
		}
		if first[0] != "REGISTER" {
			parts = append(parts, "to "+addressOf(first[1]))
		}
	}
	makes := strings.HasSuffix(method, "INVITE") || strings.HasSuffix(method, "REGISTER")
	if contact := headers["contact"]; contact != "" && makes && (!response || strings.HasPrefix(first[1], "2")) {
		parts = append(parts, "Contact "+addressOf(contact))
	}
	if media := mediaAddress(body); media != "" {
		parts = append(parts, "media "+media)
	}
	return strings.Join(parts, ", ")
}

// viaAddress is sent-by, with the parameters that bear on NATs.
func viaAddress(via string) string {
	via, _, _ = strings.Cut(via, ",")
	params := strings.Split(via, ";")
	fields := strings.Fields(params[0])
	if len(fields) == 0 {
		return "?"
	}
	text := fields[len(fields)-1]
	for _, p := range params[1:] {
		p = strings.TrimSpace(p)
		if p == "rport" || strings.HasPrefix(p, "rport=") || strings.HasPrefix(p, "received=") {
			text += ";" + p
		}
	}
	return text
}

// addressOf is host and port of a URI, and an alias if there is one.
func addressOf(uri string) string {
	if i := strings.IndexByte(uri, '<'); i >= 0 {
		uri, _, _ = strings.Cut(uri[i+1:], ">")
	}
	uri, params, _ := strings.Cut(uri, ";")
	text := uri[strings.IndexByte(uri, '@')+1:]
	text = strings.TrimPrefix(text, "sip:")
	for p := range strings.SplitSeq(params, ";") {
		if strings.HasPrefix(p, "alias=") {
			text += ";" + p
		}
	}
	return text
}

// mediaAddress is the address and port of the first stream of an SDP body.
func mediaAddress(body string) string {
	host, port := "", ""
	for line := range strings.SplitSeq(body, "\n") {
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
