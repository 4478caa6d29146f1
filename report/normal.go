package report

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/stun/v3"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/vnet"
)

// normalizer replaces what endpoints draw at random by numbers, in the order of first
// appearance in one trace.
type normalizer struct {
	numbers map[string]map[string]int // kind of identifier, then the identifier
	streams map[uint32]rtpOrigin

	// Each text and each packet is seen at several boxes.
	texts map[string]string // what sip has made of a text
	last  map[uint64]described
}

// described is what the trace says of a packet's payload.
type described struct {
	payload []byte
	text    string
}

// rtpOrigin is the first packet seen of an RTP source: both numbers start at random (RFC
// 3550 §5.1).
type rtpOrigin struct {
	sequence  uint16
	timestamp uint32
}

func newNormalizer() *normalizer {
	return &normalizer{numbers: map[string]map[string]int{}, streams: map[uint32]rtpOrigin{}, texts: map[string]string{}, last: map[uint64]described{}}
}

// number names an identifier.
func (n *normalizer) number(kind, id string) string {
	ids := n.numbers[kind]
	if ids == nil {
		ids = map[string]int{}
		n.numbers[kind] = ids
	}
	if ids[id] == 0 {
		ids[id] = len(ids) + 1
	}
	return fmt.Sprintf("%s-%d", kind, ids[id])
}

// describe is WHAT and DIGEST of a line.
func (n *normalizer) describe(e vnet.Event) string {
	d, known := n.last[e.Packet]
	if !known || !bytes.Equal(d.payload, e.Payload) {
		what, content := n.payload(e)
		d = described{e.Payload, fmt.Sprintf("%s %x", oneLine(what), digest(content))}
		n.last[e.Packet] = d
	}
	return d.text
}

// payload says what an event's packet carries, and gives all of it, identifiers replaced.
func (n *normalizer) payload(e vnet.Event) (what, content string) {
	if e.Proto != natmodels.UDP {
		return strings.ToUpper(e.Proto.String()), string(e.Payload)
	}
	return n.datagram(e.Payload)
}

// datagram tells protocols apart as describe does, but takes a classic STUN message, which
// has no magic cookie (RFC 3489 §11.1), for STUN too.
func (n *normalizer) datagram(b []byte) (what, content string) {
	switch kind := sipmsg.KindOf(b); {
	case kind == sipmsg.Empty:
		return "empty", ""
	case kind == sipmsg.STUN, kind == sipmsg.ClassicSTUN:
		return n.stun(b)
	case kind == sipmsg.RTCP:
		return n.rtcp(b)
	case kind == sipmsg.RTP:
		return n.rtp(b)
	case kind == sipmsg.Keepalive:
		return "keepalive", string(b)
	case b[0] >= 'A' && b[0] <= 'Z':
		text := n.sip(string(b))
		first, _, _ := strings.Cut(text, "\r\n")
		return first, text
	}
	return "data", string(b)
}

