package discover

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/natproof/natproof/internal/sipprobe"
)

// DefaultSIPWait is how long silence lasts before it is an answer.
const DefaultSIPWait = 4 * time.Second

// sipPort is the registered port of SIP (RFC 3261 §19.1.2), and the only one that many ALGs look at.
const sipPort = 5060

// SIPConfig says whom to ask whether there is a SIP ALG on the way. Server, Local and Listen are
// needed.
type SIPConfig struct {
	// Server is where 'natproof serve' speaks SIP, or whatever has a servers/sipprobe beside it.
	Server netip.AddrPort
	// Local is the address to bind: a concrete one, since it is written into messages.
	Local  netip.Addr
	Listen func(local netip.AddrPort) (net.PacketConn, error)
	// Wait is how long silence lasts before it is an answer; 0 is DefaultSIPWait.
	Wait time.Duration
	// ID tells the questions of this run from others, 8 letters or digits; empty is a random one.
	ID string
}

// A SIPReport says what became of SIP on the way.
type SIPReport struct {
	Server netip.AddrPort `json:"server"`
	Other  netip.AddrPort `json:"other"`  // the server's other port, if it has one
	Local  netip.AddrPort `json:"local"`  // the socket that asked
	Mapped netip.AddrPort `json:"mapped"` // the same, seen from Server
	// Reachable says whether SIP got there and back at all, NAT whether Mapped is not Local.
	Reachable Answer `json:"reachable"`
	NAT       Answer `json:"nat"`
	// ALG says whether anything changed a message on the way.
	ALG Answer `json:"alg"`
	// Kind is which variant of package sipalg does as this one; empty if none does, or there is
	// no ALG.
	Kind string `json:"kind"`

	Probes []SIPProbe `json:"probes"` // every request, in order
	Notes  []string   `json:"notes"`
}

// A SIPProbe is a request that was written to be compared.
type SIPProbe struct {
	Method  string         `json:"method"`
	To      netip.AddrPort `json:"to"`
	Written netip.AddrPort `json:"written"` // the address in its Via, Contact and session description
	Status  int            `json:"status"`  // of the answer; 0 without one
	Failure string         `json:"failure"` // why nothing can be compared; empty if it can
	Sent    string         `json:"sent"`
	Arrived string         `json:"arrived"`
	// Out is what was changed on the way there, Back on the way back. They are empty if and only
	// if every byte arrived as it was sent.
	Out  []SIPChange `json:"out"`
	Back []SIPChange `json:"back"`
	// WrongLength says that it arrived with a Content-Length that is not that of its body.
	WrongLength bool `json:"wrongLength"`
}

// A SIPChange is a line that is not as it was sent.
type SIPChange struct {
	Line    string `json:"line"`    // such as "Via", "c=", "a=rtcp" or "first line"
	Sent    string `json:"sent"`    // empty if it was added
	Arrived string `json:"arrived"` // empty if it was taken out
}

// SIP looks for a SIP ALG on the way to a server: it writes requests as a phone does that knows
// nothing of NATs, and as one that has asked for its public address, and compares byte by byte
// what arrived, there and here. The error is the context's, a socket's, or that the configuration
// makes no sense; what the network does is in the report.
func SIP(ctx context.Context, cfg SIPConfig) (SIPReport, error) {
	r := SIPReport{Server: cfg.Server}
	if err := cfg.check(); err != nil {
		return r, fmt.Errorf("discover: config: %w", err)
	}
	conn, err := cfg.Listen(netip.AddrPortFrom(cfg.Local, 0))
	if err != nil {
		return r, fmt.Errorf("discover: sip: %w: %w", ErrBind, err)
	}
	defer conn.Close()
	if r.Local, err = netip.ParseAddrPort(conn.LocalAddr().String()); err != nil {
		return r, fmt.Errorf("discover: sip: %w: %w", ErrBind, err)
	}
	s := &sipSession{cfg: cfg, conn: conn, report: &r}
	err = s.run(ctx)
	r.judge()
	if err != nil {
		return r, fmt.Errorf("discover: sip: %w", err)
	}
	return r, nil
}

func (c *SIPConfig) check() error {
	c.Wait = cmp.Or(c.Wait, DefaultSIPWait)
	c.ID = cmp.Or(c.ID, strings.ToLower(rand.Text()[:8]))
	switch {
	case c.Listen == nil:
		return errors.New("Listen is needed")
	case !addressesHost(c.Server):
		return fmt.Errorf("server %v: want the address of one host", c.Server)
	case !c.Local.IsValid() || c.Local.IsUnspecified():
		return fmt.Errorf("local address %v: want a concrete one", c.Local)
	case c.Local.Is4() != c.Server.Addr().Is4():
		return fmt.Errorf("%v and %v are of different families", c.Local, c.Server)
	case c.Wait < time.Millisecond:
		return fmt.Errorf("wait of %v", c.Wait)
	case strings.Trim(c.ID, "abcdefghijklmnopqrstuvwxyz0123456789") != "" || len(c.ID) > 16:
		return fmt.Errorf("id %q", c.ID)
	}
	return nil
}

