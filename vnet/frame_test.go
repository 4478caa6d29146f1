package vnet_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/vnet"
)

// framePair is a port behind a NAT and one on the internet, on the real clock.
func framePair(t *testing.T, link vnet.LinkConfig) (lab *vnet.Lab, in, out *vnet.Port) {
	t.Helper()
	lab, err := vnet.New(vnet.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lab.Close() })
	nat, err := catalogue.Lookup("linux-masquerade") // looks at checksums
	if err != nil {
		t.Fatal(err)
	}
	gw, err := lab.Internet().AddGateway("nat", vnet.GatewayConfig{NAT: nat, Place: natmodels.Place{External: []netip.Addr{addr("198.51.100.1")}}, Link: link})
	if err != nil {
		t.Fatal(err)
	}
	add := func(r *vnet.Realm, name, net, at string) *vnet.Port {
		s, err := r.AddSite(name, vnet.SiteConfig{Prefix: prefix(net), Hosts: vnet.Native})
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.AddPort(name+"-port", func([]byte) {}, addr(at))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	return lab, add(gw.Inside(), "home", "10.0.0.0/24", "10.0.0.2"), add(lab.Internet(), "dc", "203.0.113.0/24", "203.0.113.10")
}

// Several segments in one stay so on links that only take time, and are cut by all others; the
// bytes that the sender has lent are its own again when it has sent them.
func TestSegmentsInOne(t *testing.T) {
	const size, body = 100, 950
	payload := make([]byte, body)
	for i := range payload {
		payload[i] = byte(i)
	}
	tcp := func(flags natmodels.TCPFlags, payload []byte) []byte {
		b, err := ippacket.AppendTCP(nil, ippacket.Header{DF: true}, natmodels.Packet{
			Protocol: natmodels.TCP, Src: ap("10.0.0.2:1000"), Dst: ap("203.0.113.10:80"), Flags: flags, Seq: 7}, 1000, payload)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		link   vnet.LinkConfig
		frames int
	}{
		{vnet.LinkConfig{}, 1},
		{vnet.LinkConfig{Latency: time.Millisecond}, 1},
		{vnet.LinkConfig{MTU: 1500}, 10},
		{vnet.LinkConfig{Rate: 1 << 30, Latency: time.Millisecond}, 10},
	} {
		t.Run(fmt.Sprint(c.link), func(t *testing.T) {
			lab, in, out := framePair(t, c.link)
			frames, flushed := make(chan vnet.Frame, 100), make(chan bool, 100)
			if err := out.Receive(func(f vnet.Frame) { frames <- vnet.Frame{IP: bytes.Clone(f.IP), Segment: f.Segment} }, func() { flushed <- true }); err != nil {
				t.Fatal(err)
			}
			b := tcp(natmodels.ACK, payload)
			if err := in.SendBatch([]vnet.Frame{{IP: tcp(natmodels.ACK, nil)}, {IP: b, Segment: size}}); err != nil {
				t.Fatal(err)
			}
			clear(b)
			if f := <-frames; f.Segment != 0 {
				t.Errorf("%d in a segment of the first", f.Segment)
			}
			var got []byte
			for range c.frames {
				f := <-frames
				v, err := ippacket.Parse(f.IP)
				if err != nil {
					t.Fatal(err)
				}
				if v.Packet.Src.Addr() != addr("198.51.100.1") || (f.Segment > 0) != (c.frames == 1) {
					t.Errorf("%v in segments of %d", v.Packet, f.Segment)
				}
				got = append(got, v.Payload(f.IP)...)
			}
			if !bytes.Equal(got, payload) {
				t.Errorf("got %d bytes", len(got))
			}
			<-flushed
			if s := lab.Stats(); s.Sent+s.Fragments != s.Delivered || s.Fragments != uint64(c.frames-1) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A path that carries less than a segment says so.
func TestSegmentsInOneAreTooBig(t *testing.T) {
	_, in, _ := framePair(t, vnet.LinkConfig{MTU: 1000})
	told := make(chan []byte, 10)
	if err := in.Receive(func(f vnet.Frame) { told <- bytes.Clone(f.IP) }, func() {}); err != nil {
		t.Fatal(err)
	}
	b, err := ippacket.AppendTCP(nil, ippacket.Header{DF: true}, natmodels.Packet{
		Protocol: natmodels.TCP, Src: ap("10.0.0.2:1000"), Dst: ap("203.0.113.10:80"), Flags: natmodels.ACK}, 1000, make([]byte, 5000))
	if err != nil {
		t.Fatal(err)
	}
	if err := in.SendBatch([]vnet.Frame{{IP: b, Segment: 1460}}); err != nil {
		t.Fatal(err)
	}
	v, err := ippacket.Parse(<-told)
	if err != nil || v.Packet.Type != natmodels.DestUnreachable || v.Packet.Code != natmodels.FragmentationNeeded {
		t.Errorf("%v, %v", v.Packet, err)
	}
}

func TestFramesThatAreNone(t *testing.T) {
	lab, in, _ := framePair(t, vnet.LinkConfig{})
	if err := in.SendBatch([]vnet.Frame{{IP: make([]byte, 1<<17)}}); err == nil {
		t.Error("too long, and sent")
	}
	if err := in.Receive(nil, nil); err == nil {
		t.Error("nobody receives")
	}
	udp, _ := ippacket.AppendUDP(nil, ippacket.Header{}, ap("10.0.0.2:1"), ap("203.0.113.10:1"), make([]byte, 100))
	if err := in.SendBatch([]vnet.Frame{{IP: []byte{1}}, {IP: udp, Segment: 10}}); err != nil {
		t.Fatal(err)
	}
	if s := lab.Stats(); s.Sent != 2 || s.Dropped[vnet.Malformed] != 2 {
		t.Errorf("%+v", s)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Site().AddPort(in.Name(), func([]byte) {}, in.Addrs()...); err != nil {
		t.Error(err)
	}
}
