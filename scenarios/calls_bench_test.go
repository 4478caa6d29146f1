//go:build unix

package scenarios_test

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/vnet"
)

// BenchmarkCalls has N calls talk in one lab: 50 RTP packets a second each way, and RTCP, from
// sockets of their own, through two NATs that filter by port. Either all callers are behind one
// carrier NAT and all callees behind another, or everybody is behind a NAT of their own; or
// there is none, and everybody has a public site. All of it runs on one processor; the figures are of the time after the calls are up:
//
//	cpu-ns/packet   user and system time of the process for each packet that a host sent
//	virtual-s/s     seconds of the lab in a second of the machine
//	virtual-s/cpu-s the same in a second of that time: what a core of one's own would do
//	KiB/call        heap and stacks, after a collection: hosts, sockets, streams, NATs
func BenchmarkCalls(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // as the command does
	for _, bench := range []struct {
		nats  string
		hosts vnet.HostKind
		link  vnet.LinkConfig
		calls []int
	}{
		{"carrier", vnet.Native, vnet.LinkConfig{}, []int{10, 100, 1000}},
		{"home", vnet.Native, vnet.LinkConfig{}, []int{10, 100, 1000}},
		{"home", vnet.Native, vnet.LinkConfig{Latency: 10 * time.Millisecond}, []int{10, 100, 1000}},
		{"home", vnet.Pion, vnet.LinkConfig{}, []int{10, 100}},
		{"none", vnet.Native, vnet.LinkConfig{}, []int{10, 100, 1000}},
	} {
		for _, n := range bench.calls {
			b.Run(fmt.Sprintf("nats=%s,hosts=%v,delay=%v/calls=%d", bench.nats, bench.hosts, bench.link.Latency, n), func(b *testing.B) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // here: package testing sets it for each benchmark
				var sum talked
				for b.Loop() {
					t := exchange{calls: make([]call, n), nat: bench.nats, hosts: bench.hosts, link: bench.link}
					var failed error
					leak := bubble.Run(func() { failed = t.play() })
					if err := errors.Join(failed, leak); err != nil {
						b.Fatal(err)
					}
					sum.packets += t.talked.packets
					sum.cpu += t.talked.cpu
					sum.real += t.talked.real
					sum.virtual += t.talked.virtual
					sum.bytes = t.talked.bytes
				}
				b.ReportMetric(float64(sum.cpu.Nanoseconds())/float64(sum.packets), "cpu-ns/packet")
				b.ReportMetric(sum.virtual.Seconds()/sum.real.Seconds(), "virtual-s/s")
				b.ReportMetric(sum.virtual.Seconds()/sum.cpu.Seconds(), "virtual-s/cpu-s")
				b.ReportMetric(sum.bytes/float64(n)/1024, "KiB/call")
			})
		}
	}
}

// exchange is a lab full of calls.
type exchange struct {
	calls []call
	nat   string // "carrier": one for all callers and one for all callees; "home": everybody's own; "none"
	hosts vnet.HostKind
	link  vnet.LinkConfig // of the NATs

	lab    *vnet.Lab
	sites  [2]*vnet.Site
	nats   [2]netip.Addr
	talked talked
}

// talked is what was measured.
type talked struct {
	packets            uint64
	cpu, real, virtual time.Duration
	bytes              float64
}

// call is a pair of streams: the caller's and the callee's.
type call [2]leg

type leg struct {
	stream *media.Stream
	public netip.Addr
	rtp    uint16
}

// play sets up the calls, lets them talk, and measures.
func (x *exchange) play() (err error) {
	before := inUse()
	if x.lab, err = vnet.New(vnet.Config{Seed: 1, DiscardTrace: true}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.lab.Close()) }()
	defer func() {
		for _, c := range x.calls {
			for _, l := range c {
				if l.stream != nil {
					err = errors.Join(err, l.stream.Close())
				}
			}
		}
	}()
	for i := range x.calls {
		for side := range x.calls[i] {
			if err := x.attach(i, side); err != nil {
				return err
			}
		}
	}
	for i := range x.calls { // spread over the 20 ms of a packet, no two at one nanosecond
		time.Sleep(20 * time.Millisecond / time.Duration(len(x.calls)))
		for side, l := range x.calls[i] {
			peer := x.calls[i][1-side]
			if err := l.stream.Start(netip.AddrPortFrom(peer.public, peer.rtp), netip.AddrPortFrom(peer.public, peer.rtp+1)); err != nil {
				return err
			}
			time.Sleep(time.Microsecond)
		}
	}
	time.Sleep(time.Second)
	x.talked.bytes = inUse() - before
	return x.measure(max(3*time.Second, time.Minute/time.Duration(len(x.calls))))
}

