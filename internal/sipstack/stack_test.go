package sipstack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/torture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	here  = netip.MustParseAddrPort("192.0.2.1:5060")
	there = netip.MustParseAddrPort("192.0.2.9:5060")
)

// wire is a socket that remembers what is sent, and when.
type wire struct {
	start  time.Time
	in     chan []byte
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	sent []string // "seconds first-line"
	last []byte
	err  error
}

func newWire() *wire {
	return &wire{start: time.Now(), in: make(chan []byte, 64), closed: make(chan struct{})}
}

func (w *wire) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-w.in:
		return copy(b, p), net.UDPAddrFromAddrPort(there), nil
	case <-w.closed:
		return 0, nil, net.ErrClosed
	}
}

func (w *wire) WriteTo(b []byte, _ net.Addr) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	line, _, _ := strings.Cut(string(b), "\r\n")
	line = strings.TrimSuffix(strings.TrimPrefix(line, "SIP/2.0 "), " sip:b@192.0.2.9 SIP/2.0")
	w.sent = append(w.sent, fmt.Sprintf("%g %s", time.Since(w.start).Seconds(), line))
	w.last = b
	return len(b), nil
}

func (w *wire) take() string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	s := strings.Join(w.sent, ", ")
	w.sent = nil
	return s
}

func (w *wire) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *wire) Close() error                     { w.once.Do(func() { close(w.closed) }); return nil }
func (w *wire) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(here) }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// lab is a stack on a wire. It is the stack's user, and the client of its transactions.
type lab struct {
	*testing.T
	*Stack
	w      *wire
	k      *Socket
	mu     sync.Mutex
	told   []string
	server *ServerTx
	req    *sipmsg.Request
	answer func(tx *ServerTx, req *sipmsg.Request)
}

func inLab(t *testing.T, f func(l *lab), change ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lab{T: t, w: newWire()}
		cfg := Config{User: l, Tag: func(r *sipmsg.Request) string { return r.Tag(1) }}
		for _, c := range change {
			c(&cfg)
		}
		l.Stack = New(cfg)
		var err error
		if l.k, err = l.Open(l.w); err != nil {
			t.Fatal(err)
		}
		go l.Serve(l.k)
		f(l)
		if st := l.Stats(); st.Datagrams != st.Total() {
			t.Errorf("not one outcome each: %+v", st)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if s := l.hear(); s != "" {
			t.Errorf("not looked at: %s", s)
		}
	})
}

func (l *lab) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, fmt.Sprintf(format, args...))
}

// hear is what the user was told since the last time.
func (l *lab) hear() string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := strings.Join(l.told, ", ")
	l.told = nil
	return s
}

func (l *lab) want(sent, told string) {
	l.Helper()
	if got := l.w.take(); got != sent {
		l.Errorf("sent\n got %s\nwant %s", got, sent)
	}
	if got := l.hear(); got != told {
		l.Errorf("told\n got %s\nwant %s", got, told)
	}
}

func (l *lab) Request(tx *ServerTx, req *sipmsg.Request) {
	l.note("%s", req.Method)
	l.server, l.req = tx, req
	if l.answer != nil {
		l.answer(tx, req)
	}
}
func (l *lab) Ack(*sipmsg.Request)             { l.note("ack") }
func (l *lab) Refused(req *sipmsg.Request)     { l.note("refused %d", req.Fault.Code) }
func (l *lab) Malformed(netip.AddrPort, error) { l.note("malformed") }
func (l *lab) Unsent(_ []byte, to netip.AddrPort, err error) {
	l.note("unsent: %v", err)
}
func (l *lab) Foreign(res *sipmsg.Response, sent sipmsg.Via) {
	l.note("foreign %d: %s, not %s", res.StatusCode, res.Top.HostPort(), sent.HostPort())
}

// stray and answered tell the two kinds of response apart, which have one name.
type answered struct{ *lab }

