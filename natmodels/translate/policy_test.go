package translate

import (
	"net/netip"
	"testing"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// TestBlocks checks the arithmetic of deterministic blocks: 64,512 usable ports, shared
// by so many subscribers, make so many for each.
func TestBlocks(t *testing.T) {
	for sharing, size := range map[int]int{16: 4032, 32: 2016, 64: 1008, 128: 504, 256: 252, 512: 126, 1024: 63} {
		external := []netip.Addr{boxtest.OutsideA, boxtest.OutsideB}
		cfg := Config{Blocks: Blocks{netip.MustParsePrefix("100.64.0.0/21"), size}}
		for 2*sharing < 1<<(32-cfg.Blocks.Subscribers.Bits()) {
			cfg.Blocks.Subscribers = netip.PrefixFrom(cfg.Blocks.Subscribers.Addr(), cfg.Blocks.Subscribers.Bits()+1)
		}
		if _, err := New(cfg, natmodels.Place{External: external}); err != nil {
			t.Fatal(err)
		}
		type owned struct {
			a    netip.Addr
			port int
		}
		owner := map[owned]netip.Addr{}
		a := cfg.Blocks.Subscribers.Addr()
		for ; cfg.Blocks.Subscribers.Contains(a); a = a.Next() {
			address, ports, ok := cfg.Block(external, a)
			if !ok || ports.Size() != size {
				t.Fatalf("1:%d: %v has %v", sharing, a, ports)
			}
			for port := int(ports.First); port <= int(ports.Last); port++ {
				if other, taken := owner[owned{address, port}]; taken {
					t.Fatalf("1:%d: %v and %v share %v:%d", sharing, a, other, external, port)
				}
				owner[owned{address, port}] = a
			}
		}
		if len(owner) != 2*64512 {
			t.Errorf("1:%d: %d ports are given out", sharing, len(owner))
		}
	}
}

// TestLimitEvictsInOrder: whoever was made first goes first, though it was used last.
func TestLimitEvictsInOrder(t *testing.T) {
	n := presetNAT(t, "full-cone", func(c *setup) {
		c.PortChoice, c.Limits, c.WhenFull = natmodels.Random, Limits{PerSubscriber: 1200}, EvictOldest
	})
	first := n.out(boxtest.InsideA, boxtest.RemoteY1)
	for port := uint16(10000); port < 11199; port++ {
		n.out(netip.AddrPortFrom(boxtest.InsideA.Addr(), port), boxtest.RemoteY1)
	}
	n.out(boxtest.InsideA, boxtest.RemoteY1)
	n.want("1200 live", len(n.Mappings(n.now)), 1200)
	n.want("the first", n.in(boxtest.RemoteY1, first), natmodels.NotDropped)
	n.out(netip.AddrPortFrom(boxtest.InsideA.Addr(), 20000), boxtest.RemoteY1)
	n.want("the first after one more", n.in(boxtest.RemoteY1, first), natmodels.Evicted)
	n.want("another host", n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideB, Dst: boxtest.RemoteY1}, n.now).Action, natmodels.Forward)
}

// TestLoadCountsTheLiving: mappings that are dead weigh nothing, however many died at once.
func TestLoadCountsTheLiving(t *testing.T) {
	n := presetNAT(t, "port-restricted", func(c *setup) {
		c.UnderLoad = UnderLoad{Mappings: 3, Mapping: natmodels.AddressAndPortDependent, PortChoice: natmodels.Random}
	})
	for port := uint16(10000); port < 10100; port++ {
		n.out(netip.AddrPortFrom(boxtest.InsideA.Addr(), port), boxtest.RemoteY1)
	}
	n.wait(n.Model().Behavior().Idle)
	n.want("with nothing alive, the port", n.out(boxtest.InsideA, boxtest.RemoteY1).Port(), boxtest.InsideA.Port())
	n.want("the mapping", n.out(boxtest.InsideA, boxtest.RemoteY2), n.out(boxtest.InsideA, boxtest.RemoteY1))
}
