package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/servers/serve"
	"github.com/natproof/natproof/stunclient"
	"github.com/natproof/natproof/ua"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

// log is what was logged, a record a line.
type log struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.String()
}

// running is a server on loopback.
type running struct {
	*testing.T
	*serve.Server
	log    log
	at     map[string][]string // addresses by server
	stop   func()              // as a signal does
	now    func()              // as a second one
	served chan error
}

func start(t *testing.T, settings map[string]string, change ...func(*serve.Config)) *running {
	t.Helper()
	values := serve.Values{"listen": {Words: []string{"127.0.0.1:0"}}, "log-format": {Words: []string{"json"}}, "log-level": {Words: []string{"debug"}}}
	for name, v := range settings {
		values[name] = serve.Value{Words: strings.Split(v, ",")}
	}
	cfg, err := serve.Build(values)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(&cfg)
	}
	r := &running{T: t, at: map[string][]string{}, served: make(chan error, 1)}
	if r.Server, err = serve.New(cfg, serve.NewLogger(&r.log, cfg)); err != nil {
		t.Fatal(err)
	}
	for _, e := range r.Endpoints() {
		r.at[e.Server] = append(r.at[e.Server], e.Addr.String())
	}
	var ctx, now context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	now, r.now = context.WithCancel(context.Background())
	go func() { r.served <- r.Serve(ctx, now) }()
	t.Cleanup(func() {
		r.now()
		r.stop()
		if err := <-r.served; err != nil {
			t.Error(err)
		}
		r.served <- nil
	})
	return r
}

func (r *running) end() {
	r.Helper()
	r.stop()
	if err := <-r.served; err != nil {
		r.Error(err)
	}
	r.served <- nil
}