func (l *lab) Response(res *sipmsg.Response)     { l.note("stray %d", res.StatusCode) }
func (a answered) Response(res *sipmsg.Response) { a.note("%d", res.StatusCode) }
func (a answered) Failed(err error)              { a.note("failed: %v", err) }
func (a answered) Canceled()                     { a.note("canceled") }

func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

// ask begins a client transaction.
func (l *lab) ask(method string) (*ClientTx, error) {
	via := "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK" + method
	s := &sipmsg.Sent{Method: method, URI: "sip:b@192.0.2.9", Via: via, From: "<sip:a@b>;tag=f", To: "<sip:b@c>", CallID: "c", CSeq: 1}
	s.Wire = crlf(fmt.Sprintf("%s sip:b@192.0.2.9 SIP/2.0\nVia: %s\nFrom: %s\nTo: %s\nCall-ID: c\nCSeq: 1 %s\n\n", method, via, s.From, s.To, method))
	return l.Stack.Request(l.k, there, s, answered{l})
}

// reply is a response to ask's request, or to its CANCEL.
func (l *lab) reply(code int, method string) {
	branch := strings.Replace(method, "CANCEL", "INVITE", 1)
	l.w.in <- crlf(fmt.Sprintf("SIP/2.0 %d X\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK%s\nFrom: <sip:a@b>;tag=f\nTo: <sip:b@c>;tag=t\nCall-ID: c\nCSeq: 1 %s\n\n", code, branch, method))
	synctest.Wait()
}

// receive is a request that arrives.
func (l *lab) receive(method, branch string) {
	cseq := method
	l.w.in <- crlf(fmt.Sprintf("%s sip:a@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=%s\nFrom: <sip:b@c>;tag=t\nTo: <sip:a@b>\nCall-ID: d\nCSeq: 1 %s\n\n", method, branch, cseq))
	synctest.Wait()
}

func (l *lab) respond(code int) error {
	return l.server.Respond(code, l.req.Respond(code, "X", l.server.Tag, nil))
}

func sleep(seconds float64) { time.Sleep(time.Duration(seconds * float64(time.Second))) }

func TestClientTimesOut(t *testing.T) {
	for method, want := range map[string]string{ // RFC 3261 §17.1.1.2, §17.1.2.2
		"INVITE":  "0 INVITE, 0.5 INVITE, 1.5 INVITE, 3.5 INVITE, 7.5 INVITE, 15.5 INVITE, 31.5 INVITE",
		"OPTIONS": "0 OPTIONS, 0.5 OPTIONS, 1.5 OPTIONS, 3.5 OPTIONS, 7.5 OPTIONS, 11.5 OPTIONS, 15.5 OPTIONS, 19.5 OPTIONS, 23.5 OPTIONS, 27.5 OPTIONS, 31.5 OPTIONS",
	} {
		inLab(t, func(l *lab) {
			l.ask(method)
			sleep(31.9)
			l.want(want, "")
			sleep(60)
			l.want("", "failed: sipstack: no response")
			l.reply(200, method)
			l.want("", "stray 200")
		})
	}
}

