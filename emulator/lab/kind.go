package lab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/natmodels"
)

// label is what a packet is called: a SIP method, or a status with its method, RTP, RTCP, STUN.
type label struct {
	text   string // "INVITE", "200 OK (INVITE)", "RTP"
	method string // of SIP: that of the request, or of what a response is to
	status int
	callID string
}

// The names of what is no SIP.
const (
	kindSIP        = "SIP"
	kindRTP        = "RTP"
	kindRTCP       = "RTCP"
	kindSTUN       = "STUN"
	kindICMP       = "ICMP"
	kindTCP        = "TCP"
	kindKeepalive  = "keepalive"
	kindOther      = "other"
	kindEverything = "everything"
)

// kindNames are what a file may call messages, beside statuses.
var kindNames = []string{
	kindEverything, kindSIP, kindRTP, kindRTCP, kindSTUN, kindICMP, kindTCP, kindKeepalive, kindOther,
	"REGISTER", "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER", "UPDATE", "PRACK", "INFO",
}

// parseKind reads what a file calls a message, and says which labels that are.
func parseKind(s string) (func(label) bool, error) {
	if n, err := strconv.Atoi(s); err == nil && n >= 100 && n <= 699 {
		return func(l label) bool { return l.status == n }, nil
	}
	switch {
	case !slices.Contains(kindNames, s):
		return nil, unknownKind(s)
	case s == kindEverything:
		return func(label) bool { return true }, nil
	case s == kindSIP:
		return func(l label) bool { return l.method != "" }, nil
	}
	return func(l label) bool { return l.text == s }, nil
}

// labelOf names a packet.
func labelOf(proto natmodels.Protocol, payload []byte) label {
	switch proto {
	case natmodels.UDP:
	case natmodels.ICMP:
		return label{text: kindICMP}
	case natmodels.TCP:
		return label{text: kindTCP}
	default:
		return label{text: strings.ToUpper(proto.String())}
	}
	switch sipmsg.KindOf(payload) {
	case sipmsg.STUN, sipmsg.ClassicSTUN:
		return label{text: kindSTUN}
	case sipmsg.RTP:
		return label{text: kindRTP}
	case sipmsg.RTCP:
		return label{text: kindRTCP}
	case sipmsg.Keepalive, sipmsg.Empty:
		return label{text: kindKeepalive}
	}
	m, ok := sipmsg.Peek(payload)
	if !ok {
		return label{text: kindOther}
	}
	l := label{text: m.Method, method: m.Names(), status: m.Status, callID: m.CallID}
	if m.Status != 0 {
		l.text = fmt.Sprintf("%d %.60s (%s)", m.Status, m.Reason, m.CSeq.Method)
	}
	l.text = strings.Map(shown, strings.ToValidUTF8(l.text, "?"))
	return l
}
