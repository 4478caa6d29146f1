package emulator_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/vnet"
)

// A burst of datagrams, which are read, carried and written together, comes whole and in order; both families.
func TestBurst(t *testing.T) {
	both(t, func(t *testing.T, d emulator.Driver) {
		t.Run("IPv4", func(t *testing.T) {
			p := newPair(t, "linux-masquerade", vnet.LinkConfig{}, d)
			burst(t, p.in, p.out, ap(outside+":7000"))
			t.Logf("%+v", p.out.Stats())
		})
		t.Run("IPv6", func(t *testing.T) {
			lab, err := vnet.New(vnet.Config{DiscardTrace: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { lab.Close() })
			in := attach(t, lab.Internet(), "home", "2001:db8:1::/64", d, addr(inside6))
			out := attach(t, lab.Internet(), "dc", "2001:db8:2::/64", d, addr(outside6))
			burst(t, in, out, netip.AddrPortFrom(addr(outside6), 7000))
			if n := lab.Stats().Dropped[vnet.Spoofed]; n > 0 {
				t.Errorf("%d packets of link-local addresses came to the lab", n)
			}
		})
	})
}

func burst(t *testing.T, in, out *emulator.Namespace, to netip.AddrPort) {
	t.Helper()
	server, err := out.ListenUDP(to)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.SetReadBuffer(4 << 20)
	any := netip.AddrPortFrom(netip.IPv4Unspecified(), 5060)
	if to.Addr().Is6() {
		any = netip.AddrPortFrom(netip.IPv6Unspecified(), 5060)
	}
	client, err := in.ListenUDP(any)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const n = 20_000
	window := make(chan struct{}, 100)
	go func() {
		for i := range n {
			window <- struct{}{}
			b := make([]byte, 4+[...]int{172, 172, 172, 60, 1400}[i%5]) // of one length in a row, and not
			binary.BigEndian.PutUint32(b, uint32(i))
			b[len(b)-1] = byte(i)
			if _, err := client.WriteToUDPAddrPort(b, to); err != nil {
				t.Error(err)
			}
		}
	}()
	buf := make([]byte, 2000)
	for i := range n {
		server.SetReadDeadline(time.Now().Add(patience))
		k, _, err := server.ReadFromUDPAddrPort(buf)
		<-window
		if err != nil || int(binary.BigEndian.Uint32(buf)) != i || k != 4+[...]int{172, 172, 172, 60, 1400}[i%5] || buf[k-1] != byte(i) {
			t.Fatalf("%d: %d bytes of number %d, %v; %+v; %+v", i, k, binary.BigEndian.Uint32(buf), err, in.Stats(), out.Stats())
		}
	}
}

// The kernel learns what a path carries, from inside and from outside (RFC 1191).
func TestPathMTU(t *testing.T) {
	both(t, func(t *testing.T, d emulator.Driver) {
		p := newPair(t, "linux-masquerade", vnet.LinkConfig{MTU: 1300}, d)
		server, err := p.out.ListenUDP(ap(outside + ":7000"))
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		c, err := p.in.Dial(t.Context(), "udp", outside+":7000")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 2000)
		_, from, err := server.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatal(err)
		}
		var back net.Conn
		if err := p.out.Do(func() (err error) {
			server.Close()
			back, err = net.DialUDP("udp4", net.UDPAddrFromAddrPort(ap(outside+":7000")), net.UDPAddrFromAddrPort(from))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		defer back.Close()
		for _, end := range []net.Conn{c, back} {
			if got := pathMTU(t, end); got != 1300 {
				t.Errorf("%v: a path MTU of %d", end.LocalAddr(), got)
			}
		}
		if n := p.lab.Stats().Dropped[vnet.MTUExceeded]; n == 0 {
			t.Error("nothing was too big")
		}
	})
}

// pathMTU sends what is too big until the kernel says so.
func pathMTU(t *testing.T, c net.Conn) (mtu int) {
	t.Helper()
	raw, err := c.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	big := make([]byte, 1400)
	for range patience / (10 * time.Millisecond) {
		if _, err := c.Write(big); errors.Is(err, unix.EMSGSIZE) {
			break
		}
		time.Sleep(10 * time.Millisecond) // the answer of the network is on its way
	}
	raw.Control(func(fd uintptr) { mtu, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU) })
	if err != nil {
		t.Fatal(err)
	}
	return mtu
}

