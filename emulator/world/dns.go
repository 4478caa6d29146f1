package world

import (
	"errors"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/vnet"
)

const (
	dnsPort = 53
	dnsTTL  = 60
)

// names is a DNS server that has authority over everything: what it does not know is not there.
type names struct{ conn net.PacketConn }

func (w *World) serveDNS(h *vnet.Host) error {
	conn, err := h.Listen(netip.AddrPortFrom(h.Addr(), dnsPort))
	if err != nil {
		return err
	}
	w.start(&names{conn})
	return nil
}

// Serve answers queries over UDP.
func (n *names) Serve() error {
	buf := make([]byte, 4096)
	for {
		k, from, err := n.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if answer := Answer(buf[:k]); answer != nil {
			_, _ = n.conn.WriteTo(answer, from)
		}
	}
}

func (n *names) Close() error { return n.conn.Close() }

// Answer is the answer to a DNS query (RFC 1035), or nil where there is none: addresses of Hosts, and for the domain
// where its SIP server is (SRV, RFC 3263 section 4.1; there is no NAPTR record, so clients go by SRV).
func Answer(query []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil || h.Response {
		return nil
	}
	reply := dnsmessage.Header{ID: h.ID, Response: true, OpCode: h.OpCode, RecursionDesired: h.RecursionDesired, Authoritative: true}
	q, err := p.Question()
	if err != nil {
		reply.RCode = dnsmessage.RCodeFormatError
		return pack(reply, nil, nil)
	}
	if h.OpCode != 0 {
		reply.RCode = dnsmessage.RCodeNotImplemented
		return pack(reply, &q, nil)
	}
	records, known := lookUp(q)
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
	}
	return pack(reply, &q, records)
}

// lookUp are the records that answer a question, and whether there is anything by that name.
func lookUp(q dnsmessage.Question) (records []dnsmessage.Resource, known bool) {
	if q.Class != dnsmessage.ClassINET {
		return nil, false
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: dnsTTL}
	if name == "_sip._udp."+cell.Domain {
		if q.Type == dnsmessage.TypeSRV {
			records = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.SRVResource{
				Priority: 10, Weight: 10, Port: cell.ProxyPort, Target: dnsmessage.MustNewName("registrar." + cell.Domain + "."),
			}}}
		}
		return records, true
	}
	a, known := Hosts()[name]
	if known && q.Type == dnsmessage.TypeA {
		records = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: a.As4()}}}
	}
	return records, known
}

func pack(h dnsmessage.Header, q *dnsmessage.Question, records []dnsmessage.Resource) []byte {
	m := dnsmessage.Message{Header: h, Answers: records}
	if q != nil {
		m.Questions = []dnsmessage.Question{*q}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}
