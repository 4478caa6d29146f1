package registrar

import (
	"net/netip"
	"strconv"
	"strings"
)

const (
	magicCookie = "z9hG4bK" // RFC 3261 §8.1.1.7
	defaultPort = 5060
)

// A via is one parsed Via value (RFC 3261 §20.42).
type via struct {
	protocol string // "SIP/2.0/UDP" as written
	sentBy   string // as written
	host     string
	port     uint16 // 5060 when not written
	params   string // as written, after the first semicolon
	branch   string
}

func parseVia(s string) (v via, ok bool) {
	rest := s
	for range 2 {
		if _, rest, ok = strings.Cut(rest, "/"); !ok {
			return v, false
		}
	}
	rest = strings.TrimLeft(rest, lws)
	end := strings.IndexAny(rest, lws)
	if end < 0 {
		return v, false
	}
	v.protocol = strings.TrimRight(s[:len(s)-len(rest)+end], lws)
	sentBy, params, _ := cut(rest[end:], ';')
	v.sentBy, v.params = strings.Trim(sentBy, lws), strings.Trim(params, lws)
	v.branch, _ = param(v.params, "branch")
	return v, v.parseSentBy()
}

func (v *via) parseSentBy() bool {
	v.host, v.port = v.sentBy, defaultPort
	if i := strings.LastIndexByte(v.sentBy, ':'); i >= 0 && i > strings.LastIndexByte(v.sentBy, ']') {
		n, err := strconv.ParseUint(strings.Trim(v.sentBy[i+1:], lws), 10, 16)
		if err != nil || n == 0 {
			return false
		}
		v.host, v.port = strings.TrimRight(v.sentBy[:i], lws), uint16(n)
	}
	return v.host != "" && !strings.ContainsAny(v.host, lws+",\"<>")
}

// stamp records where the request really came from, and decides where its responses go.
func (v via) stamp(from netip.AddrPort, ignoreRport bool) (value string, to netip.AddrPort, by Cause) {
	sent, literal := hostAddr(v.host)
	_, rport := param(v.params, "rport")
	rport = rport && !ignoreRport
	// RFC 3261 §18.2.1: received is added when sent-by is not the source address;
	// RFC 3581 §4: with rport always.
	received := rport || !literal || sent != from.Addr()

	var b strings.Builder
	b.WriteString(v.protocol)
	b.WriteByte(' ')
	b.WriteString(v.sentBy)
	for params, more := v.params, v.params != ""; more; {
		var p string
		p, params, more = cut(params, ';')
		k, _, _ := strings.Cut(p, "=")
		switch k = strings.ToLower(strings.Trim(k, lws)); {
		case k == "received" || k == "": // a client has no business writing received
		case k == "rport" && rport:
			b.WriteString(";rport=")
			b.WriteString(strconv.Itoa(int(from.Port())))
		default:
			b.WriteByte(';')
			b.WriteString(strings.Trim(p, lws))
		}
	}
	if received {
		b.WriteString(";received=")
		b.WriteString(from.Addr().String())
	}
	if rport {
		return b.String(), from, ByRport // RFC 3581 §4
	}
	// RFC 3261 §18.2.2: the received address with the port of sent-by. The maddr
	// parameter is not followed: it would let anyone aim responses at third parties.
	return b.String(), netip.AddrPortFrom(from.Addr(), v.port), ByVia
}