// measure lets the calls talk for a while, and checks that everybody heard everything.
func (x *exchange) measure(virtual time.Duration) error {
	var before []uint64
	for _, c := range x.calls {
		for _, l := range c {
			before = append(before, l.stream.Stats().RTPReceived)
		}
	}
	packets, cpu, start := x.lab.Stats().Sent, cpuTime(), realTime()
	time.Sleep(virtual)
	x.talked.cpu, x.talked.real, x.talked.virtual = cpuTime()-cpu, realTime()-start, virtual
	x.talked.packets = x.lab.Stats().Sent - packets
	want := uint64(virtual / (20 * time.Millisecond))
	for i, c := range x.calls {
		for side, l := range c {
			if got := l.stream.Stats().RTPReceived - before[2*i+side]; got+1 < want || got > want+1 {
				return fmt.Errorf("call %d: end %d heard %d packets, want %d", i, side, got, want)
			}
		}
	}
	return nil
}

// attach makes one end of a call.
func (x *exchange) attach(i, side int) error {
	site, public := x.sites[side], x.nats[side]
	if site == nil || x.nat != "carrier" {
		var err error
		attach := x.behindNAT
		if x.nat == "none" {
			attach = x.inPublic
		}
		if site, public, err = attach(i, side); err != nil {
			return err
		}
		x.sites[side], x.nats[side] = site, public
	}
	host, err := site.AddHost(fmt.Sprintf("phone-%d-%d", i, side))
	if err != nil {
		return err
	}
	l := &x.calls[i][side]
	l.public, l.rtp = public, uint16(10_000+2*i) // the NAT keeps ports where it can
	rtp, err := host.Listen(netip.AddrPortFrom(host.Addr(), l.rtp))
	if err != nil {
		return err
	}
	rtcp, err := host.Listen(netip.AddrPortFrom(host.Addr(), l.rtp+1))
	if err != nil {
		return err
	}
	l.stream, err = media.New(media.Config{RTP: rtp, RTCP: rtcp, Seed: uint64(i)})
	return err
}

// behindNAT makes a NAT with a network inside.
func (x *exchange) behindNAT(i, side int) (*vnet.Site, netip.Addr, error) {
	nat, err := catalogue.Lookup("port-restricted")
	if err != nil {
		return nil, netip.Addr{}, err
	}
	public := netip.AddrFrom4([4]byte{198, 18 + byte(side), byte(i >> 8), byte(i)})
	name := fmt.Sprintf("nat-%d-%d", i, side)
	gw, err := x.lab.Internet().AddGateway(name, vnet.GatewayConfig{
		NAT: nat, Link: x.link, Place: natmodels.Place{External: []netip.Addr{public}, Seed: uint64(i)}})
	if err != nil {
		return nil, netip.Addr{}, err
	}
	site, err := gw.Inside().AddSite("behind "+name, vnet.SiteConfig{Prefix: netip.MustParsePrefix("10.0.0.0/16"), Hosts: x.hosts})
	return site, public, err
}

// inPublic makes a public network for one phone.
func (x *exchange) inPublic(i, side int) (*vnet.Site, netip.Addr, error) {
	net := [4]byte{198, 18 + byte(side), byte(i >> 6), byte(i << 2)}
	site, err := x.lab.Internet().AddSite(fmt.Sprintf("site-%d-%d", i, side), vnet.SiteConfig{
		Prefix: netip.PrefixFrom(netip.AddrFrom4(net), 30), Hosts: x.hosts, Link: x.link})
	net[3] += 2
	return site, netip.AddrFrom4(net), err
}

// cpuTime is what the process has used so far, user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// realTime is the machine's clock, which time.Now is not in a bubble.
func realTime() time.Duration {
	var t syscall.Timeval
	if syscall.Gettimeofday(&t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
