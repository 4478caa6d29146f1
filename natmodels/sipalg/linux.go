package sipalg

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"
)

// linux is one message on its way through the SIP helper of Linux, which reads and
// rewrites it field by field (net/netfilter/nf_conntrack_sip.c, nf_nat_sip.c).
type linux struct {
	text
	flow Flow
	// The ends of the packet: as it arrived, and as it goes on.
	src, dst, newSrc, newDst netip.AddrPort
	session                  *Session
}

// linuxOutbound and linuxInbound return the message as it goes on, or nil if the
// helper drops it.
func linuxOutbound(payload []byte, f Flow) []byte {
	return runLinux(payload, linux{flow: f, src: f.Internal, newSrc: f.External, dst: f.Remote, newDst: f.Remote})
}

func linuxInbound(payload []byte, f Flow) []byte {
	l := linux{flow: f, src: f.Remote, newSrc: f.Remote, dst: f.External, newDst: f.Internal}
	if f.RemoteInside.IsValid() {
		l.newSrc = f.RemoteInside
	}
	return runLinux(payload, l)
}

// shortest is what the helper takes for a message at all.
const shortest = len("SIP/2.0 200")

func runLinux(payload []byte, l linux) []byte {
	if len(payload) < shortest {
		return payload
	}
	if l.session = l.flow.Session; l.session == nil {
		l.session = &Session{}
	}
	l.text = bytes.Clone(payload)
	if !l.process() || !l.rewrite() {
		return nil
	}
	if bytes.Equal(l.text, payload) {
		return payload
	}
	return l.text
}

// process reads the message for what it announces; false drops it.
func (l *linux) process() bool {
	if foldPrefix(l.text, "SIP/2.0 ") {
		return l.response()
	}
	return l.request()
}

// request reads a request. Phones that send from another port than they listen on say
// so in Via.
func (l *linux) request() bool {
	if u, ok := l.uri(via, 0); ok && u.at.Port() != l.src.Port() && u.at.Addr() == l.src.Addr() {
		l.session.forced = u.at.Port()
	}
	for _, m := range []struct {
		name   string
		handle func(cseq uint64) bool
	}{
		{"INVITE", l.invite}, {"UPDATE", l.describes}, {"ACK", l.describes}, {"PRACK", l.describes},
		{"BYE", l.bye}, {"REGISTER", l.register},
	} {
		n := len(m.name)
		if len(l.text) < n+2 || !foldPrefix(l.text, m.name) || l.text[n] != ' ' || !isAlpha(l.text[n+1]) {
			continue
		}
		number, ok := l.cseq()
		return ok && m.handle(number.value)
	}
	return true
}

func (l *linux) response() bool {
	code := number(l.text[len("SIP/2.0 "):])
	if code == 0 {
		return false
	}
	seq, ok := l.cseq()
	if !ok {
		return false
	}
	method := l.text[min(seq.end+1, len(l.text)):]
	switch {
	case foldPrefix(method, "INVITE"), foldPrefix(method, "UPDATE"), foldPrefix(method, "PRACK"):
		if 100 <= code && code <= 299 {
			return l.describe()
		}
		if l.session.invite == seq.value {
			l.forgetMedia()
		}
	case foldPrefix(method, "REGISTER"):
		l.registered(seq.value, code)
	}
	return true
}

func (l *linux) invite(cseq uint64) bool {
	l.forgetMedia()
	if !l.describe() {
		return false
	}
	l.session.invite = cseq
	return true
}

func (l *linux) describes(uint64) bool { return l.describe() }

func (l *linux) bye(uint64) bool {
	l.forgetMedia()
	return true
}

func (l *linux) forgetMedia() {
	if l.flow.Gate != nil {
		for c := Audio; c <= Image; c++ {
			l.flow.Gate.Forget(c)
		}
	}
}