// A sipSession is one search.
type sipSession struct {
	cfg    SIPConfig
	conn   net.PacketConn
	report *SIPReport
	number int
}

func (s *sipSession) run(ctx context.Context) error {
	r := s.report
	for _, method := range []string{"OPTIONS", "REGISTER", "INVITE"} {
		if err := s.probe(ctx, method, s.cfg.Server, r.Local); err != nil {
			return err
		}
	}
	if r.Mapped.IsValid() && r.Mapped != r.Local { // as a phone does that has asked a STUN server
		if err := s.probe(ctx, "INVITE", s.cfg.Server, r.Mapped); err != nil {
			return err
		}
	}
	if addressesHost(r.Other) && r.Other.Addr().Is4() == s.cfg.Local.Is4() {
		return s.probe(ctx, "INVITE", r.Other, r.Local)
	}
	return nil
}

// mediaPort is what is written into session descriptions; nothing listens there.
const mediaPort = 40000

// probe sends one request, with the timing of an unreliable transport, and compares.
func (s *sipSession) probe(ctx context.Context, method string, to, written netip.AddrPort) error {
	s.number++
	q := sipprobe.Question{Method: method, Server: to, Written: written, Media: mediaPort, ID: s.cfg.ID, Number: s.number}
	sent := q.Bytes()
	p := SIPProbe{Method: method, To: to, Written: written, Sent: string(sent), Out: []SIPChange{}, Back: []SIPChange{}}
	b, err := s.exchange(ctx, sent, to)
	switch {
	case err != nil:
		return err
	case b == nil:
		p.Failure = "no answer"
	default:
		s.compare(&p, sent, b)
		if q.Method = "ACK"; method == "INVITE" {
			_, err = s.conn.WriteTo(q.Bytes(), net.UDPAddrFromAddrPort(to)) // RFC 3261 §17.1.1.3
		}
	}
	s.report.Probes = append(s.report.Probes, p)
	return err
}

func (s *sipSession) compare(p *SIPProbe, sent, b []byte) {
	r, err := sipprobe.Read(b)
	p.Status = r.Status
	switch {
	case err != nil && bytes.Contains(b, []byte("a=x-natproof")):
		p.Failure = "the body of the answer was changed beyond reading"
	case err != nil:
		p.Failure = fmt.Sprintf("answered %d, not as 'natproof serve' does", r.Status)
	default:
		p.Arrived = string(r.Question)
		p.Out, p.Back = changes(sent, r.Question), changes(r.Sent, b)
		p.WrongLength = sipprobe.WrongLength(r.Question)
		if p.To == s.cfg.Server {
			s.report.Mapped = r.Source
			s.report.Other = cmp.Or(r.Other, s.report.Other)
		}
	}
}

func changes(sent, arrived []byte) []SIPChange {
	list := []SIPChange{}
	for _, c := range sipprobe.Compare(sent, arrived) {
		list = append(list, SIPChange(c))
	}
	return list
}

// exchange sends a request until there is an answer, at 0, 500, 1500 and 3500 ms (RFC 3261
// §17.1.2.2), and returns nil without one.
func (s *sipSession) exchange(ctx context.Context, sent []byte, to netip.AddrPort) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	start, pause := time.Now(), 500*time.Millisecond
	next := start
	buf := make([]byte, 65536)
	for {
		if now := time.Now(); !now.Before(next) {
			if now.Sub(start) >= s.cfg.Wait {
				return nil, nil
			}
			if _, err := s.conn.WriteTo(sent, net.UDPAddrFromAddrPort(to)); err != nil {
				return nil, err
			}
			next = next.Add(pause)
			pause *= 2
			if end := start.Add(s.cfg.Wait); next.After(end) {
				next = end
			}
		}
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if err := s.conn.SetReadDeadline(next); err != nil {
			return nil, err
		}
		if err := context.Cause(ctx); err != nil { // it may have ended before the deadline was set
			return nil, err
		}
		n, _, err := s.conn.ReadFrom(buf)
		switch {
		case err == nil && s.answers(buf[:n]):
			return bytes.Clone(buf[:n]), nil
		case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		case isRefused(err): // ICMP: as silence, which may have another end
			if err := sleep(ctx, min(50*time.Millisecond, max(time.Until(next), 0))); err != nil {
				return nil, err
			}
		default:
			return nil, err
		}
	}
}

// answers says whether a datagram answers the present question, however it was changed.
func (s *sipSession) answers(b []byte) bool {
	return bytes.HasPrefix(b, []byte("SIP/2.0 ")) && !bytes.HasPrefix(b, []byte("SIP/2.0 1")) &&
		bytes.Contains(b, []byte(sipprobe.Mark+s.cfg.ID)) && bytes.Contains(b, fmt.Appendf(nil, "z9hG4bK%s%d", s.cfg.ID, s.number))
}
