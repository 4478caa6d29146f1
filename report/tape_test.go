package report

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/stun/v3"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/vnet"
)

// The addresses of the synthetic traces.
var (
	phoneA   = ap("10.0.0.2:5060")
	phoneB   = ap("192.168.1.2:5060")
	proxy    = ap("203.0.113.10:5060")
	stunSrv  = ap("203.0.113.20:3478")
	outsideA = "198.51.100.1"
	outsideB = "192.0.2.1"
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// tape records a synthetic trace.
type tape struct {
	t      *testing.T
	at     time.Duration
	packet uint64
	events []vnet.Event
}

// hop is one event of a packet's way.
type hop struct {
	kind     vnet.EventKind
	box      string
	src, dst netip.AddrPort // after
	mapping  natmodels.MappingInfo
	reason   vnet.Reason
	detail   string
}

func sent(box string, src, dst netip.AddrPort) hop {
	return hop{kind: vnet.Sent, box: box, src: src, dst: dst}
}

func through(box string, src, dst netip.AddrPort, m natmodels.MappingInfo) hop {
	return hop{kind: vnet.Translated, box: box, src: src, dst: dst, mapping: m}
}

func delivered(box string) hop { return hop{kind: vnet.Delivered, box: box} }

func dropped(box string, reason vnet.Reason, detail string) hop {
	return hop{kind: vnet.Dropped, box: box, reason: reason, detail: string(reason) + ": " + detail}
}

// play records one packet, 10 ms from hop to hop, and moves the tape's clock by
// the step.
func (t *tape) play(step time.Duration, payload []byte, hops ...hop) {
	t.packet++
	at := t.at
	var src, dst netip.AddrPort
	for _, h := range hops {
		e := vnet.Event{
			Seq: uint64(len(t.events) + 1), At: at, Kind: h.kind, Packet: t.packet, Box: h.box, Proto: natmodels.UDP,
			Payload: payload, Reason: h.reason, Mapping: h.mapping, Detail: h.detail,
		}
		if h.kind == vnet.Sent || h.kind == vnet.Translated {
			e.FromSrc, e.FromDst = src, dst
			src, dst = h.src, h.dst
		}
		if h.kind == vnet.Sent {
			e.FromSrc, e.FromDst = netip.AddrPort{}, netip.AddrPort{}
		}
		e.Src, e.Dst = src, dst
		t.events = append(t.events, e)
		at += 10 * time.Millisecond
	}
	t.at += step
}

func mapped(id uint64, internal, external, remote string) natmodels.MappingInfo {
	m := natmodels.MappingInfo{ID: id, Protocol: natmodels.UDP, Internal: ap(internal), External: ap(external)}
	if remote != "" {
		m.Remote = ap(remote)
	}
	return m
}

func (t *tape) bindingRequest() []byte {
	m, err := stun.Build(stun.NewTransactionIDSetter([12]byte{1}), stun.BindingRequest)
	return t.raw(m, err)
}

func (t *tape) bindingSuccess(mapped netip.AddrPort) []byte {
	m, err := stun.Build(stun.NewTransactionIDSetter([12]byte{1}), stun.BindingSuccess,
		&stun.XORMappedAddress{IP: mapped.Addr().AsSlice(), Port: int(mapped.Port())})
	return t.raw(m, err)
}

func (t *tape) raw(m *stun.Message, err error) []byte {
	t.t.Helper()
	if err != nil {
		t.t.Fatal(err)
	}
	return m.Raw
}

func (t *tape) rtp(n uint16) []byte {
	t.t.Helper()
	b, err := (&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: n}, Payload: make([]byte, 160)}).Marshal()
	if err != nil {
		t.t.Fatal(err)
	}
	return b
}

func (t *tape) rtcp(packets ...rtcp.Packet) []byte {
	t.t.Helper()
	b, err := rtcp.Marshal(packets)
	if err != nil {
		t.t.Fatal(err)
	}
	return b
}

// sip writes a message. The identifiers are the same in every message: a ladder
// shows none of them.
func sip(first, method string, headers ...string) []byte {
	body := ""
	if n := len(headers); n > 0 && strings.HasPrefix(headers[n-1], "v=0") {
		body, headers = headers[n-1], headers[:n-1]
	}
	lines := append([]string{first}, headers...)
	lines = append(lines, "From: <sip:a@example.org>;tag=1", "To: <sip:b@example.org>", "Call-ID: 1",
		"CSeq: 1 "+method, fmt.Sprintf("Content-Length: %d", len(body)), "", body)
	return []byte(strings.Join(lines, "\r\n"))
}

