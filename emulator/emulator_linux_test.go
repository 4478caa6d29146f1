package emulator_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/vnet"
)

func TestMain(m *testing.M) {
	if os.Getenv(victimVar) != "" {
		beVictim()
	}
	if order := os.Getenv(loadVar); order != "" {
		beLoad(order)
	}
	if driver := os.Getenv(nobodyVar); driver != "" {
		becomeNobody(driver)
	}
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin") // where the commands are, though not on everybody's path
	os.Exit(emulator.Main(m))
}

// require has tests fail where the system can do nothing for them, instead of being skipped.
var require = os.Getenv("NATPROOF_REQUIRE_EMULATOR") == "1"

// patience is how long a test waits for what will come at once: others may want the processor too.
const patience = time.Minute

var (
	addr   = netip.MustParseAddr
	ap     = netip.MustParseAddrPort
	prefix = netip.MustParsePrefix
)

func skip(t testing.TB, why error) {
	t.Helper()
	if require {
		t.Fatal(why)
	}
	t.Skip(why)
}

// need skips what runs a command that is not there; internal/setup/emulator.sh installs them.
func need(t *testing.T, command string) {
	t.Helper()
	if _, err := exec.LookPath(command); err != nil {
		skip(t, err)
	}
}

// pair is a program's namespace behind a NAT and one on the internet.
type pair struct {
	lab     *vnet.Lab
	nat     *vnet.Gateway
	in, out *emulator.Namespace
}

const (
	inside, inside6   = "192.168.1.10", "2001:db8:1::10"
	outside, outside6 = "203.0.113.10", "2001:db8:2::10"
	external          = "198.51.100.1"
)

func newPair(t testing.TB, nat string, link vnet.LinkConfig, driver emulator.Driver) *pair {
	t.Helper()
	model, err := catalogue.Lookup(nat)
	if err != nil {
		t.Fatal(err)
	}
	return newPairBehind(t, model, link, driver)
}

func newPairBehind(t testing.TB, model natmodels.Model, link vnet.LinkConfig, driver emulator.Driver) *pair {
	t.Helper()
	lab, err := vnet.New(vnet.Config{DiscardTrace: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lab.Close() })
	p := &pair{lab: lab}
	var external []netip.Addr
	if model.Behavior().Translates() {
		external = []netip.Addr{addr("198.51.100.1")}
	}
	if p.nat, err = lab.Internet().AddGateway("nat", vnet.GatewayConfig{NAT: model, Place: natmodels.Place{External: external, Seed: 1}, Link: link}); err != nil {
		t.Fatal(err)
	}
	p.in = attach(t, p.nat.Inside(), "home", "192.168.1.0/24", driver, addr(inside))
	p.out = attach(t, lab.Internet(), "dc", "203.0.113.0/24", driver, addr(outside))
	return p
}