// register expects signalling at the Contact, of the sender itself; not before a
// response says for how long.
func (l *linux) register(cseq uint64) bool {
	if l.flow.Expected {
		return true
	}
	expires := l.expires()
	u, ok := l.uri(contact, 0)
	switch {
	case !ok, u.at.Addr() != l.src.Addr(), !l.overUDP(u.end):
		return true
	}
	if n, ok := l.numberParam(u.end, "expires="); ok {
		expires = n.value
	}
	if expires != 0 && l.flow.Gate != nil {
		listens, port := l.session.forced, u.at.Port()
		if listens == 0 {
			listens = l.src.Port()
		}
		if port == listens {
			port = l.newSrc.Port()
		}
		if port, ok = l.expect(Signalling, u.at, port); !ok {
			return false
		}
		if to := netip.AddrPortFrom(l.announced(u.at.Addr()), port); to != u.at {
			l.replace(u.span, to.String())
		}
	}
	l.session.register = cseq
	return true
}

// registered lets the signalling come that the registrar has accepted.
func (l *linux) registered(cseq, code uint64) {
	if l.session.register != cseq || code <= 199 && code >= 100 {
		return
	}
	if code >= 200 && code <= 299 {
		usual := l.expires()
		for w := (walk{field: contact}); ; {
			u, ok := l.next(&w)
			if !ok {
				break
			}
			if u.at.Addr() != l.dst.Addr() || !l.overUDP(u.end) {
				continue
			}
			expires := usual
			if n, ok := l.numberParam(u.end, "expires="); ok {
				expires = n.value
			}
			if expires == 0 {
				break
			}
			if l.flow.Gate != nil && l.flow.Gate.Renew(u.at, time.Duration(uint32(expires))*time.Second) {
				return
			}
		}
	}
	if l.flow.Gate != nil {
		l.flow.Gate.Forget(Signalling)
	}
}

func (l *linux) expires() uint64 {
	if f, ok := l.find(expires, 0); ok {
		return f.value
	}
	return 0
}

func (l *linux) overUDP(from int) bool {
	value, ok := l.param(from, "transport=")
	return !ok || foldPrefix(value, "UDP")
}

// expect asks for packets to an endpoint that the sender of the message names.
func (l *linux) expect(c Class, to netip.AddrPort, port uint16) (uint16, bool) {
	return l.flow.Gate.Expect(Expectation{
		Class: c, From: l.newDst.Addr(), To: to, Port: port, Outward: l.src == l.flow.Remote,
	})
}

// announced is the address that the other side gets to see for one of the sender's.
func (l *linux) announced(a netip.Addr) netip.Addr {
	if l.src.Addr() == l.newSrc.Addr() {
		return a
	}
	return l.newSrc.Addr()
}

// mediaTypes are those that the helper expects, by the beginning of an m= line.
var mediaTypes = []struct {
	name  string
	class Class
}{{"audio ", Audio}, {"video ", Video}, {"image ", Image}}

// describe reads a session description, expects the media that it announces, if they
// are the sender's own, and rewrites it. It looks at as many media as there are types.
func (l *linux) describe() bool {
	version, ok := l.line(sdpVersion, 0, nil)
	if !ok {
		return true
	}
	session, hasSession := l.quad(sdpConnection, version.start, sdpMedia)
	address, at := session, version.start
	for seen := 0; seen < len(mediaTypes); {
		m, ok := l.line(sdpMedia, at, nil)
		if !ok {
			break
		}
		at = m.end
		class, name := Signalling, ""
		for _, t := range mediaTypes {
			if bytes.HasPrefix(l.text[m.start:m.end], []byte(t.name)) {
				class, name = t.class, t.name
			}
		}
		if name == "" {
			continue
		}
		at = m.start + len(name)
		port := number(l.text[at:])
		switch {
		case port == 0:
			continue
		case port < 1024 || port > 65535:
			return false
		}
		own, hasOwn := l.quad(sdpConnection, at, sdpMedia)
		switch {
		case hasOwn:
			address = own
		case hasSession:
			address = session
		default:
			return false
		}
		if address, ok = l.media(class, netip.AddrPortFrom(address, uint16(port)), span{at, m.end}); !ok {
			return false
		}
		if hasOwn {
			l.readdress(sdpConnection, at, address)
			if !l.fixLength() {
				return false
			}
		}
		seen++
	}
	if !address.IsValid() {
		return true
	}
	if !l.readdress(sdpOwner, version.start, address) {
		return false
	}
	l.readdress(sdpConnection, version.start, address)
	return l.fixLength()
}

