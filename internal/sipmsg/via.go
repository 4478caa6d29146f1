package sipmsg

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// MagicCookie begins every branch of RFC 3261 (§8.1.1.7).
const MagicCookie = "z9hG4bK"

// Via is one parsed Via value (RFC 3261 §20.42).
type Via struct {
	Protocol string // "SIP/2.0/UDP" as written
	SentBy   string // as written
	Host     string
	Port     uint16 // 5060 when not written
	Params   string // as written, after the first semicolon
	Branch   string
}

// ParseVia reads one value; false if nobody could answer by it.
func ParseVia(s string) (v Via, ok bool) {
	rest := s
	for range 2 {
		if _, rest, ok = strings.Cut(rest, "/"); !ok {
			return v, false
		}
	}
	rest = strings.TrimLeft(rest, LWS)
	end := strings.IndexAny(rest, LWS)
	if end < 0 {
		return v, false
	}
	v.Protocol = strings.TrimRight(s[:len(s)-len(rest)+end], LWS)
	sentBy, params, _ := Cut(rest[end:], ';')
	v.SentBy, v.Params = trim(sentBy), trim(params)
	v.Branch, _ = Param(v.Params, "branch")
	return v, closed(v.Params) && v.parseSentBy()
}

func (v *Via) parseSentBy() bool {
	v.Host, v.Port = v.SentBy, DefaultPort
	if i := strings.LastIndexByte(v.SentBy, ':'); i >= 0 && i > strings.LastIndexByte(v.SentBy, ']') {
		n, err := strconv.ParseUint(trim(v.SentBy[i+1:]), 10, 16)
		if err != nil || n == 0 {
			return false
		}
		v.Host, v.Port = strings.TrimRight(v.SentBy[:i], LWS), uint16(n)
	}
	return v.Host != "" && !strings.ContainsAny(v.Host, LWS+",\"<>")
}

// SameSentBy says whether two values name one sender (RFC 3261 §18.1.2).
func (v *Via) SameSentBy(o *Via) bool {
	return v.Port == o.Port && strings.EqualFold(Unbracket(v.Host), Unbracket(o.Host))
}

// HostPort is sent-by with its port, for people.
func (v *Via) HostPort() string {
	return net.JoinHostPort(Unbracket(v.Host), strconv.Itoa(int(v.Port)))
}

// Seen is where a response's top Via says that its request came from: received, or
// sent-by, with rport; invalid without the latter (RFC 3581 §4).
func (v *Via) Seen() netip.AddrPort {
	host, ok := Param(v.Params, "received")
	if !ok {
		host = v.Host
	}
	rport, _ := Param(v.Params, "rport")
	n, err := strconv.ParseUint(rport, 10, 16)
	a, literal := HostAddr(host)
	if err != nil || n == 0 || !literal {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, uint16(n))
}

// Stamp records in the value where its request really came from, and says where the
// responses go and whether that is by rport, which an element may ignore.
func (v *Via) Stamp(from netip.AddrPort, ignoreRport bool) (value string, to netip.AddrPort, byRport bool) {
	sent, literal := HostAddr(v.Host)
	_, rport := Param(v.Params, "rport")
	rport = rport && !ignoreRport
	// RFC 3261 §18.2.1: received is added when sent-by is not the source address;
	// RFC 3581 §4: with rport always.
	received := rport || !literal || sent != from.Addr()

	var b strings.Builder
	b.Grow(len(v.Protocol) + 1 + len(v.SentBy) + len(v.Params) + len(";received=;rport=12345") + 48)
	b.WriteString(v.Protocol)
	b.WriteByte(' ')
	b.WriteString(v.SentBy)
	for params, more := v.Params, v.Params != ""; more; {
		var p string
		p, params, more = Cut(params, ';')
		k, _, _ := strings.Cut(p, "=")
		switch k = strings.ToLower(trim(k)); {
		case k == "received" || k == "": // a client has no business writing received
		case k == "rport" && rport:
			b.WriteString(";rport=")
			b.WriteString(strconv.Itoa(int(from.Port())))
		default:
			b.WriteByte(';')
			b.WriteString(trim(p))
		}
	}
	if received {
		b.WriteString(";received=")
		b.WriteString(from.Addr().String())
	}
	if rport {
		return b.String(), from, true // RFC 3581 §4
	}
	// RFC 3261 §18.2.2: the received address with the port of sent-by. The maddr
	// parameter is not followed: it would let anyone aim responses at third parties.
	return b.String(), netip.AddrPortFrom(from.Addr(), v.Port), false
}
