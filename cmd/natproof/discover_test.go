package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/discover"
	"github.com/natproof/natproof/servers/serve"
	"github.com/natproof/natproof/servers/stun"
)

func listenUDP(a netip.AddrPort) (net.PacketConn, error) {
	return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(a))
}

// stunServer runs one on two loopback addresses, and a socket that never answers.
func stunServer(t *testing.T) (server, silent string) {
	t.Helper()
	conns, err := stun.Listen(listenUDP, netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("127.0.0.2:0"))
	if err != nil {
		t.Skipf("no second loopback address: %v", err)
	}
	s, err := stun.New(stun.Config{Conns: conns})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	quiet, err := listenUDP(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-served, quiet.Close()); err != nil {
			t.Error(err)
		}
	})
	return conns[0].LocalAddr().String(), quiet.LocalAddr().String()
}

func TestHostPort(t *testing.T) {
	for arg, want := range map[string]string{
		"stun.example.net": "stun.example.net:0", "192.0.2.1:19302": "192.0.2.1:19302",
		"2001:db8::1": "[2001:db8::1]:0", "[2001:db8::1]:5349": "[2001:db8::1]:5349",
	} {
		host, port, err := hostPort(arg)
		if got := net.JoinHostPort(host, strconv.Itoa(int(port))); err != nil || got != want {
			t.Errorf("%s: %s, %v", arg, got, err)
		}
	}
}

// names is a resolver.
type names struct {
	srv   map[string]*net.SRV
	addrs map[string][]netip.Addr
}

func (n names) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if r := n.srv["_"+service+"._"+proto+"."+name]; r != nil {
		return name, []*net.SRV{r}, nil
	}
	return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a := n.addrs[host]; a != nil {
		return a, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func TestFindServer(t *testing.T) {
	dns := names{
		srv: map[string]*net.SRV{"_stun-behavior._udp.none.example": {Target: "."}, "_stun-behavior._udp.example.net": {Target: "stun.example.net.", Port: 13478}},
		addrs: map[string][]netip.Addr{
			"stun.example.net.": {netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("192.0.2.7")},
			"example.net":       {netip.MustParseAddr("192.0.2.8")},
			"example.org":       {netip.MustParseAddr("192.0.2.9")},
		},
	}
	six := netip.MustParseAddr("2001:db8::1")
	for _, x := range []struct {
		host  string
		port  uint16
		local netip.Addr
		want  string // or the error
	}{
		{"example.net", 0, netip.Addr{}, "192.0.2.7:13478"},
		{"example.net", 0, six, "[2001:db8::7]:13478"},
		{"example.net", 3478, netip.Addr{}, "192.0.2.8:3478"},
		{"example.org", 0, netip.Addr{}, "192.0.2.9:3478"},
		{"192.0.2.1", 0, netip.Addr{}, "192.0.2.1:3478"},
		{"2001:db8::2", 9, netip.Addr{}, "[2001:db8::2]:9"},
		{"none.example", 0, netip.Addr{}, "none.example says that it has no such service (RFC 2782); give a port to ask all the same"},
		{"example.org", 0, six, "example.org has no address of the family of 2001:db8::1"},
		{"example.com", 0, netip.Addr{}, "lookup example.com: no such host"},
	} {
		got, err := findServer(t.Context(), dns, x.host, x.port, x.local)
		if found := got.String(); err == nil && found != x.want || err != nil && err.Error() != x.want {
			t.Errorf("%s port %d: %s, %v; want %s", x.host, x.port, found, err, x.want)
		}
	}
}

// An interrupt keeps what was found.
func TestDiscoverInterrupted(t *testing.T) {
	_, silent := stunServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, out, errs := capture(t, ctx, "discover", silent)
	if code != exitInterrupted || !strings.HasPrefix(out, "server ") || !strings.Contains(errs, "interrupted: what was found so far is reported") {
		t.Errorf("code %d, stdout:\n%s\nstderr:\n%s", code, out, errs)
	}
}

func TestCalibrateInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code, out, errs := capture(t, ctx, "nat", "calibrate"); code != exitInterrupted || out != "" || !strings.Contains(errs, "nothing was written") {
		t.Errorf("code %d, stdout:\n%s\nstderr:\n%s", code, out, errs)
	}
}

