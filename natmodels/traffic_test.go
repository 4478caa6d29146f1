package natmodels

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// traffic makes packets of every protocol in a small world, so that they meet.
type traffic struct {
	*rand.Rand
	external []netip.AddrPort // seen
	now      time.Time
}

var (
	trafficHosts   = []netip.Addr{insideA.Addr(), insideB.Addr(), netip.MustParseAddr("10.0.0.4")}
	trafficRemotes = []netip.Addr{remoteY1.Addr(), remoteY2.Addr()}
	trafficPorts   = []uint16{5060, 5061, 53, 700}
)

func pick[T any](t *traffic, list []T) T { return list[t.IntN(len(list))] }

func (t *traffic) inside() netip.AddrPort {
	return netip.AddrPortFrom(pick(t, trafficHosts), pick(t, trafficPorts))
}

func (t *traffic) remote() netip.AddrPort {
	return netip.AddrPortFrom(pick(t, trafficRemotes), pick(t, trafficPorts))
}

// outside is where a packet from the outside goes: to something seen, most often.
func (t *traffic) outside() netip.AddrPort {
	if len(t.external) > 0 && t.IntN(8) > 0 {
		return pick(t, t.external)
	}
	return netip.AddrPortFrom(outsideA, pick(t, trafficPorts))
}

// plain makes a packet that is no ICMP error.
func (t *traffic) plain(src, dst netip.AddrPort) Packet {
	switch t.IntN(4) {
	case 0:
		p := tcp(pick(t, []TCPFlags{SYN, SYN | ACK, ACK, ACK, FIN | ACK, RST, 0}), src, dst)
		p.Seq, p.Ack = t.Uint32N(3), t.Uint32N(3)
		return p
	case 1:
		return echo(pick(t, []uint8{EchoRequest, EchoReply}), src.Addr(), dst.Addr(), dst.Port())
	}
	return Packet{Protocol: UDP, Src: src, Dst: dst}
}

// send lets some time pass and plays one packet to a NAT.
func (t *traffic) send(n *NAT) Verdict {
	if t.IntN(4) == 0 {
		t.now = t.now.Add(time.Duration(t.Int64N(int64(90 * time.Second))))
	}
	src, dst, send := t.inside(), t.remote(), n.Outbound
	outward := t.IntN(2) == 0
	if outward && t.IntN(6) == 0 {
		dst = t.outside() // hairpin
	}
	if !outward {
		src, dst, send = t.remote(), t.outside(), n.Inbound
	}
	p := t.plain(src, dst)
	if t.IntN(6) == 0 {
		quoted := t.plain(dst, src) // a packet that came the other way
		p = icmpError(pick(t, []uint8{DestUnreachable, TimeExceeded}), 0, src.Addr(), dst.Addr(), quoted)
	}
	before := p
	v := send(p, t.now)
	if !p.Equal(before) {
		panic("the packet was written to")
	}
	if outward && v.Action == Forward && v.Packet.Quoted == nil {
		t.external = append(t.external, v.Packet.Src)
	}
	return v
}

// eachDevice calls f for every preset and device that has one address or more.
func eachDevice(t *testing.T, f func(t *testing.T, cfg Config)) {
	for _, name := range append(PresetNames()[1:], DeviceNames()...) {
		cfg, err := Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Kind != Firewall {
			cfg.External = []netip.Addr{outsideA, outsideB}
		}
		t.Run(name, func(t *testing.T) { f(t, cfg) })
	}
}

// TestConservation: counters add up, tables empty themselves, nothing is shared that
// must not be, for every device and any mixture of protocols.
func TestConservation(t *testing.T) {
	eachDevice(t, func(t *testing.T, cfg Config) {
		for seed := range uint64(5) {
			n, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			tr := &traffic{Rand: rand.New(rand.NewPCG(seed, 1)), now: benchStart}
			for range 2000 {
				p := tr.send(n)
				if n.Explain(p) == "" {
					t.Fatalf("%+v: no explanation", p)
				}
			}
			conserved(t, n, tr.now)
			tr.now = tr.now.Add(6 * 24 * time.Hour)
			conserved(t, n, tr.now)
			if left := n.Mappings(tr.now); len(left) > 0 {
				t.Fatalf("%v outlive everything", left)
			}
			tablesEmpty(t, n)
		}
	})
}