// media expects RTP at an even port and RTCP at the next, and returns the address to
// announce. What comes from elsewhere than the sender of the message is not expected
// (the parameter sip_direct_media).
func (l *linux) media(c Class, to netip.AddrPort, port span) (netip.Addr, bool) {
	if to.Addr() != l.src.Addr() {
		return to.Addr(), true
	}
	if l.flow.Gate == nil {
		return l.mediaWithoutGate(to, port)
	}
	if l.flow.Gate.Elsewhere(c, l.newDst.Addr(), to) {
		return to.Addr(), true
	}
	rtp := netip.AddrPortFrom(to.Addr(), to.Port()&^1)
	got, ok := l.expect(c, rtp, rtp.Port())
	if ok && got != rtp.Port() {
		l.replace(port, strconv.Itoa(int(got)))
		ok = l.fixLength()
	}
	return l.announced(to.Addr()), ok
}

func (l *linux) mediaWithoutGate(to netip.AddrPort, port span) (netip.Addr, bool) {
	if l.flow.Media != nil && l.src == l.flow.Internal {
		if e, ok := l.flow.Media(to); ok && e.Port() != to.Port() {
			l.replace(port, strconv.Itoa(int(e.Port())))
		}
	}
	return l.announced(to.Addr()), true
}

// readdress rewrites the address of the next line with a name that belongs to the same
// medium, or to none; false if there is no such line.
func (l *linux) readdress(f sdpField, from int, a netip.Addr) bool {
	found, ok := l.line(f, from, &sdpMedia)
	if ok {
		l.replace(found.span, a.String())
	}
	return ok
}

// fixLength writes how long the session description is; false if there is no field for it.
func (l *linux) fixLength() bool {
	version, ok := l.line(sdpVersion, 0, nil)
	if !ok {
		return false
	}
	length, ok := l.find(contentLength, 0)
	if ok {
		l.replace(length.span, strconv.Itoa(len(l.text)-version.start+len("v=")))
	}
	return ok
}

// rewrite translates the header: the request URI, the topmost Via, Contact, From and To,
// where they name the ends of the packet.
func (l *linux) rewrite() bool {
	request := !foldPrefix(l.text, "SIP/2.0")
	if request {
		if u, ok := l.requestURI(); ok {
			l.translate(u)
		}
	}
	if u, ok := l.uri(via, 0); ok && (request && u.at == l.src || !request && u.at == l.dst) {
		before := len(l.text)
		l.translate(u)
		l.viaParams(u.end + len(l.text) - before)
	}
	for w := (walk{field: contact}); ; {
		u, ok := l.next(&w)
		if !ok {
			break
		}
		l.translate(u)
	}
	for _, f := range []*field{from, to} {
		if u, ok := l.uri(f, 0); ok {
			l.translate(u)
		}
	}
	return true
}

// viaParams translates maddr, received (RFC 3261 section 18.2.1) and rport (RFC 3581), so
// that the client does not learn its external endpoint.
func (l *linux) viaParams(from int) {
	if p, ok := l.addressParam(from, "maddr="); ok && p.a == l.src.Addr() && p.a != l.newSrc.Addr() {
		l.replace(p.span, l.newSrc.Addr().String())
	}
	if p, ok := l.addressParam(from, "received="); ok && p.a == l.dst.Addr() && p.a != l.newDst.Addr() {
		l.replace(p.span, l.newDst.Addr().String())
	}
	if p, ok := l.numberParam(from, "rport="); ok && uint16(p.value) == l.dst.Port() && uint16(p.value) != l.newDst.Port() {
		l.replace(p.span, strconv.Itoa(int(l.newDst.Port())))
	}
}

// translate rewrites a URI that names an end of the packet.
func (l *linux) translate(u uri) {
	as := u.at
	switch u.at {
	case l.src:
		as = l.newSrc
	case l.dst:
		as = l.newDst
		if l.session.forced != 0 {
			as = netip.AddrPortFrom(as.Addr(), l.session.forced)
		}
	}
	if as != u.at {
		l.replace(u.span, as.String())
	}
}

// ForcedPort is where a message against the flow's first direction goes instead of the
// port that the NAT translates to; 0: there. Linux has it for phones that send from
// another port than their Via names.
func (s *Session) ForcedPort(payload []byte) uint16 {
	if len(payload) < shortest {
		return 0
	}
	return s.forced
}
