package vnet_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/natmodels/sipalg"
	"github.com/natproof/natproof/natmodels/translate"
	"github.com/natproof/natproof/vnet"
)

// bench is a raw port behind a NAT and one on the internet. What came is kept.
type bench struct {
	lab         *vnet.Lab
	gw          *vnet.Gateway
	home, dc    *vnet.Site
	in, out     *vnet.Port
	atIn, atOut tray
}

// tray keeps what the core has put into it.
type tray struct {
	mu  sync.Mutex
	all [][]byte
}

func (t *tray) put(ip []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, bytes.Clone(ip))
}

func (t *tray) get() [][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.all)
}

func (t *tray) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = nil
}

const (
	inside = "10.0.0.2"
	middle = "198.51.100.1"
	far    = "203.0.113.10"
)

func newBench(lab *vnet.Lab, cfg vnet.GatewayConfig) (*bench, error) {
	b := &bench{lab: lab}
	if cfg.NAT == nil {
		cfg.NAT, _ = catalogue.Lookup("port-restricted")
	}
	cfg.Place = at(middle)
	var err error
	if b.gw, err = lab.Internet().AddGateway("nat", cfg); err != nil {
		return nil, err
	}
	if b.home, err = b.gw.Inside().AddSite("home", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("10.0.0.0/24")}); err != nil {
		return nil, err
	}
	if b.dc, err = lab.Internet().AddSite("dc", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("203.0.113.0/24")}); err != nil {
		return nil, err
	}
	if b.in, err = b.home.AddPort("in", b.atIn.put, addr(inside)); err != nil {
		return nil, err
	}
	b.out, err = b.dc.AddPort("out", b.atOut.put, addr(far))
	return b, err
}

// inBench plays f on a bench; it is an error if a packet that arrived has a wrong checksum.
func inBench(t *testing.T, cfg vnet.GatewayConfig, f func(b *bench) error) {
	t.Helper()
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		b, err := newBench(lab, cfg)
		if err != nil {
			return err
		}
		if err := f(b); err != nil {
			return fmt.Errorf("%w\n%v", err, trace(lab))
		}
		for _, ip := range slices.Concat(b.atIn.get(), b.atOut.get()) {
			v, err := ippacket.Parse(ip)
			if err == nil {
				err = v.Verify(ip)
			}
			if err != nil {
				return fmt.Errorf("%x: %w", ip, err)
			}
		}
		return nil
	})
}