func TestClientNonInvite(t *testing.T) {
	inLab(t, func(l *lab) {
		l.ask("OPTIONS")
		sleep(0.1)
		l.reply(100, "OPTIONS")
		sleep(9)
		l.want("0 OPTIONS, 0.5 OPTIONS, 4.5 OPTIONS, 8.5 OPTIONS", "100")
		l.reply(200, "OPTIONS")
		l.reply(200, "OPTIONS") // Timer K
		l.want("", "200")
		sleep(6)
		l.reply(200, "OPTIONS")
		l.want("", "stray 200")
		if st := l.Stats(); st.Transactions != 0 || st.Repeats != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestClientInvite(t *testing.T) {
	inLab(t, func(l *lab) { // refused
		l.ask("INVITE")
		sleep(0.6)
		l.reply(180, "INVITE")
		sleep(300)
		l.want("0 INVITE, 0.5 INVITE", "180")
		l.reply(486, "INVITE")
		l.reply(486, "INVITE")
		l.want("300.6 ACK, 300.6 ACK", "486")
		if !strings.Contains(string(l.w.last), "To: <sip:b@c>;tag=t\r\n") {
			t.Errorf("%s", l.w.last)
		}
		sleep(33)
		l.reply(486, "INVITE")
		l.want("", "stray 486")
	})
	inLab(t, func(l *lab) { // accepted (RFC 6026 §7.2)
		tx, _ := l.ask("INVITE")
		l.reply(200, "INVITE")
		l.reply(200, "INVITE")
		l.reply(180, "INVITE")
		l.want("0 INVITE", "200, 200")
		tx.Terminate()
		l.reply(200, "INVITE")
		l.want("", "stray 200")
		sleep(33)
		if st := l.Stats(); st.Transactions != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestCancel(t *testing.T) {
	inLab(t, func(l *lab) {
		tx, _ := l.ask("INVITE")
		tx.Cancel()
		l.want("0 INVITE", "")
		l.reply(100, "INVITE") // RFC 3261 §9.1: not before
		l.want("0 CANCEL", "100, canceled")
		tx.Cancel()
		l.reply(200, "CANCEL")
		l.reply(487, "INVITE")
		l.want("0 ACK", "487")
		tx.Cancel()
		l.want("", "")
	})
	inLab(t, func(l *lab) { // and nothing comes of it
		tx, _ := l.ask("INVITE")
		l.reply(180, "INVITE")
		sleep(1)
		tx.Cancel()
		l.reply(200, "CANCEL")
		l.want("0 INVITE, 1 CANCEL", "180, canceled")
		sleep(33)
		l.want("", "failed: sipstack: no response")
	})
}

func TestTerminate(t *testing.T) {
	inLab(t, func(l *lab) {
		tx, _ := l.ask("OPTIONS")
		tx.Terminate()
		sleep(40)
		l.reply(200, "OPTIONS")
		l.want("0 OPTIONS", "stray 200")
	})
}

func TestForeignVia(t *testing.T) {
	inLab(t, func(l *lab) {
		l.ask("OPTIONS")
		l.w.in <- crlf("SIP/2.0 200 X\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKOPTIONS\nFrom: <sip:a@b>;tag=f\nTo: <sip:b@c>;tag=t\nCall-ID: c\nCSeq: 1 OPTIONS\n\n")
		l.want("0 OPTIONS", "foreign 200: 10.0.0.1:5060, not 192.0.2.1:5060")
	})
}

func TestServerNonInvite(t *testing.T) {
	inLab(t, func(l *lab) {
		l.receive("OPTIONS", "z9hG4bK1")
		l.receive("OPTIONS", "z9hG4bK1")
		l.want("", "OPTIONS")
		l.respond(200)
		l.respond(500) // only the first counts
		sleep(1)
		l.receive("OPTIONS", "z9hG4bK1")
		l.want("0 200 X, 1 200 X", "")
		sleep(32) // Timer J
		l.receive("OPTIONS", "z9hG4bK1")
		l.want("", "OPTIONS")
		l.server.Drop()
		l.receive("OPTIONS", "z9hG4bK1")
		l.want("", "OPTIONS")
	})
}

func TestServerInvite(t *testing.T) {
	inLab(t, func(l *lab) { // refused: Timer G, then ACK, then Timer I
		l.receive("INVITE", "z9hG4bK1")
		sleep(0.3)
		l.receive("INVITE", "z9hG4bK1")
		l.want("0.2 100 Trying, 0.3 100 Trying", "INVITE")
		l.respond(486)
		sleep(4)
		l.want("0.3 486 X, 0.8 486 X, 1.8 486 X, 3.8 486 X", "")
		l.receive("ACK", "z9hG4bK1")
		l.receive("ACK", "z9hG4bK1")
		l.receive("INVITE", "z9hG4bK1")
		sleep(60)
		l.want("", "")
		if st := l.Stats(); st.Transactions != 0 || st.Absorbed != 4 {
			t.Errorf("%+v", st)
		}
		l.receive("ACK", "z9hG4bK1")
		l.want("", "ack")
	})
	inLab(t, func(l *lab) { // refused, and no ACK comes: Timer H
		l.receive("INVITE", "z9hG4bK1")
		l.respond(603)
		sleep(40)
		l.want("0 603 X, 0.5 603 X, 1.5 603 X, 3.5 603 X, 7.5 603 X, 11.5 603 X, 15.5 603 X, 19.5 603 X, 23.5 603 X, 27.5 603 X, 31.5 603 X", "INVITE")
	})
	inLab(t, func(l *lab) { // accepted (RFC 6026 §7.1)
		l.receive("INVITE", "z9hG4bK1")
		l.respond(180)
		l.respond(200)
		l.receive("INVITE", "z9hG4bK1")
		l.respond(486)
		l.respond(200)
		l.receive("ACK", "z9hG4bK1")
		l.want("0 180 X, 0 200 X, 0 200 X", "INVITE, ack")
		if l.server.Final() != 200 {
			t.Error(l.server.Final())
		}
		sleep(33)
		l.receive("INVITE", "z9hG4bK1")
		l.want("", "INVITE")
	})
}

// A CANCEL is a transaction of its own that finds the INVITE by its key.
func TestCanceled(t *testing.T) {
	inLab(t, func(l *lab) {
		l.receive("INVITE", "z9hG4bK1")
		invite := l.server
		l.receive("CANCEL", "z9hG4bK1")
		if l.Server(l.req.Key("INVITE")) != invite || l.server == invite || l.server.Tag != l.req.Tag(1) {
			t.Error("not found")
		}
		l.want("", "INVITE, CANCEL")
	})
}

// The user is told in the order of what happened, and may call back.
func TestOrder(t *testing.T) {
	inLab(t, func(l *lab) {
		l.answer = func(tx *ServerTx, req *sipmsg.Request) {
			if err := tx.Respond(200, req.Respond(200, "OK", tx.Tag, nil)); err != nil {
				t.Error(err)
			}
			l.Stats()
			l.After(time.Second, func() { l.note("timer") })
		}
		never := l.After(time.Second, func() { t.Error("stopped") })
		for i := range 20 {
			l.w.in <- crlf(fmt.Sprintf("OPTIONS sip:a@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK%d\nFrom: <sip:b@c>\nTo: <sip:a@b>\nCall-ID: d\nCSeq: 1 OPTIONS\n\n", i))
		}
		synctest.Wait()
		never.Stop()
		(*Timer)(nil).Stop()
		l.want(strings.TrimSuffix(strings.Repeat("0 200 OK, ", 20), ", "), strings.TrimSuffix(strings.Repeat("OPTIONS, ", 20), ", "))
		sleep(2)
		l.want("", strings.TrimSuffix(strings.Repeat("timer, ", 20), ", "))
	})
}

func TestOutcomes(t *testing.T) {
	var stun int
	inLab(t, func(l *lab) {
		for _, s := range []string{"", "\n\n", "\x00\x00\x00\x00", "\x00\x01\x00\x00\x21\x12\xa4\x42............", "nonsense\n", strings.Repeat("x", 3000)} {
			l.w.in <- crlf(s)
		}
		l.receive("ACK", "z9hG4bK1")
		l.want("", "malformed, ack")
		l.w.in <- crlf("OPTIONS  sip:a SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\nCSeq: 1 OPTIONS\n\n")
		l.w.in <- crlf("ACK sip:a@b SIP/7.0\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\nCSeq: 1 ACK\n\n")
		l.want("0 400 Bad Request-Line", "refused 400, refused 505")
		want := Outcomes{Keepalives: 3, STUN: 1, Oversize: 1, Malformed: 1, Faulty: 2, Acks: 1}
		if st := l.Stats(); st.Outcomes != want || stun != 1 {
			t.Errorf("%+v", st)
		}
		l.w.in <- crlf("SIP/2.0 200 X\nVia: a/b/c d\nVia: a/b/c d\nFrom: <sip:a@b>\nTo: <sip:b@c>\nCall-ID: c\nCSeq: 1 X\n\n")
		l.want("", "malformed")
	}, func(c *Config) {
		c.MaxDatagram, c.Endpoint = 2048, true
		c.OnSTUN = func(*Socket, []byte, netip.AddrPort) { stun++ }
	})
}

// Requests have a limit of size (RFC 3261 §18.1.1), responses have none; what does not
// leave is counted and told.
func TestUnsent(t *testing.T) {
	unplugged := errors.New("unplugged")
	inLab(t, func(l *lab) {
		if _, err := l.ask("OPTIONS"); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
		if err := l.WriteAck(l.k, make([]byte, 101), there); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
		l.receive("OPTIONS", "z9hG4bK1")
		l.respond(200)
		l.want("0 200 X", "OPTIONS")
		l.w.fail(unplugged)
		l.receive("OPTIONS", "z9hG4bK2")
		if err := l.respond(200); !errors.Is(err, unplugged) {
			t.Error(err)
		}
		l.want("", "OPTIONS, unsent: unplugged")
		l.w.fail(nil)
		l.receive("OPTIONS", "z9hG4bK2") // the transaction went on
		l.want("0 200 X", "")
		if st := l.Stats(); st.SendErrors != 1 || st.Sent != 2 {
			t.Errorf("%+v", st)
		}
	}, func(c *Config) { c.MaxRequest = 100 })
	inLab(t, func(l *lab) { // RFC 3261 §17.1.4
		if _, err := l.ask("OPTIONS"); err != nil {
			t.Fatal(err)
		}
		l.w.fail(unplugged)
		sleep(1)
		l.want("0 OPTIONS", "unsent: unplugged, failed: sipstack: send from 192.0.2.1:5060 to 192.0.2.9:5060: unplugged")
		if _, err := l.ask("INVITE"); !errors.Is(err, unplugged) {
			t.Error(err)
		}
		l.want("", "unsent: unplugged")
		if st := l.Stats(); st.Transactions != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestRefusals(t *testing.T) {
	inLab(t, func(l *lab) {
		for _, s := range []*sipmsg.Sent{{Method: "OPTIONS", Via: "nonsense"}, {Method: "OPTIONS", Via: "SIP/2.0/UDP h"}, {Method: "ACK", Via: "SIP/2.0/UDP h;branch=z"}} {
			if _, err := l.Stack.Request(l.k, there, s, nil); !errors.Is(err, ErrRequest) {
				t.Errorf("%+v: %v", s, err)
			}
		}
		l.Close()
		if _, err := l.ask("OPTIONS"); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, err := l.Open(newWire()); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		l.Receive(l.k, []byte("x"), there)
		l.want("", "")
	})
}

// TestBrokenSocket: a socket that only fails ends its reader, with the reason.
func TestBrokenSocket(t *testing.T) {
	broken := errors.New("broken")
	s := New(Config{User: &lab{T: t}, Tag: func(*sipmsg.Request) string { return "" }})
	k, err := s.Open(brokenConn{newWire(), broken})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(k); !errors.Is(err, broken) || s.Stats().ReadErrors != maxFailures {
		t.Errorf("%v %+v", err, s.Stats())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Serve(k); err != nil {
		t.Error(err)
	}
}

// TestShut: one socket is closed, its reader ends without an error, and the other goes on.
func TestShut(t *testing.T) {
	s := New(Config{User: &lab{T: t}, Tag: func(*sipmsg.Request) string { return "" }})
	var served [2]chan error
	var sockets [2]*Socket
	for i := range sockets {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if sockets[i], err = s.Open(conn); err != nil {
			t.Fatal(err)
		}
		served[i] = make(chan error, 1)
		go func() { served[i] <- s.Serve(sockets[i]) }()
	}
	for range 2 {
		if err := s.Shut(sockets[0]); err != nil {
			t.Error(err)
		}
	}
	if err := <-served[0]; err != nil {
		t.Error(err)
	}
	if err := s.Write(sockets[0], []byte("x"), sockets[1].Local); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := s.Write(sockets[1], []byte("x"), sockets[1].Local); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served[1]; err != nil {
		t.Error(err)
	}
}

type brokenConn struct {
	*wire
	err error
}

func (c brokenConn) ReadFrom([]byte) (int, net.Addr, error) { return 0, nil, c.err }

// TestConcurrent has everything at once from many goroutines; the race detector judges.
func TestConcurrent(t *testing.T) {
	inLab(t, func(l *lab) {
		l.answer = func(tx *ServerTx, req *sipmsg.Request) { tx.Respond(200, req.Respond(200, "OK", tx.Tag, nil)) }
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 50 {
					l.Receive(l.k, crlf(fmt.Sprintf("OPTIONS sip:a@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK%d.%d\nFrom: <sip:b@c>\nTo: <sip:a@b>\nCall-ID: d\nCSeq: 1 OPTIONS\n\n", i, j)), there)
					l.After(time.Duration(j)*time.Millisecond, func() {}).Stop()
					l.Stats()
				}
			})
		}
		wg.Wait()
		if st := l.Stats(); st.Requests != 400 || st.Sent != 400 {
			t.Errorf("%+v", st)
		}
		l.hear()
	})
}

// FuzzReceive feeds datagrams to a stack with an INVITE out and one in: each has one
// outcome, nobody but its sender is answered, and the stack still serves.
func FuzzReceive(f *testing.F) {
	for _, m := range torture.Messages() {
		f.Add(m.Data)
	}
	for _, method := range []string{"INVITE", "CANCEL", "ACK", "OPTIONS"} {
		f.Add(crlf(method + " sip:a@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1\nFrom: <sip:b@c>;tag=t\nTo: <sip:a@b>\nCall-ID: d\nCSeq: 1 " + method + "\n\n"))
	}
	for _, code := range []string{"180", "200", "486"} {
		f.Add(crlf("SIP/2.0 " + code + " X\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKINVITE\nFrom: <sip:a@b>;tag=f\nTo: <sip:b@c>;tag=t\nCall-ID: c\nCSeq: 1 INVITE\n\n"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &lab{T: t, w: newWire()}
		l.Stack = New(Config{User: l, Tag: func(r *sipmsg.Request) string { return r.Tag(1) }, MaxRequest: 1300})
		l.k, _ = l.Open(l.w)
		defer l.Close()
		tx, err := l.ask("INVITE")
		if err != nil {
			t.Fatal(err)
		}
		l.Receive(l.k, crlf("INVITE sip:a@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1\nFrom: <sip:b@c>;tag=t\nTo: <sip:a@b>\nCall-ID: d\nCSeq: 1 INVITE\n\n"), there)
		for _, code := range []int{0, 486, 0} {
			l.Receive(l.k, slices.Clone(data), there)
			if code > 0 {
				l.respond(code)
				tx.Cancel()
			}
		}
		l.Elapse(Timeout)
		l.Receive(l.k, crlf("OPTIONS sip:a@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKlast\nFrom: <sip:b@c>;tag=t\nTo: <sip:a@b>\nCall-ID: last\nCSeq: 1 OPTIONS\n\n"), there)
		if st := l.Stats(); st.Datagrams != 5 || st.Total() != 5 || l.req.CallID != "last" {
			t.Errorf("%+v after %q", st, data)
		}
	})
}