func conserved(t *testing.T, n *NAT, now time.Time) {
	t.Helper()
	s := n.Stats(now)
	if s.Outbound+s.Inbound != s.Forwarded+s.Hairpinned+s.Replied+s.DroppedTotal() {
		t.Fatalf("packets are not conserved: %+v", s)
	}
	if s.Created != s.Expired+s.Flushed+s.Renumbered+s.Closed+s.Evicted+s.Live || int(s.Live+s.Static) != len(n.Mappings(now)) {
		t.Fatalf("mappings are not conserved: %+v", s)
	}
	type key struct {
		protocol         Protocol
		external, remote netip.AddrPort
	}
	holders := map[key]MappingInfo{}
	for _, m := range n.Mappings(now) {
		k := key{m.Protocol, m.External, netip.AddrPort{}}
		if n.tracker != nil { // only the pair with the remote endpoint is anybody's own
			k.remote = m.Remote
		}
		if other, taken := holders[k]; taken && n.cfg.Kind != Firewall && m.Protocol != ICMP {
			t.Fatalf("%v and %v share %v", other, m, k)
		}
		holders[k] = m
	}
}

func tablesEmpty(t *testing.T, n *NAT) {
	t.Helper()
	left := n.byFlow.count + n.byGrant.count + n.bySession.count + len(n.groups)
	if k := n.tracker; k != nil {
		left += k.byTuple.count + k.bySender.newer.count + k.byHolder.newer.count
	}
	for _, p := range n.pools {
		for sp := range p.ports {
			left += p.ports[sp].inUse
		}
	}
	if left != 0 {
		t.Fatalf("%d entries are left in the tables", left)
	}
}

// TestSnapshot: saved and restored, a NAT has the same future, and the future of one
// is nothing to the other.
func TestSnapshot(t *testing.T) {
	eachDevice(t, func(t *testing.T, cfg Config) {
		n, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		past := &traffic{Rand: rand.New(rand.NewPCG(1, 2)), now: benchStart}
		for range 300 {
			past.send(n)
		}
		saved := n.Snapshot()
		future := func(n *NAT) (list []string) {
			tr := &traffic{Rand: rand.New(rand.NewPCG(3, 4)), now: past.now, external: slices.Clone(past.external)}
			for range 300 {
				v := tr.send(n)
				list = append(list, v.Packet.String()+" "+n.Explain(v))
			}
			for _, m := range n.Mappings(tr.now) {
				list = append(list, m.String())
			}
			return list
		}
		first := future(n)
		for range 2 {
			if again := future(saved.Restore()); !slices.Equal(first, again) {
				for i := range first {
					if i < len(again) && first[i] != again[i] {
						t.Fatalf("step %d: %s\nrestored: %s", i, first[i], again[i])
					}
				}
				t.Fatal("different futures")
			}
		}
	})
}

// FuzzTraffic is TestConservation under the control of the fuzzer.
func FuzzTraffic(f *testing.F) {
	for i := range uint8(4) {
		f.Add(uint64(i), i*9)
	}
	names := append(PresetNames()[1:], DeviceNames()...)
	f.Fuzz(func(t *testing.T, seed uint64, device uint8) {
		cfg, _ := Preset(names[int(device)%len(names)])
		if cfg.Kind != Firewall {
			cfg.External = []netip.Addr{outsideA, outsideB}
		}
		cfg.Seed = seed
		n, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		tr := &traffic{Rand: rand.New(rand.NewPCG(seed, 1)), now: benchStart}
		for range 200 {
			tr.send(n)
		}
		conserved(t, n, tr.now)
	})
}
