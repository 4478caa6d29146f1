package emulator_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/vnet"
)

// loadVar has the test binary be a generator of load: what to do, and the address of the far end.
const loadVar = "NATPROOF_TEST_LOAD"

// beLoad does what the variable says and writes one number.
func beLoad(order string) {
	what, rest, _ := strings.Cut(order, " ")
	to, number, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(number)
	cpu := 1
	if what == "sink" || what == "tcp-sink" || what == "pong" {
		cpu = 0
	}
	var set unix.CPUSet
	set.Set(cpu % runtime.NumCPU())
	runtime.LockOSThread()
	unix.SchedSetaffinity(0, &set)
	runtime.GOMAXPROCS(1)
	got, err := map[string]func(string, int) (float64, error){
		"sink": udpSink, "flood": udpFlood, "pong": udpPong, "ping": udpPing, "tcp-sink": tcpSink, "tcp": tcpSource,
	}[what](to, n)
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(got)
	os.Exit(0)
}

const (
	loadSize = 172 // of a datagram: 20 ms of G.711
	loadTime = 2 * time.Second
)

// udpSink counts datagrams until none has come for half a second.
func udpSink(at string, _ int) (float64, error) {
	c, err := net.ListenPacket("udp4", at)
	if err != nil {
		return 0, err
	}
	c.(*net.UDPConn).SetReadBuffer(4 << 20)
	raw, _ := c.(*net.UDPConn).SyscallConn()
	fmt.Println("ready")
	buf := make([]byte, 2000)
	count := 0
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		done := false
		err := raw.Read(func(fd uintptr) bool {
			for {
				_, _, err := unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
				if errors.Is(err, unix.EAGAIN) {
					return done
				}
				count, done = count+1, true
			}
		})
		if err != nil {
			return float64(count), nil
		}
		c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	}
}

// udpFlood sends as much as it can, or so many a second, and says how many these were.
func udpFlood(to string, rate int) (float64, error) {
	c, err := net.Dial("udp4", to)
	if err != nil {
		return 0, err
	}
	b := make([]byte, loadSize)
	raw, _ := c.(*net.UDPConn).SyscallConn()
	count, start := 0, time.Now()
	for time.Since(start) < loadTime {
		batch := 16
		if rate > 0 {
			if batch = int(time.Since(start).Seconds()*float64(rate)) - count; batch <= 0 {
				continue
			}
		}
		raw.Write(func(fd uintptr) bool {
			for range batch {
				if unix.Send(int(fd), b, 0) == nil {
					count++
				}
			}
			return true
		})
	}
	return float64(count), nil
}

func udpPong(at string, n int) (float64, error) {
	c, err := net.ListenPacket("udp4", at)
	if err != nil {
		return 0, err
	}
	fmt.Println("ready")
	b := make([]byte, 2000)
	for range n {
		k, from, err := c.ReadFrom(b)
		if err != nil {
			return 0, err
		}
		c.WriteTo(b[:k], from)
	}
	return float64(n), nil
}

// udpPing is the median of round trips, in microseconds.
func udpPing(to string, n int) (float64, error) {
	c, err := net.Dial("udp4", to)
	if err != nil {
		return 0, err
	}
	b := make([]byte, loadSize)
	all := make([]time.Duration, n)
	for i := range all {
		binary.BigEndian.PutUint32(b, uint32(i))
		start := time.Now()
		c.Write(b)
		c.SetReadDeadline(start.Add(5 * time.Second))
		if _, err := c.Read(b); err != nil {
			return 0, err
		}
		all[i] = time.Since(start)
	}
	slices.Sort(all)
	return float64(all[n/2].Nanoseconds()) / 1e3, nil
}

