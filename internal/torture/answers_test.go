package torture_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/goleak"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/torture"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/ua"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	serverAt = "203.0.113.5:5060"
	phoneAt  = "198.51.100.2:5060" // where sip:user@example.com is bound
	senderAt = "198.51.100.66:34567"
)

// A counted is what Stats say: how many datagrams, the sum of their outcomes, and two of them.
type counted struct{ datagrams, outcomes, malformed, unmatched uint64 }

// A role is an element that gets the messages.
type role struct {
	name     string
	required func(torture.Requirement) []string
	start    func(t *testing.T, n *memnet.Net) func() counted
}

func ofRegistrar(r torture.Requirement) []string { return r.Registrar }
func ofEndpoint(r torture.Requirement) []string  { return r.Endpoint }

var roles = []role{
	{"registrar", ofRegistrar, startRegistrar},
	{"gateway", ofEndpoint, startGateway},
	{"ua", ofEndpoint, startUA},
}

// serve runs a server until the test ends.
func serve(t *testing.T, s interface {
	Serve() error
	Close() error
}) {
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

func startRegistrar(t *testing.T, n *memnet.Net) func() counted {
	s, err := registrar.New(n.Listen(serverAt), registrar.Config{Domain: "example.com", Seed: 1, MTU: 9000})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	send(t, n.Listen(phoneAt), "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP "+phoneAt+";branch=z9hG4bKphone\r\n"+
		"From: <sip:user@example.com>;tag=1\r\nTo: <sip:user@example.com>\r\nCall-ID: phone\r\nCSeq: 1 REGISTER\r\n"+
		"Max-Forwards: 70\r\nContact: <sip:user@"+phoneAt+">\r\nContent-Length: 0\r\n\r\n")
	return func() counted {
		st := s.Stats()
		return counted{st.Datagrams, st.Keepalives + st.NotSIP + st.STUN + st.Oversize + st.Malformed + st.Requests + st.Absorbed +
			st.AcksForwarded + st.AcksUnmatched + st.Responses + st.ResponsesUnmatched, st.Malformed, st.ResponsesUnmatched}
	}
}

func ofAgent(st ua.Stats) counted {
	return counted{st.Datagrams, st.Pings + st.STUN + st.Oversize + st.Malformed + st.BadRequests + st.Served + st.Retransmits +
		st.ACKs + st.StrayACKs + st.Answers + st.Unmatched + st.ForeignVia, st.Malformed, st.Unmatched + st.ForeignVia}
}

// The gateway takes every user part for a number: who is called is not what is tested.
func startGateway(t *testing.T, n *memnet.Net) func() counted {
	s, err := gateway.New(n.Listen(serverAt), gateway.Config{
		Numbers: func(string) bool { return true }, Seed: 1,
		Listen: func(at netip.AddrPort) (net.PacketConn, error) { return n.Listen(at.String()), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	return func() counted { return ofAgent(s.Stats()) }
}

func startUA(t *testing.T, n *memnet.Net) func() counted {
	c, err := ua.New(ua.Config{
		Listen: func(_ context.Context, at netip.AddrPort) (net.PacketConn, error) {
			return n.Listen(at.String()), nil
		},
		LocalAddr: netip.MustParseAddrPort(serverAt).Addr(), Seed: 1,
		OnEvent: func(e ua.Event) {
			if s, ok := e.(ua.SessionEvent); ok && s.State == ua.Incoming {
				go func() { _ = s.Session.Answer(context.Background()) }()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return func() counted { return ofAgent(c.Stats()) }
}

// send sends from a socket to the role, and lets a second pass.
func send(t *testing.T, from *memnet.Conn, text string) {
	t.Helper()
	if _, err := from.WriteTo([]byte(text), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(serverAt))); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	synctest.Wait()
}

// torment sends a message to a role and says what it got. Whatever that is, what is sent must be
// sound, responses go to where the message came from, the datagram has one outcome, and the role
// goes on.
func torment(t *testing.T, who role, message []byte) (a torture.Answer) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		stats := who.start(t, n)
		before, sent := stats(), len(n.From(serverAt))
		sender := n.Listen(senderAt)
		send(t, sender, string(message))
		a = answer(t, n.From(serverAt)[sent:])
		now := stats()
		if now.datagrams != before.datagrams+1 || now.outcomes != now.datagrams {
			t.Errorf("%s: one datagram more than %+v is %+v", who.name, before, now)
		}
		switch {
		case a.Code != 0 || a.Forwarded:
		case now.malformed > before.malformed:
			a.Dropped = "malformed"
		case now.unmatched > before.unmatched:
			a.Dropped = "unmatched"
		}
		sent = len(n.From(serverAt))
		send(t, sender, "OPTIONS sip:"+serverAt+" SIP/2.0\r\nVia: SIP/2.0/UDP "+senderAt+";branch=z9hG4bKafter\r\nMax-Forwards: 70\r\n"+
			"From: <sip:s@example.net>;tag=1\r\nTo: <sip:"+serverAt+">\r\nCall-ID: after\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
		for _, p := range n.From(serverAt)[sent:] {
			if bytes.HasPrefix(p.B, []byte("SIP/2.0 200 OK\r\n")) && bytes.Contains(p.B, []byte("Call-ID: after\r\n")) {
				return
			}
		}
		t.Errorf("%s does not answer any more", who.name)
	})
	return a
}

// answer reads what was sent on account of a message: the first final response, or a request.
func answer(t *testing.T, sent []memnet.Sent) (a torture.Answer) {
	for _, p := range sent {
		switch m, err := sipmsg.Read(p.B, p.Src, false); m := m.(type) {
		case *sipmsg.Request:
			if m.Fault != nil {
				t.Errorf("sends a request that is not sound: %v\n%s", m.Fault, p.B)
			}
			a.Forwarded = a.Forwarded || p.Dst.String() == phoneAt
		case *sipmsg.Response:
			if p.Dst.Addr() != netip.MustParseAddrPort(senderAt).Addr() {
				t.Errorf("a response to %v", p.Dst)
			}
			if m.StatusCode >= 200 && a.Code == 0 {
				a.Code, a.Reason, a.Response = m.StatusCode, m.Reason, string(p.B)
			}
		default: // it repeats fields that make no sense (RFC 3261 §8.2.6.2)
			line, _, _ := strings.Cut(string(p.B), "\r\n")
			if _, e := fmt.Sscanf(line, "SIP/2.0 %d", &a.Code); e != nil || a.Code < 400 {
				t.Errorf("sends what is not SIP: %v\n%s", err, p.B)
				continue
			}
			a.Reason, a.Response = line[len("SIP/2.0 400 "):], string(p.B)
		}
	}
	return a
}

var rewrite = flag.Bool("rewrite", false, "write docs/torture.md anew")

// Each role answers each message as RFC 4475 asks, but for what is listed; and docs/torture.md
// says so.
func TestAnswers(t *testing.T) {
	known := map[string]torture.Deviation{}
	for _, d := range torture.Deviations() {
		known[d.Message+" "+d.Role] = d
	}
	messages := torture.Messages()
	if len(messages) != 49 || len(torture.Requirements()) != 49 {
		t.Fatalf("%d messages, %d requirements", len(messages), len(torture.Requirements()))
	}
	data := map[string][]byte{}
	for _, m := range messages {
		data[m.Name] = m.Data
	}
	var rows []row
	for _, r := range torture.Requirements() {
		message := data[r.Name]
		if message == nil || r.RFC3261 == "" || r.Says == "" || len(r.Registrar) == 0 || len(r.Endpoint) == 0 {
			t.Fatalf("%+v is not whole", r)
		}
		x := row{Requirement: r, sipgo: readsAlone(message)}
		t.Run(r.Name, func(t *testing.T) {
			for _, who := range roles {
				a := torment(t, who, message)
				met, required := a.Meets(who.required(r)), strings.Join(who.required(r), " or ")
				d, listed := known[r.Name+" "+who.name]
				switch {
				case met && listed:
					t.Errorf("%s answers as required: %s; take it from deviations.txt", who.name, a)
				case !met && !listed:
					t.Errorf("%s: %s, required is %s\n%s", who.name, a, required, a.Response)
				}
				delete(known, r.Name+" "+who.name)
				x.answers, x.deviations = append(x.answers, a.String()), append(x.deviations, d)
			}
		})
		rows = append(rows, x)
	}
	for _, d := range known {
		t.Errorf("deviations.txt: no %s, or no %s", d.Message, d.Role)
	}
	file := filepath.Join("..", "..", "docs", "torture.md")
	want := page(rows)
	if *rewrite {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(file); err != nil || !bytes.Equal(have, want) {
		t.Errorf("%s is not up to date (%v): make docs", file, err)
	}
}

// readsAlone says whether sipgo's parser understands a message without package sipmsg.
func readsAlone(message []byte) bool {
	_, err := sip.ParseMessage(message)
	return err == nil
}
