package registrar

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
	"go.uber.org/goleak"

	"github.com/natproof/natproof/internal/sipmsg"
)

func TestMain(m *testing.M) {
	sip.SetDefaultLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	goleak.VerifyTestMain(m)
}

// A sipgoAgent is a user agent on sipgo's own stack: transports, transactions, dialogs.
type sipgoAgent struct {
	t      *testing.T
	ua     *sipgo.UserAgent
	srv    *sipgo.Server
	client *sipgo.Client
	conn   net.PacketConn
	addr   netip.AddrPort
	done   chan struct{}
}

func newSipgoAgent(t *testing.T, conn net.PacketConn, name string) *sipgoAgent {
	t.Helper()
	a := &sipgoAgent{t: t, conn: conn, addr: sipmsg.AddrPort(conn.LocalAddr()), done: make(chan struct{})}
	var err error
	if a.ua, err = sipgo.NewUA(sipgo.WithUserAgent(name), sipgo.WithUserAgentHostname("example.com")); err != nil {
		t.Fatal(err)
	}
	if a.srv, err = sipgo.NewServer(a.ua); err != nil {
		t.Fatal(err)
	}
	a.client, err = sipgo.NewClient(a.ua, sipgo.WithClientConnectionAddr(a.addr.String()), sipgo.WithClientNAT())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// serve starts reading; handlers are set before.
func (a *sipgoAgent) serve() {
	go func() {
		defer close(a.done)
		_ = a.srv.ServeUDP(a.conn) // ends when the connection is closed
	}()
	for a.ua.TransportLayer().Pool("udp").Size() == 0 { // not before can it send
		time.Sleep(time.Millisecond)
	}
}

func (a *sipgoAgent) close() {
	_ = a.ua.Close()
	_ = a.conn.Close()
	<-a.done
}

func (a *sipgoAgent) contact(user string) sip.ContactHeader {
	return sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: user, Host: a.addr.Addr().String(), Port: int(a.addr.Port())}}
}

func (a *sipgoAgent) register(ctx context.Context, proxy sip.Uri, user, password string) {
	a.t.Helper()
	req := sip.NewRequest(sip.REGISTER, proxy)
	c := a.contact(user)
	req.AppendHeader(&c)
	to := proxy
	to.User = user
	req.AppendHeader(&sip.ToHeader{Address: to})
	res, err := a.client.Do(ctx, req)
	if err == nil && res.StatusCode == 401 {
		res, err = a.client.DoDigestAuth(ctx, req, res, sipgo.DigestAuth{Username: user, Password: password})
	}
	if err != nil || res.StatusCode != 200 || len(res.GetHeaders("Contact")) != 1 {
		a.t.Fatalf("REGISTER: %v %v", err, res)
	}
}

// interop registers two sipgo agents, calls from one to the other and hangs up.
func interop(t *testing.T, listen func(addr string) net.PacketConn) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	srv, err := New(listen("203.0.113.5:5060"), Config{Users: users, AuthInvite: true, Policy: PolicyReceived})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	defer func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	proxy := sip.Uri{Scheme: "sip", Host: srv.Addr().Addr().String(), Port: int(srv.Addr().Port())}

	alice, bob := newSipgoAgent(t, listen("198.51.100.1:5060"), "alice"), newSipgoAgent(t, listen("198.51.100.2:5060"), "bob")
	defer alice.close()
	defer bob.close()
	answers := sipgo.NewDialogServerCache(bob.client, bob.contact("bob"))
	heard := make(chan string, 10)
	bob.srv.OnInvite(func(req *sip.Request, tx sip.ServerTransaction) {
		d, err := answers.ReadInvite(req, tx)
		if err != nil {
			t.Error(err)
			return
		}
		for _, r := range []struct {
			code   int
			reason string
		}{{180, "Ringing"}, {200, "OK"}} {
			if err := d.Respond(r.code, r.reason, nil); err != nil {
				t.Error(err)
			}
		}
		heard <- "ACK" // Respond returns once its 200 is acknowledged
	})
	bob.srv.OnAck(func(req *sip.Request, tx sip.ServerTransaction) {
		if err := answers.ReadAck(req, tx); err != nil {
			t.Error(err)
		}
	})
	bob.srv.OnBye(func(req *sip.Request, tx sip.ServerTransaction) {
		heard <- "BYE"
		if err := answers.ReadBye(req, tx); err != nil {
			t.Error(err)
		}
	})
	alice.serve()
	bob.serve()
	alice.register(ctx, proxy, "alice", "a-secret")
	bob.register(ctx, proxy, "bob", "b-secret")

	calls := sipgo.NewDialogClientCache(alice.client, alice.contact("alice"))
	to := proxy
	to.User = "bob"
	call, err := calls.Invite(ctx, to, nil, &sip.FromHeader{Address: sip.Uri{Scheme: "sip", User: "alice", Host: proxy.Host, Port: proxy.Port},
		Params: sip.HeaderParams{{K: "tag", V: "from-alice"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	if err := call.WaitAnswer(ctx, sipgo.AnswerOptions{Username: "alice", Password: "a-secret"}); err != nil {
		t.Fatal(err)
	}
	if err := call.Ack(ctx); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != "ACK" {
		t.Error(got)
	}
	if err := call.Bye(ctx); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != "BYE" {
		t.Error(got)
	}
	st := srv.Stats()
	if st.Registrations != 2 || st.Rejected[401] != 2 || st.Rejected[407] != 1 || st.RequestsForwarded != 2 || st.AcksForwarded != 1 {
		t.Errorf("%+v", st)
	}
}

func TestSipgoInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		interop(t, func(addr string) net.PacketConn { return h.listen(addr) })
	})
}

func TestSipgoOverLoopback(t *testing.T) {
	interop(t, func(string) net.PacketConn {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Skip("no loopback:", err)
		}
		return c
	})
}