// Each router on the way answers a packet whose hops are used up; a closed port answers too.
func TestTraceroute(t *testing.T) {
	need(t, "traceroute")
	p := newPair(t, "port-restricted", vnet.LinkConfig{}, emulator.Auto)
	out, err := p.in.Command("traceroute", "-n", "-q", "1", "-w", "60,0,0", outside).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var hops []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] != "traceroute" {
			hops = append(hops, f[1])
		}
	}
	if got := strings.Join(hops, " "); got != "192.168.1.1 192.0.0.8 "+outside {
		t.Errorf("%s\n%s", got, out)
	}
}

// A real connection that is refused, and one that nobody answers.
func TestClosedPort(t *testing.T) {
	p := newPair(t, "port-restricted", vnet.LinkConfig{}, emulator.Auto)
	if _, err := p.in.Dial(t.Context(), "tcp", outside+":1"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Error(err)
	}
	c, err := p.in.Dial(t.Context(), "udp", outside+":1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("x"))
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNREFUSED) {
		t.Error(err)
	}
	if _, err := p.in.Dial(t.Context(), "tcp", "nowhere:1"); err == nil {
		t.Error("a name that nobody has")
	}
}

// A program shares its site with hosts of the lab.
func TestNeighbours(t *testing.T) {
	both(t, func(t *testing.T, d emulator.Driver) {
		lab, err := vnet.New(vnet.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { lab.Close() })
		n := attach(t, lab.Internet(), "dc", "203.0.113.0/24", d, addr(outside))
		host, err := n.Port().Site().AddHost("host", addr("203.0.113.20"))
		if err != nil {
			t.Fatal(err)
		}
		virtual, err := host.Listen(ap("203.0.113.20:5060"))
		if err != nil {
			t.Fatal(err)
		}
		real, err := n.ListenUDP(ap(outside + ":5060"))
		if err != nil {
			t.Fatal(err)
		}
		defer real.Close()
		if _, err := virtual.WriteToUDPAddrPort([]byte("ping"), ap(outside+":5060")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 10)
		real.SetReadDeadline(time.Now().Add(patience))
		k, from, err := real.ReadFromUDPAddrPort(buf)
		if err != nil || string(buf[:k]) != "ping" || from != ap("203.0.113.20:5060") {
			t.Fatalf("%q from %v, %v", buf[:k], from, err)
		}
		if _, err := real.WriteToUDPAddrPort([]byte("pong"), from); err != nil {
			t.Fatal(err)
		}
		virtual.SetReadDeadline(time.Now().Add(patience))
		if k, from, err := virtual.ReadFromUDPAddrPort(buf); err != nil || string(buf[:k]) != "pong" || from != ap(outside+":5060") {
			t.Errorf("%q from %v, %v", buf[:k], from, err)
		}
		for _, e := range lab.Trace() {
			if e.Kind == vnet.Dropped && e.Proto == natmodels.UDP {
				t.Error(e)
			}
		}
	})
}

// curl fetches a file from a server of this process through the NAT.
func TestCurl(t *testing.T) {
	need(t, "curl")
	p := newPair(t, "symmetric", vnet.LinkConfig{Latency: time.Millisecond}, emulator.Auto)
	l, err := p.out.ListenTCP(ap(outside + ":80"))
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("natproof\n", 100_000)
	var from string
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from = r.RemoteAddr
		io.WriteString(w, body)
	})}
	go server.Serve(l)
	defer server.Close()
	out, err := p.in.Command("curl", "-sS", "http://server.example/").Output()
	if err != nil || string(out) != body || !strings.HasPrefix(from, external+":") {
		t.Errorf("%d bytes of %d, asked from %s, %v", len(out), len(body), from, err)
	}
}

// A program may remove its interface: nothing comes from it any more, and it is said why.
func TestBroken(t *testing.T) {
	need(t, "ip")
	both(t, func(t *testing.T, d emulator.Driver) {
		p := newPair(t, "none", vnet.LinkConfig{}, d)
		if err := p.in.Err(); err != nil {
			t.Fatal(err)
		}
		if out, err := p.in.Command("ip", "link", "delete", "eth0").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for range patience / (10 * time.Millisecond) {
			if p.in.Err() != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error("nobody has noticed")
	})
}