func trace(lab *vnet.Lab) string {
	var s strings.Builder
	for _, e := range lab.Trace() {
		fmt.Fprintln(&s, e)
	}
	return s.String()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// udpFrom makes a datagram in bytes.
func datagram(h ippacket.Header, from, to string, payload []byte) []byte {
	return must(ippacket.AppendUDP(nil, h, ap(from), ap(to), payload))
}

// last parses the only packet that has come.
func last(all [][]byte) (ippacket.View, []byte, error) {
	if len(all) != 1 {
		return ippacket.View{}, nil, fmt.Errorf("%d packets came, want 1", len(all))
	}
	v, err := ippacket.Parse(all[0])
	return v, all[0], err
}

// Every kind of packet that a NAT translates goes through it in bytes, and the answer back:
// addresses, ports, identifiers, numbers, TTL and payload.
func TestBytesThroughANAT(t *testing.T) {
	h := ippacket.Header{TTL: 33, TOS: 0xb8, ID: 7}
	flow := natmodels.Packet{Protocol: natmodels.TCP, Src: ap(inside + ":4000"), Dst: ap(far + ":80"), Flags: natmodels.SYN, Seq: 99}
	for name, x := range map[string]struct {
		sent   []byte
		answer func(natmodels.Packet) []byte
	}{
		"udp": {datagram(h, inside+":4000", far+":53", []byte("hello")), func(p natmodels.Packet) []byte {
			return must(ippacket.AppendUDP(nil, h, p.Dst, p.Src, []byte("hello")))
		}},
		"tcp": {must(ippacket.AppendTCP(nil, h, flow, 1000, []byte("hello"))), func(p natmodels.Packet) []byte {
			p.Src, p.Dst, p.Flags, p.Ack = p.Dst, p.Src, natmodels.SYN|natmodels.ACK, 100
			return must(ippacket.AppendTCP(nil, h, p, 1000, []byte("hello")))
		}},
		"echo": {must(ippacket.AppendEcho(nil, h, natmodels.Packet{Protocol: natmodels.ICMP, Type: natmodels.EchoRequest,
			Src: ap(inside + ":9"), Dst: ap(far + ":9")}, 3, []byte("hello"))), func(p natmodels.Packet) []byte {
			p.Src, p.Dst, p.Type = p.Dst, p.Src, natmodels.EchoReply
			return must(ippacket.AppendEcho(nil, h, p, 3, []byte("hello")))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, vnet.GatewayConfig{}, func(b *bench) error {
				if err := b.in.Send(x.sent); err != nil {
					return err
				}
				time.Sleep(time.Second)
				v, ip, err := last(b.atOut.get())
				if err != nil || v.Packet.Src.Addr() != addr(middle) || v.TTL != 31 || v.TOS != 0xb8 || v.ID != 7 || string(v.Payload(ip)) != "hello" {
					return fmt.Errorf("%+v %q: %v", v, v.Payload(ip), err)
				}
				if err := b.out.Send(x.answer(v.Packet)); err != nil {
					return err
				}
				time.Sleep(time.Second)
				v, ip, err = last(b.atIn.get())
				if err != nil || v.Packet.Dst.Addr() != addr(inside) || v.TTL != 31 || string(v.Payload(ip)) != "hello" {
					return fmt.Errorf("answer %+v %q: %v", v, v.Payload(ip), err)
				}
				return nil
			})
		})
	}
}

// Between sockets and ports a packet is what it was: a socket's datagram gets its bytes.
func TestSocketsAndPorts(t *testing.T) {
	inBench(t, vnet.GatewayConfig{}, func(b *bench) error {
		h, err := b.home.AddHost("h")
		if err != nil {
			return err
		}
		c, err := h.Listen(netip.AddrPort{})
		if err != nil {
			return err
		}
		c.WriteToUDPAddrPort([]byte("ping"), ap(far+":53"))
		time.Sleep(time.Second)
		v, ip, err := last(b.atOut.get())
		if err != nil || string(v.Payload(ip)) != "ping" || !v.DF || v.TTL != 62 {
			return fmt.Errorf("%+v: %v", v, err)
		}
		spoiled := must(ippacket.AppendUDP(nil, ippacket.Header{}, v.Packet.Dst, v.Packet.Src, []byte("pong")))
		right := bytes.Clone(spoiled)
		spoiled[len(spoiled)-1] ^= 1
		b.out.Send(spoiled)
		b.out.Send(right)
		buf := make([]byte, 10)
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil || string(buf[:n]) != "pong" || from != ap(far+":53") {
			return fmt.Errorf("%q from %v: %v", buf[:n], from, err)
		}
		if n := b.lab.Stats().Dropped[vnet.Corrupted]; n != 1 {
			return fmt.Errorf("%d dropped for a wrong checksum", n)
		}
		return nil
	})
}

// A port that is closed is told through the NAT to a socket that is connected, once, and to no
// other.
func TestPortUnreachable(t *testing.T) {
	inBench(t, vnet.GatewayConfig{}, func(b *bench) error {
		h, _ := b.home.AddHost("h")
		server, err := b.dc.AddHost("server")
		if err != nil {
			return err
		}
		to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(server.Addr(), 9))
		connected, err := h.DialUDP("udp", nil, to)
		if err != nil {
			return err
		}
		other, err := h.Listen(netip.AddrPort{})
		if err != nil {
			return err
		}
		buf := make([]byte, 10)
		connected.Write([]byte("x"))
		if _, err := connected.Read(buf); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("read: %v", err)
		}
		connected.Write([]byte("x"))
		time.Sleep(time.Second)
		if _, err := connected.Write([]byte("x")); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("write: %v", err)
		}
		if _, err := connected.Write([]byte("x")); err != nil {
			return fmt.Errorf("second write: %v", err)
		}
		other.WriteTo([]byte("x"), to)
		other.SetReadDeadline(time.Now().Add(time.Second))
		if _, _, err := other.ReadFrom(buf); !errors.Is(err, syscall.ETIMEDOUT) && !strings.Contains(err.Error(), "timeout") {
			return fmt.Errorf("a socket that is not connected: %v", err)
		}
		return nil
	})
}