// secrets of SIP and SDP are drawn by whoever writes them: the parameters of RFC 3261
// §20 and RFC 7616 §3, header fields, and lines of a session description (RFC 8866 §5.2,
// RFC 5576 §4.1, RFC 8839 §5). Group 1 is what stands before the identifier.
var secrets = []struct {
	kind string
	at   *regexp.Regexp
}{
	{"branch", regexp.MustCompile(`(?i)([;\s]branch\s*=\s*)([^\s;,>"]+)`)},
	{"tag", regexp.MustCompile(`(?i)([;\s](?:to-|from-)?tag\s*=\s*)([^\s;,>"]+)`)},
	{"call", regexp.MustCompile(`(?im)^((?:call-id|i|in-reply-to|replaces)[ \t]*:\s*)([^\s;]+)`)},
	{"call", regexp.MustCompile(`(?i)([?&]replaces=)((?:[^%&>\s]|%40)+)`)}, // in a URI (RFC 3891 §6.1)
	{"tag", regexp.MustCompile(`(?i)(%3B(?:to-|from-)tag%3D)([^%&>\s]+)`)},
	{"session", regexp.MustCompile(`(?im)^(session-id[ \t]*:\s*)([^\s;]+)`)},
	{"nonce", regexp.MustCompile(`(?i)([,\s](?:next|c)?nonce\s*=\s*"?)([^\s,"]+)`)},
	{"opaque", regexp.MustCompile(`(?i)([,\s]opaque\s*=\s*"?)([^\s,"]+)`)},
	{"proof", regexp.MustCompile(`(?i)([,\s](?:response|rspauth)\s*=\s*"?)([0-9a-f]{32,})`)},
	{"instance", regexp.MustCompile(`(?i)(;(?:\+sip\.instance|rinstance|gr|d)\s*=\s*"?)([^\s;,>"]+)`)},
	{"sdp", regexp.MustCompile(`(?m)^(o=\S+ )(\d+)`)},
	{"ssrc", regexp.MustCompile(`(?m)^(a=ssrc:)(\d+)`)},
	{"cname", regexp.MustCompile(`(?m)^(a=ssrc:\S+ cname:)(\S+)`)},
	{"ice", regexp.MustCompile(`(?m)^(a=(?:ice-ufrag|ice-pwd|msid|fingerprint|tls-id|candidate):(?:sha-\d+ )?)([^\s]+)`)},
	{"key", regexp.MustCompile(`(?m)^(a=crypto:.*inline:)([^\s|]+)`)},
}

// sip replaces the identifiers in text, however broken it is.
func (n *normalizer) sip(text string) string {
	if known, ok := n.texts[text]; ok {
		return known
	}
	original := text
	for _, s := range secrets {
		text = s.at.ReplaceAllStringFunc(text, func(m string) string {
			at := s.at.FindStringSubmatch(m)
			return at[1] + n.number(s.kind, at[2])
		})
	}
	n.texts[original] = text
	return text
}

const stunHeader = 20

// stunSecrets are attributes drawn at random or made with what is: the name of the kind,
// or "" for what only proves the rest (RFC 8489 §14.5 to §14.7).
var stunSecrets = map[stun.AttrType]string{
	stun.AttrMessageIntegrity: "", stun.AttrMessageIntegritySHA256: "", stun.AttrFingerprint: "",
	stun.AttrNonce: "nonce", stun.AttrUserhash: "user", stun.AttrReservationToken: "reservation",
	stun.AttrUsername: "user", stun.AttrICEControlled: "tie-breaker", stun.AttrICEControlling: "tie-breaker",
}

// stunXOR are addresses covered with the transaction identifier (RFC 8489 §14.2).
var stunXOR = map[stun.AttrType]bool{
	stun.AttrXORMappedAddress: true, stun.AttrXORPeerAddress: true, stun.AttrXORRelayedAddress: true, 0x8020: true,
}

// stun reads a message: the type, the transaction, and attributes one after the other.
func (n *normalizer) stun(b []byte) (what, content string) {
	id := b[8:stunHeader]
	if binary.BigEndian.Uint32(b[4:]) != magicCookie {
		id = b[4:stunHeader] // all 16 bytes (RFC 3489 §11.1)
	}
	var typ stun.MessageType
	typ.ReadValue(binary.BigEndian.Uint16(b))
	what = fmt.Sprintf("STUN %s %s", typ, n.number("transaction", string(id)))
	var text strings.Builder
	text.WriteString(what)
	for rest := b[stunHeader:]; len(rest) >= 4; {
		attr, length := stun.AttrType(binary.BigEndian.Uint16(rest)), int(binary.BigEndian.Uint16(rest[2:]))
		value := rest[4:]
		value = value[:min(length, len(value))]
		rest = rest[min(4+(length+3)&^3, len(rest)):]
		fmt.Fprintf(&text, "\n%#04x %d ", uint16(attr), length)
		kind, secret := stunSecrets[attr]
		switch {
		case secret && kind == "":
		case secret:
			text.WriteString(n.number(kind, string(value)))
		case stunXOR[attr] && len(value) >= 8:
			text.WriteString(string(uncover(value, b[4:stunHeader])))
		case attr == stun.AttrData:
			_, inner := n.datagram(value)
			text.WriteString(inner)
		default:
			text.Write(value)
		}
	}
	return what, text.String()
}

