package sipprobe

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
)

// Mark is in the Call-ID of each question; its number changes with what is said.
const Mark = "natproof-probe-1-"

// Size is that of a question in bytes: what may be sent over UDP (RFC 3261 §18.1.1).
const Size = 1300

// A Question is one request. It asks for nothing but how it arrived.
type Question struct {
	Method  string // OPTIONS, REGISTER or INVITE; ACK is that of the last
	Server  netip.AddrPort
	Written netip.AddrPort // in Via, Contact and the session description
	Media   uint16         // port in the session description
	ID      string         // letters and digits
	Number  int            // of CSeq
}

// Is says whether a datagram is a question, however it was changed.
func Is(b []byte) bool {
	return bytes.Contains(b, []byte(Mark)) && !bytes.HasPrefix(b, []byte("SIP/2.0 "))
}

// Bytes is the request as it leaves.
func (q Question) Bytes() []byte {
	host := hostOf(q.Written.Addr())
	uri := "sip:" + q.Server.String()
	to := "<sip:natproof@" + q.Server.String() + ">"
	if q.Method != "REGISTER" {
		uri = "sip:natproof@" + q.Server.String()
	}
	var h strings.Builder
	fmt.Fprintf(&h, "%s %s SIP/2.0\r\n", q.Method, uri)
	fmt.Fprintf(&h, "Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%d;rport\r\n", q.Written, q.ID, q.Number)
	h.WriteString("Max-Forwards: 70\r\n")
	fmt.Fprintf(&h, "From: <sip:natproof@%s>;tag=%s\r\n", host, q.ID)
	fmt.Fprintf(&h, "To: %s\r\n", to)
	fmt.Fprintf(&h, "Call-ID: %s%s\r\n", Mark, q.ID)
	fmt.Fprintf(&h, "CSeq: %d %s\r\n", q.Number, q.Method)
	if q.Method == "ACK" {
		h.WriteString("Content-Length: 0\r\n\r\n")
		return []byte(h.String())
	}
	fmt.Fprintf(&h, "Contact: <sip:natproof@%s>\r\n", q.Written)
	if q.Method == "REGISTER" {
		h.WriteString("Expires: 60\r\n")
	}
	h.WriteString("Content-Type: application/sdp\r\n")
	body := describe(q.Written.Addr(), q.Media) + fmt.Sprintf("a=rtcp:%d IN %s %s\r\na=sendrecv\r\n", q.Media+1, family(q.Written.Addr()), q.Written.Addr())
	const length, fill = "Content-Length: 100\r\n\r\n", "a=x-natproof-fill:"
	filling := max(Size-h.Len()-len(length)-len(body)-len(fill)-2, 0)
	body += fill + strings.Repeat("0", filling) + "\r\n"
	fmt.Fprintf(&h, "Content-Length: %d\r\n\r\n", len(body))
	return []byte(h.String() + body)
}

// describe is a session description of one stream of audio (RFC 4566).
func describe(a netip.Addr, port uint16) string {
	f := family(a)
	return fmt.Sprintf("v=0\r\no=- 1 1 IN %s %s\r\ns=natproof\r\nc=IN %s %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n", f, a, f, a, port)
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IP4"
	}
	return "IP6"
}

// hostOf is an address as a URI has it.
func hostOf(a netip.Addr) string {
	if a.Is4() {
		return a.String()
	}
	return "[" + a.String() + "]"
}
