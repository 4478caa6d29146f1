package sipalg

import (
	"net/netip"
	"strconv"
	"strings"
)

// outward makes internal addresses external ones.
type outward struct {
	alg  ALG
	flow Flow
}

func (o outward) startLine(line string) string { return line }

func (o outward) header(name, line string) string {
	switch name {
	case "via", "contact", "record-route", "route":
		return endpoints(line, o.public)
	}
	return line
}

// public returns the external endpoint for one that a message names.
func (o outward) public(e netip.AddrPort) (netip.AddrPort, bool) {
	if e.Addr() != o.flow.Internal.Addr() && !o.isPublic(e.Addr()) {
		return e, false
	}
	if e.Port() == o.flow.Internal.Port() {
		return o.flow.External, true
	}
	if o.isPublic(e.Addr()) && e == o.flow.External && !o.alg.Double {
		return e, false
	}
	return o.media(netip.AddrPortFrom(o.flow.Internal.Addr(), e.Port())), true
}

// isPublic reports whether the address is one that needs no rewriting and gets it all
// the same.
func (o outward) isPublic(a netip.Addr) bool { return o.alg.Double && a == o.flow.External.Addr() }

func (o outward) media(internal netip.AddrPort) netip.AddrPort {
	if o.flow.Media != nil {
		if e, ok := o.flow.Media(internal); ok {
			return e
		}
	}
	return netip.AddrPortFrom(o.flow.External.Addr(), internal.Port())
}

// body rewrites a session description (RFC 4566): o=, c=, the port of m=, and a=rtcp.
// A media address holds for the m= lines after it, the one of a medium for that alone.
func (o outward) body(sdp string) string {
	lines := strings.Split(sdp, "\r\n")
	session := ""
	for _, line := range lines {
		if strings.HasPrefix(line, "m=") {
			break
		}
		if a, ok := strings.CutPrefix(line, "c=IN IP4 "); ok {
			session = a
		}
	}
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "o="), strings.HasPrefix(line, "c="):
			lines[i] = o.address(line)
		case strings.HasPrefix(line, "m="):
			lines[i] = o.medium(line, mediumAddress(lines[i+1:], session))
		case strings.HasPrefix(line, "a=rtcp:"):
			lines[i] = o.rtcp(line)
		}
	}
	return strings.Join(lines, "\r\n")
}

// mediumAddress returns the address of a medium, whose lines begin the list.
func mediumAddress(lines []string, session string) string {
	for _, line := range lines {
		if strings.HasPrefix(line, "m=") {
			break
		}
		if a, ok := strings.CutPrefix(line, "c=IN IP4 "); ok {
			return a
		}
	}
	return session
}

// address rewrites the last word of an o= or c= line.
func (o outward) address(line string) string {
	at := strings.LastIndexByte(line, ' ') + 1
	if a, err := netip.ParseAddr(line[at:]); err == nil && a == o.flow.Internal.Addr() {
		return line[:at] + o.flow.External.Addr().String()
	}
	return line
}

// medium rewrites the port of an m= line.
func (o outward) medium(line, address string) string {
	a, err := netip.ParseAddr(address)
	words := strings.SplitN(line, " ", 3)
	if err != nil || len(words) < 3 || a != o.flow.Internal.Addr() && !o.isPublic(a) {
		return line
	}
	port, err := strconv.ParseUint(words[1], 10, 16)
	if err != nil || port == 0 { // a medium that is refused (RFC 3264 section 6)
		return line
	}
	e := o.media(netip.AddrPortFrom(o.flow.Internal.Addr(), uint16(port)))
	words[1] = strconv.Itoa(int(e.Port()))
	return strings.Join(words, " ")
}

// rtcp rewrites "a=rtcp:53020 IN IP4 10.0.0.2" (RFC 3605 section 2.1).
func (o outward) rtcp(line string) string {
	words := strings.Fields(strings.TrimPrefix(line, "a=rtcp:"))
	if len(words) != 4 {
		return line
	}
	port, err := strconv.ParseUint(words[0], 10, 16)
	a, errAddr := netip.ParseAddr(words[3])
	if err != nil || errAddr != nil || a != o.flow.Internal.Addr() && !o.isPublic(a) {
		return line
	}
	e := o.media(netip.AddrPortFrom(o.flow.Internal.Addr(), uint16(port)))
	return "a=rtcp:" + strconv.Itoa(int(e.Port())) + " IN IP4 " + e.Addr().String()
}