func attach(t testing.TB, r *vnet.Realm, name, net string, driver emulator.Driver, at ...netip.Addr) *emulator.Namespace {
	t.Helper()
	site, err := r.AddSite(name, vnet.SiteConfig{Prefix: prefix(net), Hosts: vnet.Native})
	if err != nil {
		t.Fatal(err)
	}
	n, err := emulator.Attach(site, name+"-program", emulator.Config{Addrs: at, Driver: driver, Hosts: map[string]netip.Addr{"server.example": addr(outside)}})
	if errors.Is(err, emulator.ErrNoNamespace) || errors.Is(err, emulator.ErrNoDevice) {
		skip(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return n
}

// both runs a test with each driver.
func both(t *testing.T, f func(*testing.T, emulator.Driver)) {
	for _, d := range drivers() {
		t.Run(d.String(), func(t *testing.T) { f(t, d) })
	}
}

// A socket of the operating system's behind a NAT talks to one on the internet.
func TestUDP(t *testing.T) {
	both(t, func(t *testing.T, d emulator.Driver) {
		p := newPair(t, "port-restricted", vnet.LinkConfig{}, d)
		server, err := p.out.ListenUDP(ap(outside + ":7000"))
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		client, err := p.in.ListenUDP(ap("0.0.0.0:5060"))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		for _, size := range []int{1, 172, 1472, 4000} {
			sent := make([]byte, size)
			rand.Read(sent)
			if _, err := client.WriteToUDPAddrPort(sent, ap(outside+":7000")); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 5000)
			server.SetReadDeadline(time.Now().Add(patience))
			n, from, err := server.ReadFromUDPAddrPort(buf)
			if err != nil || string(buf[:n]) != string(sent) || from.Addr() != addr(external) {
				t.Fatalf("%d of %d bytes from %v, %v; %+v", n, size, from, err, p.lab.Stats())
			}
			if _, err := server.WriteToUDPAddrPort(buf[:n], from); err != nil {
				t.Fatal(err)
			}
			client.SetReadDeadline(time.Now().Add(patience))
			if n, from, err := client.ReadFromUDPAddrPort(buf); err != nil || string(buf[:n]) != string(sent) || from != ap(outside+":7000") {
				t.Fatalf("%d of %d bytes from %v, %v", n, size, from, err)
			}
		}
		if m := p.nat.Mappings(); len(m) != 1 {
			t.Errorf("%v", m)
		}
	})
}

// TCP through NATs: what comes is what was sent.
func TestTCP(t *testing.T) {
	const size = 100 << 20
	for _, nat := range []string{"symmetric", "linux-masquerade"} {
		t.Run(nat, func(t *testing.T) {
			both(t, func(t *testing.T, d emulator.Driver) {
				tcp(t, newPair(t, nat, vnet.LinkConfig{}, d), size)
			})
		})
	}
	t.Run("segment by segment", func(t *testing.T) {
		tcp(t, newPair(t, "linux-masquerade", vnet.LinkConfig{MTU: 1400, Latency: time.Millisecond}, drivers()[0]), size/10)
	})
}

func tcp(t *testing.T, p *pair, size int64) {
	l, err := p.out.ListenTCP(ap(outside + ":8080"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type sum struct {
		hash string
		err  error
	}
	sums := make(chan sum, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			sums <- sum{"", err}
			return
		}
		defer c.Close()
		h := sha256.New()
		_, err = io.Copy(h, c)
		sums <- sum{string(h.Sum(nil)), err}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := p.in.Dial(ctx, "tcp", "server.example:8080")
	if err != nil {
		t.Fatalf("%v; %+v", err, p.lab.Stats())
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	h := sha256.New()
	begun := time.Now()
	if _, err := io.CopyN(io.MultiWriter(c, h), rand.Reader, size); err != nil {
		t.Fatalf("%v; %+v %+v", err, p.lab.Stats(), p.in.Stats())
	}
	c.(*net.TCPConn).CloseWrite()
	got := <-sums
	t.Logf("%d MB in %v; %+v; %+v", size>>20, time.Since(begun), p.lab.Stats(), p.in.Stats())
	if got.err != nil || got.hash != string(h.Sum(nil)) {
		t.Errorf("%v; equal: %v", got.err, got.hash == string(h.Sum(nil)))
	}
}

// Echo requests go through the NAT, and the exit status is the program's.
func TestPing(t *testing.T) {
	need(t, "ping")
	both(t, func(t *testing.T, d emulator.Driver) {
		p := newPair(t, "symmetric", vnet.LinkConfig{}, d)
		out, err := p.in.Command("ping", "-c", "3", "-i", "0.05", "-w", "30", "server.example").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "3 received") {
			t.Errorf("%v\n%s", err, out)
		}
		c := p.in.Command("ping", "-c", "1", "-W", "1", "203.0.113.99")
		out, err = c.CombinedOutput()
		var exit *emulator.ExitError
		if !errors.As(err, &exit) || exit.Code != 1 || c.ExitCode() != 1 {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// What a program sees is the lab's: hosts, name servers, processes, interfaces; nothing of the host's network.
func TestWhatAProgramSees(t *testing.T) {
	need(t, "ip")
	p := newPair(t, "full-cone", vnet.LinkConfig{}, emulator.Auto)
	out, err := p.in.Command("sh", "-c", "cat /etc/hosts /etc/resolv.conf; ls -d /proc/[0-9]*; ip -br address; ip route").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{outside + " server.example", "# the lab has no DNS server", "/proc/1\n", "eth0", "default via 192.168.1.1"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := strings.Count(string(out), "/proc/"); n > 4 {
		t.Errorf("%d processes:\n%s", n, out)
	}
}

func TestExitStatus(t *testing.T) {
	p := newPair(t, "full-cone", vnet.LinkConfig{}, emulator.Auto)
	for _, c := range []struct {
		script string
		code   int
	}{{"exit 0", 0}, {"exit 7", 7}, {"kill -9 $$", 128 + 9}, {"kill -TERM $$", 128 + 15}, {"sleep 1000 & exit 3", 3}} {
		cmd := p.in.Command("sh", "-c", c.script)
		err := cmd.Run()
		if cmd.ExitCode() != c.code || (err == nil) != (c.code == 0) {
			t.Errorf("%s: %v, %d", c.script, err, cmd.ExitCode())
		}
	}
	if err := p.in.Command("no-such-program").Run(); err == nil {
		t.Error("no such program, and no error")
	}
	if err := p.in.Command("/etc/hosts").Run(); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Error(err)
	}
}

// Signals go to the program; a context that is done kills all of it, and so does closing the namespace.
func TestSignals(t *testing.T) {
	p := newPair(t, "full-cone", vnet.LinkConfig{}, emulator.Auto)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := p.in.Command("sh", "-c", "trap 'exit 42' USR1; echo ready; while :; do sleep 0.01; done")
	c.Stdout = w
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := c.Signal(signalUSR1); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); c.ExitCode() != 42 {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c = p.in.CommandContext(ctx, "sleep", "1000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := c.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	c = p.in.Command("sleep", "1000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := p.in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); c.ExitCode() != 128+9 {
		t.Errorf("%v", err)
	}
	if err := p.in.Command("true").Run(); !errors.Is(err, emulator.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestConfigsThatAreNone(t *testing.T) {
	lab, err := vnet.New(vnet.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	site, err := lab.Internet().AddSite("dc", vnet.SiteConfig{Prefix: prefix("203.0.113.0/24"), Hosts: vnet.Native})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []emulator.Config{
		{},
		{Addrs: []netip.Addr{addr("10.0.0.1")}},
		{Addrs: []netip.Addr{addr(outside)}, MTU: 10},
		{Addrs: []netip.Addr{addr(outside6)}, MTU: 1000},
		{Addrs: []netip.Addr{addr(outside)}, Driver: 9},
	} {
		if _, err := emulator.Attach(site, "program", c); err == nil {
			t.Errorf("%+v: attached", c)
		}
	}
}