// A host answers echo requests, through the NAT.
func TestEcho(t *testing.T) {
	inBench(t, vnet.GatewayConfig{}, func(b *bench) error {
		server, err := b.dc.AddHost("server")
		if err != nil {
			return err
		}
		request := natmodels.Packet{Protocol: natmodels.ICMP, Type: natmodels.EchoRequest,
			Src: ap(inside + ":77"), Dst: netip.AddrPortFrom(server.Addr(), 77)}
		b.in.Send(must(ippacket.AppendEcho(nil, ippacket.Header{}, request, 5, []byte("data"))))
		time.Sleep(time.Second)
		v, ip, err := last(b.atIn.get())
		if _, reply := v.Packet.Echo(); err != nil || !reply || v.Packet.Dst != ap(inside+":77") || string(v.Payload(ip)) != "data" {
			return fmt.Errorf("%+v: %v", v, err)
		}
		return nil
	})
}

// Each hop answers when the TTL ends there: the router of the home, and one of the internet,
// whose error the NAT brings home.
func TestTraceroute(t *testing.T) {
	inBench(t, vnet.GatewayConfig{}, func(b *bench) error {
		for ttl, want := range []string{1: "10.0.0.1", 2: "192.0.0.8"} {
			if ttl == 0 {
				continue
			}
			b.atIn.clear()
			b.in.Send(datagram(ippacket.Header{TTL: uint8(ttl)}, inside+":4000", far+":33434", []byte("probe")))
			time.Sleep(time.Second)
			v, _, err := last(b.atIn.get())
			if err != nil || v.Packet.Type != natmodels.TimeExceeded || v.Packet.Src.Addr() != addr(want) || v.Packet.Quoted.Src != ap(inside+":4000") {
				return fmt.Errorf("ttl %d: %+v: %v", ttl, v, err)
			}
		}
		if len(b.atOut.get()) != 0 {
			return errors.New("a probe arrived")
		}
		return nil
	})
}

