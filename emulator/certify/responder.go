package certify

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/scenarios/cell"
)

// responder is a registrar that answers as a probe wants it, and keeps nothing.
type responder struct {
	conn    net.PacketConn
	expires time.Duration // what it grants
	// foreign: the Via of its responses names another than who sent the request.
	foreign bool
	// challenges: it asks for credentials, and takes any.
	challenges bool
	done       chan struct{}
}

func (r *responder) start() {
	r.done = make(chan struct{})
	go func() {
		defer close(r.done)
		b := make([]byte, 65535)
		for {
			n, addr, err := r.conn.ReadFrom(b)
			if err != nil {
				return
			}
			u, ok := addr.(*net.UDPAddr)
			if !ok {
				continue
			}
			if m, err := sipmsg.Read(b[:n], sipmsg.Unmap(u.AddrPort()), false); err == nil {
				if req, ok := m.(*sipmsg.Request); ok {
					r.respond(req)
				}
			}
		}
	}()
}

func (r *responder) respond(req *sipmsg.Request) {
	code, reason := 200, "OK"
	var headers []sipmsg.Header
	if req.Method == "REGISTER" {
		_, authorized := req.Value("authorization")
		if r.challenges && !authorized {
			code, reason = 401, "Unauthorized"
			headers = append(headers, sipmsg.Header{Name: "WWW-Authenticate", Value: fmt.Sprintf(`Digest realm=%q, nonce="5eed", algorithm=MD5, qop="auth"`, cell.Domain)})
		} else if contact, ok := req.Value("contact"); ok {
			seconds := strconv.Itoa(int(r.expires / time.Second))
			headers = append(headers, sipmsg.Header{Name: "Contact", Value: contactURI(contact) + ";expires=" + seconds}, sipmsg.Header{Name: "Expires", Value: seconds})
		}
	}
	b := req.Respond(code, reason, "probe", nil, headers...)
	if r.foreign {
		b = foreignVia(b, req.Top.SentBy)
	}
	_, _ = r.conn.WriteTo(b, net.UDPAddrFromAddrPort(req.ReplyTo)) // a lost answer is seen on the wire
}

// contactURI is the first address of a Contact, without parameters.
func contactURI(v string) string {
	a, ok := sipmsg.ParseAddress(v)
	if !ok {
		return v
	}
	return "<" + a.URI.String() + ">"
}

// foreignHost is who a foreign Via names.
const foreignHost = "192.0.2.99:5099"

// foreignVia has the topmost Via name a stranger.
func foreignVia(b []byte, sentBy string) []byte {
	return []byte(strings.Replace(string(b), " "+sentBy, " "+foreignHost, 1))
}

func (r *responder) close() error {
	err := r.conn.Close()
	<-r.done
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// stray is a request that nobody has any business to send.
func stray(from netip.AddrPort, to string) []byte {
	return []byte("OPTIONS " + to + " SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP " + from.String() + ";branch=z9hG4bKstray;rport\r\n" +
		"Max-Forwards: 70\r\nFrom: <sip:stranger@" + from.Addr().String() + ">;tag=stray\r\nTo: <" + to + ">\r\n" +
		"Call-ID: stray\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
}