func sdp(addr string, port int) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n", addr, addr, port)
}

func boxesOf(flow cell.Flow) []stage.Box {
	addr := func(s string) []netip.Addr { return []netip.Addr{netip.MustParseAddr(s)} }
	boxes := []stage.Box{
		{Name: "a", Role: stage.RoleHost, Addrs: addr("10.0.0.2")},
		{Name: "nat-a", Role: stage.RoleNAT, Addrs: addr(outsideA)},
		{Name: "internet", Role: stage.RoleInternet},
		{Name: "stun", Role: stage.RoleServer, Addrs: addr("203.0.113.20")},
		{Name: "proxy", Role: stage.RoleServer, Addrs: addr("203.0.113.10")},
	}
	if flow == flows.Call {
		boxes = append(boxes, stage.Box{Name: "nat-b", Role: stage.RoleNAT, Addrs: addr(outsideB)})
		return append(boxes, stage.Box{Name: "b", Role: stage.RoleHost, Addrs: addr("192.168.1.2")})
	}
	return append(boxes, stage.Box{Name: "b", Role: stage.RoleHost, Addrs: addr("192.0.2.2")})
}

// registerTape is a registration from behind a symmetric NAT with STUN and no
// rport, and the call that follows: both fail.
func registerTape(t *testing.T) []vnet.Event {
	x := &tape{t: t}
	a, pub := phoneA, ap(outsideA+":41234")
	towardsSTUN := mapped(1, a.String(), pub.String(), stunSrv.String())
	towardsProxy := mapped(2, a.String(), outsideA+":52871", proxy.String())
	ms := time.Millisecond
	x.play(40*ms, x.bindingRequest(), sent("a", a, stunSrv), through("nat-a", pub, stunSrv, towardsSTUN), delivered("stun"))
	x.play(40*ms, x.bindingSuccess(pub), sent("stun", stunSrv, pub), through("nat-a", stunSrv, a, towardsSTUN), delivered("a"))
	register := sip("REGISTER sip:example.org SIP/2.0", "REGISTER",
		"Via: SIP/2.0/UDP "+pub.String()+";branch=z9hG4bK1", "Contact: <sip:a@"+pub.String()+">")
	ok := sip("SIP/2.0 200 OK", "REGISTER", "Via: SIP/2.0/UDP "+pub.String()+";branch=z9hG4bK1;received="+outsideA,
		"Contact: <sip:a@"+pub.String()+">;expires=3600")
	why := "mapping 10.0.0.2:5060 <-> " + pub.String() + " for " + stunSrv.String() + " admits only " + stunSrv.String() +
		" (address-and-port-dependent filtering, RFC 4787 section 5)"
	for i := range 11 {
		x.play(20*ms, register, sent("a", a, proxy), through("nat-a", towardsProxy.External, proxy, towardsProxy), delivered("proxy"))
		x.play(min(500*ms<<i, 4*time.Second)-20*ms, ok, sent("proxy", proxy, pub), dropped("nat-a", "filtered", why))
	}
	b := ap("192.0.2.2:5060")
	invite := sip("INVITE sip:a@example.org SIP/2.0", "INVITE", "Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK2",
		"Contact: <sip:b@192.0.2.2:5060>", sdp("192.0.2.2", 40000))
	x.play(10*ms, invite, sent("b", b, proxy), delivered("proxy"))
	x.play(5*ms, sip("SIP/2.0 100 Trying", "INVITE"), sent("proxy", proxy, b), delivered("b"))
	forwarded := sip("INVITE sip:a@"+pub.String()+" SIP/2.0", "INVITE", "Via: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bK3",
		"Contact: <sip:b@192.0.2.2:5060>", sdp("192.0.2.2", 40000))
	for i := range 7 {
		x.play(500*ms<<i, forwarded, sent("proxy", proxy, pub), dropped("nat-a", "filtered", why))
	}
	x.play(10*ms, sip("SIP/2.0 408 Request Timeout", "INVITE"), sent("proxy", proxy, b), delivered("b"))
	x.play(10*ms, sip("ACK sip:a@example.org SIP/2.0", "ACK", "Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK2"), sent("b", b, proxy), delivered("proxy"))
	return x.events
}