// What is too big for a link and must not be cut is answered with the MTU; a socket's host then
// sends fragments, which the NAT joins, and the far end too.
func TestPathMTU(t *testing.T) {
	inBench(t, vnet.GatewayConfig{Link: vnet.LinkConfig{MTU: 1000}}, func(b *bench) error {
		b.in.Send(datagram(ippacket.Header{DF: true}, inside+":4000", far+":53", make([]byte, 1200)))
		time.Sleep(time.Second)
		v, ip, err := last(b.atIn.get())
		if err != nil || v.Packet.Code != natmodels.FragmentationNeeded || v.Packet.Quoted.Src != ap(inside+":4000") {
			return fmt.Errorf("%+v: %v", v, err)
		}
		if mtu := int(ip[v.PayloadAt-2])<<8 | int(ip[v.PayloadAt-1]); mtu != 1000 {
			return fmt.Errorf("MTU %d", mtu)
		}
		h, _ := b.home.AddHost("h")
		server, err := b.dc.AddHost("server")
		if err != nil {
			return err
		}
		a, _ := h.Listen(netip.AddrPort{})
		z, err := server.Listen(netip.AddrPort{})
		if err != nil {
			return err
		}
		sent := bytes.Repeat([]byte("0123456789"), 300)
		a.WriteTo(sent, z.LocalAddr()) // lost: this is how the host learns
		time.Sleep(time.Second)
		a.WriteTo(sent, z.LocalAddr())
		buf := make([]byte, 4000)
		n, _, err := z.ReadFrom(buf)
		if err != nil || !bytes.Equal(buf[:n], sent) {
			return fmt.Errorf("%d bytes: %v", n, err)
		}
		if s := b.lab.Stats(); s.Fragments == 0 || s.Joined == 0 || s.Dropped[vnet.MTUExceeded] != 2 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

// Fragments in any order are joined, and go on in pieces; one that is lost is told in time; those
// that overlap are dropped; a gateway may take none.
func TestFragments(t *testing.T) {
	pieces := func(id uint16, size int) [][]byte {
		b := datagram(ippacket.Header{ID: id}, inside+":4000", far+":53", bytes.Repeat([]byte{'x'}, size))
		v := must(ippacket.Parse(b))
		return must(v.Fragment(b, 500))
	}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}} {
		inBench(t, vnet.GatewayConfig{}, func(b *bench) error {
			p := pieces(1, 1200)
			for _, i := range order {
				b.in.Send(p[i])
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Second)
			parts := must(ippacket.NewReassembler(ippacket.ReassemblerConfig{}))
			var whole []byte
			for _, ip := range b.atOut.get() {
				v := must(ippacket.Parse(ip))
				if len(ip) > 500 {
					return fmt.Errorf("a piece of %d bytes", len(ip))
				}
				whole = must(parts.Add(ip, &v, time.Now()))
			}
			v, err := ippacket.Parse(whole)
			if err == nil {
				err = v.Verify(whole)
			}
			if err != nil || len(v.Payload(whole)) != 1200 || v.Packet.Src.Addr() != addr(middle) {
				return fmt.Errorf("order %v: %+v: %v", order, v, err)
			}
			b.atOut.clear()
			return nil
		})
	}
	inBench(t, vnet.GatewayConfig{}, func(b *bench) error {
		b.in.Send(pieces(1, 1200)[0])
		answer := datagram(ippacket.Header{}, far+":53", middle+":4000", make([]byte, 1200))
		v := must(ippacket.Parse(answer))
		b.out.Send(must(v.Fragment(answer, 500))[0])
		time.Sleep(2 * time.Minute)
		v, _, err := last(b.atOut.get())
		if err != nil || v.Packet.Type != natmodels.TimeExceeded || v.Packet.Code != 1 || b.lab.Stats().Dropped[vnet.LostFragments] != 2 {
			return fmt.Errorf("%+v: %v", v, err)
		}
		if len(b.atIn.get()) != 0 {
			return errors.New("a router on the way told of lost fragments")
		}
		return nil
	})
	inBench(t, vnet.GatewayConfig{}, func(b *bench) error {
		p := pieces(1, 1200)
		overlap := bytes.Clone(p[1])
		overlap[7] -= 5 // 40 bytes earlier
		overlap[10], overlap[11] = 0, 0
		sum := ippacket.Checksum(overlap[:20])
		overlap[10], overlap[11] = byte(sum>>8), byte(sum)
		b.in.Send(p[0])
		b.in.Send(overlap)
		b.in.Send(p[2])
		time.Sleep(time.Second)
		if len(b.atOut.get()) != 0 || b.lab.Stats().Dropped[vnet.BadFragments] != 1 {
			return fmt.Errorf("%d arrived, %+v", len(b.atOut.get()), b.lab.Stats())
		}
		return nil
	})
	inBench(t, vnet.GatewayConfig{Fragments: vnet.DropFragments}, func(b *bench) error {
		for _, p := range pieces(1, 1200) {
			b.in.Send(p)
		}
		time.Sleep(time.Second)
		if s := b.lab.Stats(); s.Dropped[vnet.NoFragments] != 3 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

// A NAT that holds a SYN for six seconds says so itself, in bytes (RFC 5382 REQ-4).
func TestWhatANATSendsByItself(t *testing.T) {
	nat := translate.RFC4787(natmodels.EndpointIndependent, natmodels.AddressAndPortDependent)
	held, err := catalogue.Vary(nat, "tcp-syn hold")
	if err != nil {
		t.Fatal(err)
	}
	inBench(t, vnet.GatewayConfig{NAT: held}, func(b *bench) error {
		syn := natmodels.Packet{Protocol: natmodels.TCP, Src: ap(inside + ":4000"), Dst: ap(far + ":80"), Flags: natmodels.SYN, Seq: 1}
		b.in.Send(must(ippacket.AppendTCP(nil, ippacket.Header{}, syn, 1000, nil)))
		time.Sleep(time.Second)
		v, _, err := last(b.atOut.get())
		if err != nil {
			return err
		}
		b.atOut.clear()
		unasked := natmodels.Packet{Protocol: natmodels.TCP, Src: ap(far + ":81"), Dst: v.Packet.Src, Flags: natmodels.SYN, Seq: 1}
		b.out.Send(must(ippacket.AppendTCP(nil, ippacket.Header{}, unasked, 1000, nil)))
		time.Sleep(5 * time.Second)
		if len(b.atOut.get()) != 0 {
			return errors.New("answered too early")
		}
		time.Sleep(5 * time.Second)
		v, _, err = last(b.atOut.get())
		if err != nil || !v.Packet.IsError() || v.Packet.Quoted == nil || v.Packet.Quoted.Src != ap(far+":81") {
			return fmt.Errorf("%+v: %v", v, err)
		}
		return nil
	})
}

// An ALG works on bytes, and what it makes may be of another length.
func TestALGOnBytes(t *testing.T) {
	full, err := sipalg.Named("full")
	if err != nil {
		t.Fatal(err)
	}
	const register = "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK1\r\n" +
		"From: <sip:a@example.com>;tag=1\r\nTo: <sip:a@example.com>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n" +
		"Contact: <sip:a@10.0.0.2:5060>\r\nContent-Length: 0\r\n\r\n"
	inBench(t, vnet.GatewayConfig{ALG: &full}, func(b *bench) error {
		b.in.Send(datagram(ippacket.Header{}, inside+":5060", far+":5060", []byte(register)))
		time.Sleep(time.Second)
		v, ip, err := last(b.atOut.get())
		if got := string(v.Payload(ip)); err != nil || !strings.Contains(got, "sip:a@198.51.100.1:5060") || len(got) <= len(register) {
			return fmt.Errorf("%q: %v", got, err)
		}
		return nil
	})
}

// What is no packet, or somebody else's, ends at the port with a reason.
func TestPortsRefuse(t *testing.T) {
	inBench(t, vnet.GatewayConfig{}, func(b *bench) error {
		for _, bad := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte{0x45}, 40), datagram(ippacket.Header{}, inside+":1", far+":2", nil)[:25]} {
			if err := b.in.Send(bad); err != nil {
				return err
			}
		}
		b.in.Send(datagram(ippacket.Header{}, "10.0.0.9:1", far+":2", nil))
		time.Sleep(time.Second)
		s := b.lab.Stats()
		if s.Dropped[vnet.Malformed] != 4 || s.Dropped[vnet.Spoofed] != 1 || s.Sent != 5 {
			return fmt.Errorf("%+v", s)
		}
		if err := b.in.Send(make([]byte, 1<<17)); err == nil {
			return errors.New("128 KiB were taken for a packet")
		}
		if _, err := b.home.AddPort("again", func([]byte) {}, addr(inside)); err == nil {
			return errors.New("an address was given twice")
		}
		if _, err := b.home.AddPort("nobody", nil, addr("10.0.0.9")); err == nil {
			return errors.New("a port without a receiver")
		}
		return nil
	})
}

// FuzzPort: whatever bytes come, from either side, the lab goes on and the account is right.
func FuzzPort(f *testing.F) {
	f.Add(datagram(ippacket.Header{}, inside+":4000", far+":53", []byte("x")), false)
	f.Add(datagram(ippacket.Header{}, far+":53", middle+":4000", []byte("x")), true)
	f.Add(must(ippacket.AppendTCP(nil, ippacket.Header{}, natmodels.Packet{Protocol: natmodels.TCP, Src: ap(inside + ":1"), Dst: ap(far + ":2"), Flags: natmodels.SYN}, 1, nil)), false)
	f.Add(must(ippacket.AppendEcho(nil, ippacket.Header{TTL: 1}, natmodels.Packet{Protocol: natmodels.ICMP, Type: natmodels.EchoRequest, Src: ap(inside + ":1"), Dst: ap(far + ":1")}, 1, nil)), false)
	fragmented := datagram(ippacket.Header{ID: 5}, inside+":4000", far+":53", make([]byte, 900))
	v := must(ippacket.Parse(fragmented))
	for _, p := range must(v.Fragment(fragmented, 500)) {
		f.Add(p, false)
	}
	f.Fuzz(func(t *testing.T, b []byte, outside bool) {
		inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
			w, err := newBench(lab, vnet.GatewayConfig{Link: vnet.LinkConfig{MTU: 600}})
			if err != nil {
				return err
			}
			w.in.Send(datagram(ippacket.Header{}, inside+":4000", far+":53", nil)) // a mapping to hit
			time.Sleep(time.Millisecond)
			port := w.in
			if outside {
				port = w.out
			}
			for len(b) > 0 { // what follows a packet is another one
				n := min(len(b), 65535)
				if v, err := ippacket.Parse(b); err == nil {
					n = v.Len
				}
				port.Send(b[:n])
				b = b[n:]
			}
			time.Sleep(3 * time.Minute)
			s, sum := lab.Stats(), uint64(0)
			for _, n := range s.Dropped {
				sum += n
			}
			if in, out := s.Sent+s.Answered+s.Fragments, s.Delivered+s.Joined+sum; in != out || lab.InFlight() != 0 {
				return fmt.Errorf("%d came, %d are accounted for, %d in flight: %+v", in, out, lab.InFlight(), s)
			}
			return nil
		})
	})
}