const magicCookie = 0x2112A442

// uncover takes the cookie and the transaction identifier off an address.
func uncover(value, cover []byte) []byte {
	plain := bytes.Clone(value)
	plain[2] ^= cover[0]
	plain[3] ^= cover[1]
	for i := range min(len(plain)-4, len(cover)) {
		plain[4+i] ^= cover[i]
	}
	return plain
}

func (n *normalizer) source(ssrc uint32) string { return n.number("ssrc", fmt.Sprint(ssrc)) }

// rtp reads a packet; one that is too broken for that is data.
func (n *normalizer) rtp(b []byte) (what, content string) {
	var h rtp.Header
	size, err := h.Unmarshal(b)
	if err != nil {
		return "RTP (malformed)", string(b)
	}
	origin, known := n.streams[h.SSRC]
	if !known {
		origin = rtpOrigin{h.SequenceNumber, h.Timestamp}
		n.streams[h.SSRC] = origin
	}
	what = fmt.Sprintf("RTP %d %s seq %+d time %+d", h.PayloadType, n.source(h.SSRC),
		int16(h.SequenceNumber-origin.sequence), int32(h.Timestamp-origin.timestamp))
	if h.Marker {
		what += " marker"
	}
	content = what
	for _, c := range h.CSRC {
		content += " " + n.source(c)
	}
	return what, fmt.Sprintf("%s %v %v %s", content, h.Padding, h.Extensions, b[size:])
}

// rtcp reads a compound packet; one that is too broken for that is data.
func (n *normalizer) rtcp(b []byte) (what, content string) {
	what = describeRTCP(b).label
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		return what + " (malformed)", string(b)
	}
	var text strings.Builder
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.SenderReport:
			fmt.Fprintf(&text, "SR %s %d %+d %d %d %s %x\n", n.source(p.SSRC), p.NTPTime,
				int32(p.RTPTime-n.streams[p.SSRC].timestamp), p.PacketCount, p.OctetCount, n.reports(p.Reports), p.ProfileExtensions)
		case *rtcp.ReceiverReport:
			fmt.Fprintf(&text, "RR %s %s %x\n", n.source(p.SSRC), n.reports(p.Reports), p.ProfileExtensions)
		case *rtcp.SourceDescription:
			text.WriteString("SDES")
			for _, c := range p.Chunks {
				fmt.Fprintf(&text, " %s", n.source(c.Source))
				for _, item := range c.Items {
					if item.Type == rtcp.SDESCNAME { // may be random (RFC 7022 §4.2)
						item.Text = n.number("cname", item.Text)
					}
					fmt.Fprintf(&text, " %d=%q", item.Type, item.Text)
				}
			}
			text.WriteByte('\n')
		case *rtcp.Goodbye:
			text.WriteString("BYE")
			for _, s := range p.Sources {
				fmt.Fprintf(&text, " %s", n.source(s))
			}
			fmt.Fprintf(&text, " %q\n", p.Reason)
		default:
			raw, err := p.Marshal()
			fmt.Fprintf(&text, "%T %x %v\n", p, raw, err)
		}
	}
	return what, text.String()
}

// reports are reception report blocks (RFC 3550 §6.4.1).
func (n *normalizer) reports(blocks []rtcp.ReceptionReport) string {
	var text strings.Builder
	for _, r := range blocks {
		fmt.Fprintf(&text, "[%s %d %d %+d %d %d %d]", n.source(r.SSRC), r.FractionLost, r.TotalLost,
			int32(r.LastSequenceNumber-uint32(n.streams[r.SSRC].sequence)), r.Jitter, r.LastSenderReport, r.Delay)
	}
	return text.String()
}