func tcpSink(at string, _ int) (float64, error) {
	l, err := net.Listen("tcp4", at)
	if err != nil {
		return 0, err
	}
	fmt.Println("ready")
	c, err := l.Accept()
	if err != nil {
		return 0, err
	}
	start, buf, n := time.Now(), make([]byte, 1<<20), 0
	for {
		k, err := c.Read(buf)
		n += k
		if err == io.EOF {
			return float64(n) * 8 / time.Since(start).Seconds() / 1e9, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

func tcpSource(to string, _ int) (float64, error) {
	c, err := net.Dial("tcp4", to)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	b := make([]byte, 1<<20)
	for start := time.Now(); time.Since(start) < loadTime; {
		if _, err := c.Write(b); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// ends are two namespaces and the address of one of them.
type ends struct {
	name    string
	in, out string // paths
	at      string
}

// run runs a server and a client and says what both have measured.
func (e ends) run(b *testing.B, server, client string, n int) (far, near float64) {
	b.Helper()
	start := func(ns, order string) (*exec.Cmd, io.Reader) {
		c := exec.Command("nsenter", "--net="+ns, "/proc/self/exe")
		self, err := os.Executable()
		if err != nil {
			b.Fatal(err)
		}
		c.Args[2] = self
		c.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", loadVar, order, e.at, n))
		out, err := c.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Start(); err != nil {
			b.Fatal(err)
		}
		return c, out
	}
	s, fromServer := start(e.out, server)
	ready := make([]byte, 6)
	if _, err := io.ReadFull(fromServer, ready); err != nil {
		b.Fatal(err)
	}
	c, fromClient := start(e.in, client)
	number := func(r io.Reader) float64 {
		text, _ := io.ReadAll(r)
		v, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
		if err != nil {
			b.Fatalf("%s: %s", e.name, text)
		}
		return v
	}
	near, far = number(fromClient), number(fromServer)
	c.Wait()
	s.Wait()
	return far, near
}

// kernelRouter is a router with nftables masquerade between two veth pairs, as a host does NAT for containers.
func kernelRouter(b testing.TB) ends {
	b.Helper()
	for _, command := range []string{"ip", "nft", "nsenter"} {
		if _, err := exec.LookPath(command); err != nil {
			b.Skip(err)
		}
	}
	keeper := func() string { // a thread keeps a namespace until the benchmark ends
		made, over := make(chan int), make(chan struct{})
		go func() {
			runtime.LockOSThread()
			if unix.Unshare(unix.CLONE_NEWNET) != nil {
				made <- 0
				return
			}
			made <- unix.Gettid()
			<-over
		}()
		tid := <-made
		if tid == 0 {
			skip(b, emulator.ErrNoNamespace)
		}
		b.Cleanup(func() { close(over) })
		return strconv.Itoa(tid)
	}
	in, router, out := keeper(), keeper(), keeper()
	script := strings.NewReplacer("IN", in, "ROUTER", router, "OUT", out).Replace(`set -e
nsenter --net=/proc/ROUTER/ns/net sh -e -c '
ip link add in0 type veth peer name eth0 netns IN
ip link add out0 type veth peer name eth0 netns OUT
ip addr add 192.168.1.1/24 dev in0
ip addr add 203.0.113.1/24 dev out0
ip link set in0 up; ip link set out0 up
echo 1 > /proc/sys/net/ipv4/ip_forward
nft add table ip nat
nft add chain ip nat post "{ type nat hook postrouting priority 100; }"
nft add rule ip nat post oifname out0 masquerade'
nsenter --net=/proc/IN/ns/net sh -e -c 'ip addr add 192.168.1.10/24 dev eth0; ip link set eth0 up; ip link set lo up; ip route add default via 192.168.1.1'
nsenter --net=/proc/OUT/ns/net sh -e -c 'ip addr add 203.0.113.10/24 dev eth0; ip link set eth0 up; ip link set lo up; ip route add default via 203.0.113.1'
`)
	if text, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, text)
	}
	return ends{"kernel", "/proc/" + in + "/ns/net", "/proc/" + out + "/ns/net", outside + ":7000"}
}

// BenchmarkBesideTheKernel is the emulator with the model of Linux masquerade beside Linux masquerade itself, over veth:
// the same generators of load, each on a processor of its own, in turn. Figures are medians of the rounds, ratios those to
// the kernel's of the same round.
func BenchmarkBesideTheKernel(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // as the command does
	kernel := kernelRouter(b)
	for _, d := range []emulator.Driver{emulator.TUN, emulator.Ring} {
		b.Run(d.String(), func(b *testing.B) {
			p := newPair(b, "linux-masquerade", vnet.LinkConfig{}, d)
			ours := ends{d.String(), p.in.Path(), p.out.Path(), netip.AddrPortFrom(addr(outside), 7000).String()}
			for _, c := range []struct {
				name  string
				round func(*testing.B, ends, ends, figures)
			}{{"udp", besideUDP}, {"tcp", besideTCP}, {"rtt", besideRTT}} {
				b.Run(c.name, func(b *testing.B) {
					f := figures{}
					for b.Loop() {
						c.round(b, kernel, ours, f)
					}
					f.report(b)
					b.Logf("%+v %+v", p.in.Stats(), p.out.Stats())
				})
			}
		})
	}
}

// figures are the values of each round, by their unit.
type figures map[string][]float64

func (f figures) add(unit string, v float64) { f[unit] = append(f[unit], v) }

func (f figures) report(b *testing.B) {
	b.ReportMetric(0, "ns/op") // says nothing
	for unit, all := range f {
		slices.Sort(all)
		b.ReportMetric((all[(len(all)-1)/2]+all[len(all)/2])/2, unit)
	}
}

// besideUDP is small datagrams, as many as can be sent; then so many that a fifth of what comes is left free.
func besideUDP(b *testing.B, kernel, ours ends, f figures) {
	const seconds = float64(loadTime) / float64(time.Second)
	theirs, _ := kernel.run(b, "sink", "flood", 0)
	got, sent := ours.run(b, "sink", "flood", 0)
	f.add("udp-ratio", got/theirs)
	f.add("udp-kpps", got/seconds/1e3)
	f.add("udp-kernel-kpps", theirs/seconds/1e3)
	f.add("flood-loss-%", 100*(1-got/sent))
	got, sent = ours.run(b, "sink", "flood", int(0.8*got/seconds))
	f.add("loss-at-0.8-%", 100*(1-got/sent))
}

// besideTCP is one connection.
func besideTCP(b *testing.B, kernel, ours ends, f figures) {
	theirs, _ := kernel.run(b, "tcp-sink", "tcp", 0)
	got, _ := ours.run(b, "tcp-sink", "tcp", 0)
	f.add("tcp-ratio", got/theirs)
	f.add("tcp-gbit/s", got)
	f.add("tcp-kernel-gbit/s", theirs)
}

// besideRTT is one datagram at a time.
func besideRTT(b *testing.B, kernel, ours ends, f figures) {
	_, theirs := kernel.run(b, "pong", "ping", 20_000)
	_, got := ours.run(b, "pong", "ping", 20_000)
	f.add("rtt-more-us", got-theirs)
	f.add("rtt-us", got)
	f.add("rtt-kernel-us", theirs)
}