// callTape is the middle of a call from a symmetric to a port-restricted NAT:
// the INVITE, media that nobody hears, and the BYE.
func callTape(t *testing.T) []vnet.Event {
	x := &tape{t: t, at: 200 * time.Millisecond}
	ms := time.Millisecond
	aSIP := mapped(2, phoneA.String(), outsideA+":52871", proxy.String())
	bSIP := mapped(1, phoneB.String(), outsideB+":5060", "")
	aSDP, bSDP := ap(outsideA+":33001"), ap(outsideB+":40000")
	invite := func(target string, via string) []byte {
		return sip("INVITE sip:b@"+target+" SIP/2.0", "INVITE", "Via: SIP/2.0/UDP "+via, "Contact: <sip:a@"+outsideA+":41234>", sdp(outsideA, 33001))
	}
	ringing := sip("SIP/2.0 180 Ringing", "INVITE", "Via: SIP/2.0/UDP 203.0.113.10:5060")
	answer := sip("SIP/2.0 200 OK", "INVITE", "Via: SIP/2.0/UDP 203.0.113.10:5060", "Contact: <sip:b@"+outsideB+":5060>", sdp(outsideB, 40000))
	fromA := func(payload []byte) {
		x.play(20*ms, payload, sent("a", phoneA, proxy), through("nat-a", aSIP.External, proxy, aSIP), delivered("proxy"))
	}
	toA := func(payload []byte) {
		x.play(20*ms, payload, sent("proxy", proxy, aSIP.External), through("nat-a", proxy, phoneA, aSIP), delivered("a"))
	}
	fromB := func(payload []byte) {
		x.play(20*ms, payload, sent("b", phoneB, proxy), through("nat-b", bSIP.External, proxy, bSIP), delivered("proxy"))
	}
	toB := func(payload []byte) {
		x.play(20*ms, payload, sent("proxy", proxy, bSIP.External), through("nat-b", proxy, phoneB, bSIP), delivered("b"))
	}
	fromA(invite("example.org", outsideA+":41234;rport;branch=z9hG4bK1"))
	toA(sip("SIP/2.0 100 Trying", "INVITE"))
	toB(invite(outsideB+":5060", "203.0.113.10:5060;branch=z9hG4bK2"))
	fromB(ringing)
	toA(ringing)
	x.at += 2 * time.Second
	fromB(answer)
	toA(answer)
	fromA(sip("ACK sip:b@"+outsideB+":5060;alias="+outsideB+"~5060~1 SIP/2.0", "ACK", "Via: SIP/2.0/UDP "+outsideA+":41234;rport"))
	toB(sip("ACK sip:b@"+outsideB+":5060 SIP/2.0", "ACK", "Via: SIP/2.0/UDP 203.0.113.10:5060"))

	aRTP := mapped(4, "10.0.0.2:40000", outsideA+":60770", bSDP.String())
	bRTP := mapped(3, "192.168.1.2:40000", bSDP.String(), "")
	whyB := "mapping 192.168.1.2:40000 <-> " + bSDP.String() + " admits only " + aSDP.String() + ", " + stunSrv.String() +
		" (address-and-port-dependent filtering, RFC 4787 section 5)"
	whyA := "mapping 10.0.0.2:40000 <-> " + aSDP.String() + " for " + stunSrv.String() + " admits only " + stunSrv.String() +
		" (address-and-port-dependent filtering, RFC 4787 section 5)"
	for i := range uint16(599) {
		x.play(0, x.rtp(i), sent("a", ap("10.0.0.2:40000"), bSDP), through("nat-a", aRTP.External, bSDP, aRTP), dropped("nat-b", "filtered", whyB))
		x.play(20*ms, x.rtp(i), sent("b", ap("192.168.1.2:40000"), aSDP), through("nat-b", bSDP, aSDP, bRTP), dropped("nat-a", "filtered", whyA))
		if i == 120 {
			x.play(0, x.rtcp(&rtcp.SenderReport{SSRC: 1}), sent("a", ap("10.0.0.2:40001"), ap(outsideB+":40001")),
				through("nat-a", ap(outsideA+":60771"), ap(outsideB+":40001"), mapped(5, "10.0.0.2:40001", outsideA+":60771", outsideB+":40001")),
				dropped("nat-b", "filtered", strings.ReplaceAll(whyB, "40000", "40001")))
		}
	}
	fromA(sip("BYE sip:b@"+outsideB+":5060 SIP/2.0", "BYE", "Via: SIP/2.0/UDP "+outsideA+":41234;rport"))
	toB(sip("BYE sip:b@"+outsideB+":5060 SIP/2.0", "BYE", "Via: SIP/2.0/UDP 203.0.113.10:5060"))
	fromB(sip("SIP/2.0 200 OK", "BYE"))
	toA(sip("SIP/2.0 200 OK", "BYE"))
	return x.events
}
