package calibrate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/conntrack"
	"github.com/natproof/natproof/natmodels/translate"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/vnet"
)

// The addresses are those of every world.
var (
	primary, alternate = stage.STUNServer, stage.STUNAlternate
	external, inside   = cell.PlaceOf(cell.A).External, cell.PlaceOf(cell.A).Inside
)

const (
	// pool is how many external addresses a NAT gets that pools and brings none.
	pool = 4
	// minPorts is how many ports a NAT must have for the client's sockets.
	minPorts = 1000
	// usualPort is where the client's sockets are, if the NAT can preserve it.
	usualPort = 50000
)

// ErrCannotMeasure is the error for a NAT that cannot be put into a lab.
var ErrCannotMeasure = errors.New("cannot be measured")

// placed is a NAT in its place.
type placed struct {
	model natmodels.Model
	place natmodels.Place
}

// complete refuses what no lab takes, and fills in addresses.
func complete(n placed) (placed, error) {
	if err := measurable(n.model); err != nil {
		return n, err
	}
	b := n.model.Behavior()
	if b.Translates() && len(n.place.External) == 0 {
		count := 1
		if b.Pooling != natmodels.Paired {
			count = pool
		}
		n.place.External = addresses(count)
	}
	return n, nil
}

// measurable refuses what has not enough room for the client.
func measurable(m natmodels.Model) error {
	if kind := m.Behavior().Kind; kind == natmodels.PrefixTranslator || kind == natmodels.NAT64 {
		return fmt.Errorf("%w: the lab has no addresses for a %v", ErrCannotMeasure, kind)
	}
	if c, ok := m.(conntrack.Config); ok && len(c.Prefixes) > 0 {
		return fmt.Errorf("%w: the lab has no addresses for a NAT of whole prefixes", ErrCannotMeasure)
	}
	if ports := portRange(m); ports.Size() < minPorts {
		return fmt.Errorf("%w: %v has fewer than %d ports", ErrCannotMeasure, ports, minPorts)
	}
	c, ok := m.(translate.Config)
	if !ok {
		return nil
	}
	if c.Blocks.Size != 0 {
		return fmt.Errorf("%w: the hosts of the lab are in no block of ports", ErrCannotMeasure)
	}
	for _, most := range []int{c.Limits.PerSubscriber, c.Limits.Total, c.UnderLoad.Mappings} {
		if 0 < most && most < minPorts {
			return fmt.Errorf("%w: the client alone may reach the limit of %d mappings", ErrCannotMeasure, most)
		}
	}
	return nil
}

// portRange is where a NAT takes ports from, the zero value if that is no setting of it.
func portRange(m natmodels.Model) natmodels.PortRange {
	switch c := m.(type) {
	case translate.Config:
		return c.PortRange
	case conntrack.Config:
		return c.PortRange
	}
	return natmodels.PortRange{}
}

// addresses are the first external addresses of the lab.
func addresses(n int) []netip.Addr {
	var all []netip.Addr
	for a := external; len(all) < n; a = a.Next() {
		all = append(all, a)
	}
	return all
}

// basePort is the first port of the client's sockets: one that a NAT which
// preserves ports does preserve, and some hundreds after it too. It is even.
func basePort(m natmodels.Model) uint16 {
	ports := portRange(m)
	if ports == (natmodels.PortRange{}) {
		return usualPort
	}
	return (max(ports.First, min(usualPort, ports.Last-minPorts+1)) + 1) &^ 1
}

// neighbour is the address of the second host. With paired pooling it has the
// same external address as the first, if that goes by the sum of the bytes.
func neighbour(place natmodels.Place) netip.Addr {
	b := inside.As4()
	b[3] += byte(max(1, len(place.External)))
	return netip.AddrFrom4(b)
}

// A lab is two hosts behind the NAT and a STUN server on the other side. It
// lives in a bubble.
type lab struct {
	net  *vnet.Lab
	a, b *vnet.Host
	stop func() error
	// port is the next one for a socket of a. All are even, so that no NAT sees a
	// pair of RTP and RTCP in them.
	port uint16
}

func newLab(nat placed) (_ *lab, err error) {
	l := &lab{port: basePort(nat.model), stop: func() error { return nil }}
	if l.net, err = vnet.New(vnet.Config{Seed: 1, DiscardTrace: true}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	bench, err := stage.NewBench(l.net, nat.model, nat.place, neighbour(nat.place))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannotMeasure, err)
	}
	l.a, l.b = bench.A, bench.Neighbour
	stop, err := bench.ServeSTUN()
	if err == nil {
		l.stop = stop
	}
	return l, err
}

func (l *lab) close() error { return errors.Join(l.stop(), l.net.Close()) }

// listen opens a socket of a on a port that it has not had before.
func (l *lab) listen(netip.AddrPort) (net.PacketConn, error) {
	port := l.port
	l.port += 2
	return l.a.ListenPacket("udp4", netip.AddrPortFrom(inside, port).String())
}

// random is where transaction ids come from.
func random(stream uint64) *rand.ChaCha8 {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], stream)
	return rand.NewChaCha8(seed)
}