// What a report behind a NAT looks like.
func TestPrintReport(t *testing.T) {
	ap := netip.MustParseAddrPort
	r := discover.Report{
		Server: ap("203.0.113.10:3478"), Other: ap("203.0.113.11:3479"), Local: ap("10.0.0.2:50000"), Mapped: ap("198.51.100.1:1024"),
		Reachable: discover.Yes, NAT: discover.Yes, SamePort: discover.No,
		Mapping: discover.AddressDependent, Filtering: discover.AddressDependent, FilterScope: discover.PerMapping,
		Hairpinning: discover.Yes, HairpinSource: ap("198.51.100.1:1030"), Fragments: discover.No, ALG: discover.No,
		Lifetime: discover.Lifetime{
			Span: discover.Span{Alive: 10 * time.Minute}, Unreplied: discover.Span{Alive: 29 * time.Second, Expired: 30 * time.Second},
		},
		Classic: discover.Symmetric,
		Notes:   []discover.Note{{Test: discover.Fragments, Text: "a note"}},
	}
	var b strings.Builder
	if err := printReport(&b, discover.Config{Tests: discover.Tests()}, r); err != nil {
		t.Fatal(err)
	}
	const want = `server              203.0.113.10:3478          also 203.0.113.11:3479
local               10.0.0.2:50000
mapped              198.51.100.1:1024
NAT                 yes
port                not preserved
filtering           address-dependent          RFC 5780 section 4.4
mapping             address-dependent          RFC 5780 section 4.3
filters by          mapping                    RFC 4787 section 5
hairpinning         yes                        from 198.51.100.1:1030, RFC 5780 section 3.4
fragments pass      no                         RFC 5780 section 3.5
lifetime            more than 10m0s            RFC 5780 section 4.6
lifetime unreplied  29s to 30s
prolonged by        outbound unknown, inbound unknown  RFC 4787 REQ-6, REQ-6a
RFC 3489 class      symmetric                  RFC 3489 section 10.1
payload rewritten   no                         RFC 5780 section 3.6

fragments: a note
`
	if got := b.String(); squeeze(got) != squeeze(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A report that says what was heard, and no more.
func TestPrintReportWithoutAddress(t *testing.T) {
	for reachable, want := range map[discover.Answer]string{
		discover.No:       "answer no UDP is blocked, or there is no STUN server",
		discover.Yes:      "answer yes but none that tells a mapped address",
		discover.NotKnown: "answer unknown",
	} {
		r := discover.Report{Server: netip.MustParseAddrPort("203.0.113.10:3478"), Reachable: reachable}
		var b strings.Builder
		if err := printReport(&b, discover.Config{Tests: discover.Tests()}, r); err != nil {
			t.Fatal(err)
		}
		want = "server 203.0.113.10:3478\n" + want + "\nRFC 3489 class unknown RFC 3489 section 10.1\n"
		if got := squeeze(b.String()); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// squeeze makes blanks in a row one.
func squeeze(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "\n")
}

// A search for SIP ALGs on loopback, where there is none, at a server of ours.
func TestDiscoverSIP(t *testing.T) {
	cfg, err := serve.Build(serve.Values{"listen": {Words: []string{"127.0.0.1:0"}}, "sip-probe-alternate": {Words: []string{"127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := serve.New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, context.Background()) }()
	at := srv.Endpoints()
	code, out, errs := capture(t, t.Context(), "discover", "--sip", at[0].Addr.String())
	if code != exitOK || !strings.Contains(out, "no ALG: every byte of 4 requests and their answers arrived as it was sent") ||
		!strings.Contains(out, "also "+at[1].Addr.String()) || errs != "" {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// What a search behind an ALG looks like.
func TestPrintSIP(t *testing.T) {
	ap := netip.MustParseAddrPort
	var b strings.Builder
	err := printSIP(&b, discover.SIPReport{
		Server: ap("203.0.113.10:5060"), Other: ap("203.0.113.10:7060"), Local: ap("10.0.0.2:50000"), Mapped: ap("198.51.100.1:1024"),
		Reachable: discover.Yes, NAT: discover.Yes, ALG: discover.Yes, Kind: "stale-length", Notes: []string{"a note"},
		Probes: []discover.SIPProbe{{
			Method: "INVITE", To: ap("203.0.113.10:5060"), Written: ap("10.0.0.2:50000"), Status: 488, WrongLength: true,
			Out:  []discover.SIPChange{{Line: "c=", Sent: "c=IN IP4 10.0.0.2", Arrived: "c=IN IP4 198.51.100.1"}},
			Back: []discover.SIPChange{{Line: "x", Arrived: "X: \x1b[1m" + strings.Repeat("y", 200)}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `server   203.0.113.10:5060  also 203.0.113.10:7060
local    10.0.0.2:50000
mapped   198.51.100.1:1024
NAT      yes
SIP ALG  yes  as the variant stale-length of this program's ALGs

INVITE to 203.0.113.10:5060 with 10.0.0.2:50000 in it, changed on the way there:
  - c=IN IP4 10.0.0.2
  + c=IN IP4 198.51.100.1
  Content-Length is not that of the body

INVITE to 203.0.113.10:5060 with 10.0.0.2:50000 in it, changed on the way back:
  - 
  + X: ?[1m`
	if got := b.String(); !strings.HasPrefix(got, want+"yyy") || !strings.HasSuffix(got, "y...\n\na note\n") {
		t.Errorf("%s", got)
	}
}