// metric is a metric by its name and labels, as Prometheus reads it over HTTP.
func (r *running) metric(name string) string {
	r.Helper()
	res, err := http.Get("http://" + r.at["metrics"][0] + "/metrics")
	if err != nil {
		r.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return "none"
}

// eventually waits for what another goroutine brings about.
func (r *running) eventually(what string, ok func() bool) {
	r.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.Errorf("not: %s\n%s", what, r.log.String())
}

// phone is a user agent on loopback.
func phone(t *testing.T, at string) *ua.Client {
	t.Helper()
	a := netip.MustParseAddrPort(at)
	c, err := ua.New(ua.Config{LocalAddr: a.Addr(), SIPPort: a.Port(), Options: ua.Options{Rport: true}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// call calls the gateway by the registrar.
func call(t *testing.T, c *ua.Client, server, number string) *ua.Session {
	t.Helper()
	s, err := c.NewSession(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Call(t.Context(), "sip:"+number+"@"+server); err != nil {
		t.Fatal(err)
	}
	return s
}

// All servers in one process, on real sockets: a call with audio, discovery with two addresses;
// stopped, the call ends by BYE.
func TestAllTogether(t *testing.T) {
	r := start(t, map[string]string{
		"stun": "127.0.0.1:0", "stun-alternate": "127.0.0.2:0", "gateway": "127.0.0.1:0", "metrics": "127.0.0.1:0", "gateway-ring": "0s",
	})
	if len(r.at["stun"]) != 4 || len(r.at["gateway"]) != 1 {
		t.Fatal(r.at)
	}
	s := call(t, phone(t, "127.0.0.7:35071"), r.at["sip"][0], "+15550100")
	r.eventually("audio both ways", func() bool {
		st, _ := s.MediaStats()
		return st.RTPReceived > 2 && st.RTPSent > 2
	})

	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stun, err := stunclient.NewConn(conn, stunclient.ConnConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer stun.Close()
	res, err := stun.Client().Binding(t.Context(), netip.MustParseAddrPort(r.at["stun"][0]))
	if err != nil || res.OtherAddress.String() != r.at["stun"][3] {
		t.Errorf("%v %+v", err, res)
	}

	for name, want := range map[string]string{
		`natproof_gateway_calls{state="talking"}`:                     "1",
		`natproof_gateway_invites_total`:                              "1",
		`natproof_stun_datagrams_total{outcome="answered"}`:           "1",
		`natproof_registrar_datagrams_total{outcome="malformed"}`:     "0",
		`natproof_registrar_bindings`:                                 "0",
		`natproof_limit_dropped_datagrams_total{server="registrar"}`:  "0",
		`natproof_panics_total{server="gateway"}`:                     "0",
		`natproof_sip_probe_datagrams_total{outcome="answered"}`:      "0",
		`natproof_registrar_datagrams_total{outcome="ack_forwarded"}`: "1",
		`natproof_gateway_ended_calls_total{cause="gateway_hung_up"}`: "none",
	} {
		r.eventually(name+" is "+want, func() bool { return r.metric(name) == want })
	}
	r.end()
	<-s.Done()
	if reason, _ := s.Reason(); reason != ua.Normal {
		t.Errorf("the call ended for %v\n%s", reason, r.log.String())
	}
	if m, err := r.Metrics().Gather(); err != nil || len(m) < 40 { // readable after the end
		t.Error(err, len(m))
	}
}

// A second signal does not wait for a phone that answers no BYE.
func TestStoppedAtOnce(t *testing.T) {
	r := start(t, map[string]string{"gateway": "127.0.0.1:0", "gateway-ring": "0s", "shutdown-timeout": "1h"})
	conn, err := net.Dial("udp4", r.at["gateway"][0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	me := conn.LocalAddr().String()
	offer := media.Marshal(media.Description{RTP: netip.MustParseAddrPort("127.0.0.1:9"), Direction: media.Inactive})
	send := func(method, to, body string) {
		fmt.Fprintf(conn, "%s sip:5550123@example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nFrom: <sip:a@example.com>;tag=1\r\n"+
			"To: %s\r\nCall-ID: 1\r\nCSeq: 1 %s\r\nContact: <sip:a@%s>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", method, me, method, to, method, me, len(body), body)
	}
	send("INVITE", "<sip:5550123@example.com>", string(offer))
	next := func(begins string) string {
		b := make([]byte, 2048)
		for {
			n, err := conn.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(string(b[:n]), begins) {
				return string(b[:n])
			}
		}
	}
	ok := next("SIP/2.0 200 ")
	_, to, _ := strings.Cut(ok, "\r\nTo: ")
	to, _, _ = strings.Cut(to, "\r\n")
	send("ACK", to, "")
	r.eventually("talking", func() bool { return strings.Contains(r.log.String(), `"state":"talking"`) })
	r.stop()
	next("BYE ") // and no answer
	r.now()
	if err := <-r.served; err != nil {
		t.Error(err)
	}
	r.served <- nil
	if !strings.Contains(r.log.String(), "calls were cut off") {
		t.Error(r.log.String())
	}
}

// A panic over one datagram is counted, and logged with the datagram; the next one is served.
func TestPanicIsLoggedWithTheDatagram(t *testing.T) {
	r := start(t, map[string]string{"metrics": "127.0.0.1:0"}, func(c *serve.Config) {
		c.Registrar.OnEvent = func(e registrar.Event) {
			if e.User == "eve" {
				panic("eve")
			}
		}
	})
	conn, err := net.Dial("udp4", r.at["sip"][0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := register(t, conn, "eve"); got != "SIP/2.0 500 Server Internal Error" {
		t.Error(got)
	}
	if got := register(t, conn, "bob"); got != "SIP/2.0 200 OK" {
		t.Error(got)
	}
	r.eventually("a panic", func() bool { return r.metric(`natproof_panics_total{server="registrar"}`) == "1" })
	var found bool
	for line := range strings.Lines(r.log.String()) {
		var record struct{ Level, Msg, Panic, Source, Datagram, Stack string }
		if json.Unmarshal([]byte(line), &record) != nil || record.Msg != "panic" {
			continue
		}
		found = true
		if record.Level != "ERROR" || record.Panic != "eve" || record.Source != conn.LocalAddr().String() ||
			!strings.HasPrefix(record.Datagram, fmt.Sprintf("%x", "REGISTER sip:")) || !strings.Contains(record.Stack, "registrar.(*Server).emit") {
			t.Errorf("%+v", record)
		}
	}
	if !found {
		t.Error(r.log.String())
	}
}

func register(t *testing.T, conn net.Conn, user string) string {
	t.Helper()
	fmt.Fprintf(conn, "REGISTER sip:%[2]s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK%[1]s;rport\r\nFrom: <sip:%[1]s@%[2]s>;tag=1\r\n"+
		"To: <sip:%[1]s@%[2]s>\r\nCall-ID: %[1]s\r\nCSeq: 1 REGISTER\r\nContact: <sip:%[1]s@192.0.2.9>\r\n\r\n", user, conn.RemoteAddr())
	b := make([]byte, 2048)
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(b[:n]), "\r\n")
	return line
}

// Who sends too much is not answered, and others are.
func TestRateLimit(t *testing.T) {
	r := start(t, map[string]string{"rate-limit": "0.001", "rate-burst": "3", "metrics": "127.0.0.1:0"})
	conn, err := net.Dial("udp4", r.at["sip"][0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 10 {
		conn.Write([]byte("\r\n\r\n"))
	}
	r.eventually("seven were dropped", func() bool {
		return r.metric(`natproof_limit_dropped_datagrams_total{server="registrar"}`) == "7" && r.metric(`natproof_registrar_datagrams_total{outcome="keepalive"}`) == "3"
	})
	other, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 9)}}).Dial("udp4", r.at["sip"][0])
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if got := register(t, other, "bob"); got != "SIP/2.0 200 OK" {
		t.Error(got)
	}
}

// Registrar and gateway do not limit each other, who share all callers.
func TestServersAreNotLimited(t *testing.T) {
	r := start(t, map[string]string{"rate-limit": "0.001", "rate-burst": "12", "gateway": "127.0.0.1:0", "gateway-ring": "0s", "metrics": "127.0.0.1:0"})
	for i := range 4 {
		s := call(t, phone(t, fmt.Sprintf("127.0.0.%d:35072", 10+i)), r.at["sip"][0], "+15550100")
		if err := s.Hangup(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if got := r.metric(`natproof_limit_dropped_datagrams_total{server="registrar"}`) + r.metric(`natproof_limit_dropped_datagrams_total{server="gateway"}`); got != "00" {
		t.Error(got)
	}
}

// Events are records.
func TestEventsAreLogged(t *testing.T) {
	r := start(t, map[string]string{"log-level": "info"})
	conn, err := net.Dial("udp4", r.at["sip"][0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	register(t, conn, "bob")
	r.end()
	var registered []string
	for line := range strings.Lines(r.log.String()) {
		var record struct {
			Level, Msg, Server, User, Source, URI string
			Time                                  time.Time
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		if record.Level == slog.LevelDebug.String() {
			t.Error(line)
		}
		if record.Msg == "registered" {
			registered = append(registered, strings.Join([]string{record.Server, record.User, record.Source, record.URI}, " "))
		}
	}
	if len(registered) != 1 || registered[0] != "registrar bob "+conn.LocalAddr().String()+" sip:bob@192.0.2.9" {
		t.Errorf("%v\n%s", registered, r.log.String())
	}
}
