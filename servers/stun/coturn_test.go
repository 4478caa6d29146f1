package stun_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/translate"
	"github.com/natproof/natproof/servers/stun"
	"github.com/natproof/natproof/stunclient/attr"
)

// An independent client agrees: turnutils_natdiscovery of coturn (Debian package
// coturn; internal/setup/coturn.sh installs it). It exits with 0 whatever
// happens, so its text is read.
const natdiscovery = "turnutils_natdiscovery"

// verdictLine is a verdict among what it prints, and algLine its word on each
// answer.
var (
	verdictLine = regexp.MustCompile(`(?m)^NAT with (.+) (Mapping|Filtering)!$`)
	algLine     = regexp.MustCompile(`(?m)^No ALG: Mapped == XOR-Mapped$`)
)

// needCoturn skips without the client, unless NATPROOF_REQUIRE_COTURN=1.
func needCoturn(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath(natdiscovery)
	switch required := os.Getenv("NATPROOF_REQUIRE_COTURN") == "1"; {
	case err != nil && required:
		t.Fatalf("%v (internal/setup/coturn.sh installs it)", err)
	case err != nil:
		t.Skipf("%v (internal/setup/coturn.sh installs it)", err)
	case testing.Short() && !required:
		t.Skip("coturn waits for silence in real time")
	}
}

// A discovery is what coturn's client said.
type discovery struct {
	mapping, filtering string
	noALG              bool
	text               []byte
	err                error
}

func natdiscover(ctx context.Context, server netip.AddrPort) (d discovery) {
	d.text, d.err = exec.CommandContext(ctx, natdiscovery, "-m", "-f",
		"-p", strconv.Itoa(int(server.Port())), server.Addr().String()).CombinedOutput()
	for _, m := range verdictLine.FindAllSubmatch(d.text, -1) {
		switch string(m[2]) {
		case "Mapping":
			d.mapping += string(m[1])
		case "Filtering":
			d.filtering += string(m[1])
		}
	}
	d.noALG = algLine.Match(d.text)
	return d
}

func (d discovery) check(t *testing.T, mapping, filtering string) {
	t.Helper()
	if d.err != nil || d.mapping != mapping || d.filtering != filtering || !d.noALG {
		t.Errorf("mapping %q, filtering %q, no ALG %v, %v; want %q, %q\n%s",
			d.mapping, d.filtering, d.noALG, d.err, mapping, filtering, d.text)
	}
}

// Without a NAT: coturn calls that a NAT too.
func TestCoturn(t *testing.T) {
	needCoturn(t)
	_, addrs := start(t, stun.Config{}, "127.0.0.1:0", "127.0.0.2:0")
	for _, server := range []netip.AddrPort{addrs[0], addrs[3]} { // either address may be asked
		natdiscover(t.Context(), server).check(t, "Endpoint Independent", "Endpoint Independent")
	}
}

// Behind each of the nine NATs: the server's sockets see the client through it.
func TestCoturnBehindNAT(t *testing.T) {
	needCoturn(t)
	words := map[natmodels.Dependence]string{
		natmodels.EndpointIndependent:     "Endpoint Independent",
		natmodels.AddressDependent:        "Address Dependent",
		natmodels.AddressAndPortDependent: "Address and Port Dependent",
	}
	found := map[string]*discovery{}
	var all sync.WaitGroup // the clients do little but wait
	for m := range words {
		for f := range words {
			cfg := behindNAT(m, f)
			server, d := startBehind(t, cfg), new(discovery)
			found[cfg.Behavior().Code()] = d
			all.Go(func() { *d = natdiscover(t.Context(), server) })
		}
	}
	all.Wait()
	for m, mapping := range words {
		if m == natmodels.AddressDependent {
			// RFC 5780 section 4.3 sends test III to the alternate address. This client
			// sends it to the OTHER-ADDRESS of the answer it had last, from the alternate
			// address, which is the primary one; so it never finds this behaviour.
			mapping = words[natmodels.AddressAndPortDependent]
		}
		for f, filtering := range words {
			code := behindNAT(m, f).Behavior().Code()
			t.Run(code, func(t *testing.T) { found[code].check(t, mapping, filtering) })
		}
	}
}

func behindNAT(m, f natmodels.Dependence) natmodels.Model {
	return translate.Config{Mapping: m, Filtering: f, PortChoice: natmodels.Random}
}

// startBehind runs a server that sees all its clients through one NAT.
func startBehind(t *testing.T, model natmodels.Model) netip.AddrPort {
	t.Helper()
	nat, err := model.New(natmodels.Place{External: []netip.Addr{netip.MustParseAddr("198.51.100.1")}})
	if err != nil {
		t.Fatal(err)
	}
	conns, err := stun.Listen(listenUDP, netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("127.0.0.2:0"))
	if err != nil {
		t.Fatal(err)
	}
	server, _ := attr.FromNet(conns[0].LocalAddr())
	box := &natBox{nat: nat}
	for i, c := range conns {
		local, _ := attr.FromNet(c.LocalAddr())
		conns[i] = &natted{PacketConn: c, box: box, local: local}
	}
	s, err := stun.New(stun.Config{Conns: conns})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return server
}

// A natBox is a NAT between the clients and the sockets of a server.
type natBox struct {
	mu  sync.Mutex
	nat natmodels.Box
}

func (b *natBox) translate(through func(natmodels.Packet, time.Time) natmodels.Verdict, src, dst netip.AddrPort) (natmodels.Packet, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := through(natmodels.Packet{Protocol: natmodels.UDP, Src: src, Dst: dst}, time.Now())
	return v.Packet, v.Action == natmodels.Forward
}

// natted is one of the server's sockets, outside of the NAT.
type natted struct {
	net.PacketConn
	box   *natBox
	local netip.AddrPort
}

func (c *natted) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil {
			return n, from, err
		}
		src, _ := attr.FromNet(from)
		if p, ok := c.box.translate(c.box.nat.Outbound, src, c.local); ok {
			return n, net.UDPAddrFromAddrPort(p.Src), nil
		}
	}
}

func (c *natted) WriteTo(b []byte, to net.Addr) (int, error) {
	dst, _ := attr.FromNet(to)
	p, ok := c.box.translate(c.box.nat.Inbound, c.local, dst)
	if !ok {
		return len(b), nil // filtered: its sender is not told
	}
	return c.PacketConn.WriteTo(b, net.UDPAddrFromAddrPort(p.Dst))
}