// What a gateway makes of fragments out of order, and of such as overlap, is a setting.
func TestFragmentPolicies(t *testing.T) {
	b := datagram(ippacket.Header{ID: 1}, inside+":4000", far+":53", bytes.Repeat([]byte{'x'}, 1200))
	v := must(ippacket.Parse(b))
	large, small := must(v.Fragment(b, 500)), must(v.Fragment(b, 300)) // 480 and 280 bytes each
	for _, x := range []struct {
		policy  vnet.FragmentPolicy
		sent    [][]byte
		reason  vnet.Reason
		dropped uint64
		arrives bool
	}{
		{vnet.Reassemble, [][]byte{large[2], large[1], large[0]}, "", 0, true},
		{vnet.Reassemble, [][]byte{large[0], small[1], large[1], large[2]}, vnet.BadFragments, 1, false},
		{vnet.ReassembleInOrder, large, "", 0, true},
		{vnet.ReassembleInOrder, [][]byte{large[0], large[2], large[1]}, vnet.FragmentOrder, 1, false},
		{vnet.ReassembleInOrder, [][]byte{large[1], large[2], large[0]}, vnet.FragmentOrder, 2, false},
		{vnet.ReassembleOverlapping, [][]byte{large[2], large[1], large[0]}, "", 0, true},
		{vnet.ReassembleOverlapping, [][]byte{large[0], small[1], large[1], large[2]}, "", 0, true},
		{vnet.DropFragments, large, vnet.NoFragments, 3, false},
	} {
		inBench(t, vnet.GatewayConfig{Fragments: x.policy}, func(b *bench) error {
			for _, ip := range x.sent {
				b.in.Send(ip)
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Second)
			arrived := 0
			for _, ip := range b.atOut.get() {
				v := must(ippacket.Parse(ip))
				arrived += v.Len - v.HeaderLen
			}
			if got := b.lab.Stats().Dropped[x.reason]; (arrived == 1208) != x.arrives || got != x.dropped {
				return fmt.Errorf("policy %d: %d bytes arrived, %d dropped", x.policy, arrived, got)
			}
			b.atOut.clear()
			return nil
		})
	}
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		if _, err := newBench(lab, vnet.GatewayConfig{Fragments: vnet.ReassembleOverlapping + 1}); err == nil {
			return errors.New("a policy that there is not was taken")
		}
		return nil
	})
}
