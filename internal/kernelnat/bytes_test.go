package kernelnat

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/vnet"
)

// wire is a packet in bytes at a side of the box.
type wire struct {
	side Side
	b    []byte
}

// sending is a step of a recording: what was sent, and what came of it.
type sending struct {
	wire
	after  time.Duration // how long after the step before
	giveUp bool          // nothing is sent: time passes until fragments are given up
	got    []wire        // what came out across the box first
}

// recording is what a box made of a sequence of packets in bytes.
type recording struct {
	name, nat string
	mtu       int // of the link to the outside
	steps     []sending
}

// The hosts of the sequences in bytes. The routers on the way are hosts like any other here.
var (
	bytesInside  = netip.MustParsePrefix("10.255.255.0/24")
	bytesOutside = netip.MustParsePrefix("198.18.0.0/24")
	hostA        = netip.MustParseAddr("10.255.255.10")
	hostB        = netip.MustParseAddr("10.255.255.11")
	server1      = netip.MustParseAddr("198.18.0.10")
	server2      = netip.MustParseAddr("198.18.0.11")
	onTheWay     = netip.MustParseAddr("198.18.0.99")
)

// stepTime is between packets that are sent one after the other.
const stepTime = time.Millisecond

// defaultMTU is that of the links beside the one that a recording says.
const defaultMTU = 1500

// inLab sends what a recording has sent into a virtual lab, at the same times of the virtual
// clock, and returns what came of each step.
func inLab(r recording) (got [][]wire, err error) {
	var failed error
	err = bubble.Run(func() { got, failed = playLab(r) })
	if err == nil {
		err = failed
	}
	return got, err
}

func playLab(r recording) ([][]wire, error) {
	lab, err := vnet.New(vnet.Config{DiscardTrace: true})
	if err != nil {
		return nil, err
	}
	defer lab.Close()
	var came arrivals
	ports, err := addPorts(lab, r, &came)
	if err != nil {
		return nil, err
	}
	all := make([][]wire, len(r.steps))
	for i, s := range r.steps {
		time.Sleep(s.after)
		switch {
		case s.giveUp:
			time.Sleep(2 * time.Minute)
		case s.b != nil:
			b := s.b
			if s.side == Outside {
				b = moreTTL(b)
			}
			if err := ports[s.side].Send(b); err != nil {
				return nil, err
			}
			time.Sleep(stepTime)
		}
		for _, side := range []Side{s.side.Other(), s.side} {
			for _, b := range came.take(side) {
				all[i] = append(all[i], wire{side, b})
			}
		}
	}
	return all, nil
}

// arrivals is what the lab's core has handed over.
type arrivals struct {
	mu  sync.Mutex
	all [2][][]byte
}

func (a *arrivals) put(side Side, b []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all[side] = append(a.all[side], b)
}

func (a *arrivals) take(side Side) [][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	came := a.all[side]
	a.all[side] = nil
	return came
}

// addPorts makes a lab with the hosts of the recording, whose packets come to be kept.
func addPorts(lab *vnet.Lab, r recording, came *arrivals) (ports [2]*vnet.Port, err error) {
	nat, err := catalogue.Lookup(r.nat)
	if err != nil {
		return ports, err
	}
	gw, err := lab.Internet().AddGateway("box", vnet.GatewayConfig{
		NAT: nat, Place: natmodels.Place{External: External[:1], Seed: 1},
		Link: vnet.LinkConfig{MTU: r.mtu}, Inbound: &vnet.LinkConfig{},
	})
	if err != nil {
		return ports, err
	}
	home, err := gw.Inside().AddSite("home", vnet.SiteConfig{
		Prefix: bytesInside, Hosts: vnet.Native, Inbound: &vnet.LinkConfig{MTU: defaultMTU},
	})
	if err != nil {
		return ports, err
	}
	far, err := lab.Internet().AddSite("far", vnet.SiteConfig{Prefix: bytesOutside, Hosts: vnet.Native})
	if err != nil {
		return ports, err
	}
	ports[Inside], err = home.AddPort("inside", func(b []byte) { came.put(Inside, bytes.Clone(b)) }, hostA, hostB)
	if err != nil {
		return ports, err
	}
	ports[Outside], err = far.AddPort("outside", func(b []byte) { came.put(Outside, moreTTL(b)) }, server1, server2, onTheWay)
	return ports, err
}

// comparable is a packet without what may differ; see the package's documentation.
func (w wire) comparable(step sending) []byte {
	made := w.side == step.side || step.giveUp
	if !made || len(w.b) < ipHeader || wireSum(w.b[:int(w.b[0]&15)*4]) != 0xffff {
		return w.b
	}
	b := bytes.Clone(w.b)
	if b[6]&0x40 == 0 {
		b[4], b[5] = 0, 0
	}
	if at := int(b[0]&15)*4 + 8; step.side == Outside && len(b) >= at+ipHeader && Proto(b[9]) == ICMP && b[at-8] == Unreachable && b[at-7] == natmodels.FragmentationNeeded {
		b[at+8] = 0
		wireOrder.PutUint16(b[at+10:], 0)
	}
	return resealed(b)
}

// compareBytes says at which step the lab does not do what was recorded; "" if it does everywhere.
func compareBytes(r recording, lab [][]wire) string {
	for i, s := range r.steps {
		same := len(s.got) == len(lab[i])
		for n := 0; same && n < len(s.got); n++ {
			same = s.got[n].side == lab[i][n].side && bytes.Equal(s.got[n].comparable(s), lab[i][n].comparable(s))
		}
		if same {
			continue
		}
		var b strings.Builder
		for at, s := range r.steps[:i+1] {
			fmt.Fprintf(&b, "  %2d  %v\n", at+1, s)
		}
		writeWires(&b, "recorded", s.got)
		writeWires(&b, "lab", lab[i])
		return b.String()
	}
	return ""
}

func writeWires(b *strings.Builder, who string, all []wire) {
	if len(all) == 0 {
		fmt.Fprintf(b, "      %s: nothing\n", who)
	}
	for _, w := range all {
		fmt.Fprintf(b, "      %s: %v\n", who, w)
	}
}

func (s sending) String() string {
	switch {
	case s.giveUp:
		return "give up"
	case s.b == nil:
		return "-"
	}
	return s.wire.String()
}

// String has the header, the transport and what follows apart.
func (w wire) String() string {
	size := 0
	if len(w.b) >= ipHeader {
		size = min(int(w.b[0]&15)*4, len(w.b))
	}
	text := fmt.Sprintf("%v %x", w.side, w.b[:size])
	for rest := w.b[size:]; len(rest) > 0; rest = rest[min(20, len(rest)):] {
		text += fmt.Sprintf(" %x", rest[:min(20, len(rest))])
	}
	if len(text) > 400 {
		text = fmt.Sprintf("%s... (%d bytes)", text[:400], len(w.b))
	}
	return text
}

func TestWire(t *testing.T) {
	h := ipHead{src: hostA, dst: server1, ttl: 9}
	for name, b := range map[string][]byte{
		"udp":  h.udp(1, 2, []byte("odd")),
		"tcp":  h.tcp(tcpHead{src: 1, dst: 2, flags: byte(SYN), options: []byte{2, 4, 5, 0xb4}}, nil),
		"icmp": h.echo(8, 1, 2, []byte("data")),
		"more": moreTTL(h.echo(8, 1, 2, []byte("data"))),
	} {
		if _, err := Parse(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
