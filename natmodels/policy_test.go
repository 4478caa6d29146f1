package natmodels

import (
	"net/netip"
	"testing"
)

// TestBlocks checks the arithmetic of deterministic blocks: 64,512 usable ports, shared
// by so many subscribers, make so many for each.
func TestBlocks(t *testing.T) {
	for sharing, size := range map[int]int{16: 4032, 32: 2016, 64: 1008, 128: 504, 256: 252, 512: 126, 1024: 63} {
		cfg := Config{
			External: []netip.Addr{outsideA, outsideB},
			Blocks:   Blocks{netip.MustParsePrefix("100.64.0.0/21"), size},
		}
		for 2*sharing < 1<<(32-cfg.Blocks.Subscribers.Bits()) {
			cfg.Blocks.Subscribers = netip.PrefixFrom(cfg.Blocks.Subscribers.Addr(), cfg.Blocks.Subscribers.Bits()+1)
		}
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		type owned struct {
			a    netip.Addr
			port int
		}
		owner := map[owned]netip.Addr{}
		a := cfg.Blocks.Subscribers.Addr()
		for ; cfg.Blocks.Subscribers.Contains(a); a = a.Next() {
			external, ports, ok := cfg.Block(a)
			if !ok || ports.size() != size {
				t.Fatalf("1:%d: %v has %v", sharing, a, ports)
			}
			for port := int(ports.First); port <= int(ports.Last); port++ {
				if other, taken := owner[owned{external, port}]; taken {
					t.Fatalf("1:%d: %v and %v share %v:%d", sharing, a, other, external, port)
				}
				owner[owned{external, port}] = a
			}
		}
		if len(owner) != 2*64512 {
			t.Errorf("1:%d: %d ports are given out", sharing, len(owner))
		}
	}
}

// TestLimitEvictsInOrder: whoever was made first goes first, though it was used last.
func TestLimitEvictsInOrder(t *testing.T) {
	n := presetNAT(t, "starlink-cgnat")
	first := n.out(insideA, remoteY1)
	for port := uint16(10000); port < 11199; port++ {
		n.out(netip.AddrPortFrom(insideA.Addr(), port), remoteY1)
	}
	n.out(insideA, remoteY1)
	n.want("1200 live", len(n.Mappings(n.now)), 1200)
	n.want("the first", n.in(remoteY1, first), NotDropped)
	n.out(netip.AddrPortFrom(insideA.Addr(), 20000), remoteY1)
	n.want("the first after one more", n.in(remoteY1, first), Evicted)
	n.want("another host", n.Outbound(Packet{Protocol: UDP, Src: insideB, Dst: remoteY1}, n.now).Action, Forward)
}

// TestLoadCountsTheLiving: mappings that are dead weigh nothing, however many died at once.
func TestLoadCountsTheLiving(t *testing.T) {
	n := presetNAT(t, "port-restricted", func(c *Config) {
		c.UnderLoad = UnderLoad{Mappings: 3, Mapping: AddressAndPortDependent, PortChoice: Random}
	})
	for port := uint16(10000); port < 10100; port++ {
		n.out(netip.AddrPortFrom(insideA.Addr(), port), remoteY1)
	}
	n.wait(n.Config().Idle())
	n.want("with nothing alive, the port", n.out(insideA, remoteY1).Port(), insideA.Port())
	n.want("the mapping", n.out(insideA, remoteY2), n.out(insideA, remoteY1))
}
