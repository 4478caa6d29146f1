package calibrate

import (
	"fmt"
	"net/netip"

	"github.com/natproof/natproof/discover"
)

const (
	preserved   = "preserved"
	randomPorts = "random"
)

func sequential(step int) string { return fmt.Sprintf("sequential, step %+d", step) }

// portChoice names the rule by which external ports seem to be chosen, from all
// that the client was told apart from the lifetime test, where ports come again.
func portChoice(probes []discover.Probe) string {
	kept, sockets := 0, map[netip.AddrPort]bool{}
	ports, seen := map[netip.Addr][]uint16{}, map[netip.AddrPort]bool{}
	for _, p := range probes {
		if p.Test == discover.BindingLifetime || !p.Mapped.IsValid() {
			continue
		}
		if !sockets[p.Local] { // further mappings of a socket cannot have its port
			sockets[p.Local] = true
			if p.Mapped.Port() == p.Local.Port() {
				kept++
			}
		}
		if !seen[p.Mapped] {
			seen[p.Mapped] = true
			a := p.Mapped.Addr()
			ports[a] = append(ports[a], p.Mapped.Port())
		}
	}
	switch step, ok := commonStep(ports); {
	case len(sockets) == 0:
		return Unknown
	case 2*kept > len(sockets): // some other mapping may have had the port of one
		return preserved
	case ok:
		return sequential(step)
	}
	return randomPorts
}

// farthest is the longest distance that counts as a step, so that a sequence
// that begins again does not.
const farthest = 256

// commonStep is the distance of most ports from the one before on the same
// address. Not of all: some mappings the client is not told of.
func commonStep(ports map[netip.Addr][]uint16) (step int, ok bool) {
	count, all := map[int]int{}, 0
	for _, p := range ports {
		for i := 1; i < len(p); i++ {
			all++
			if d := int(p[i]) - int(p[i-1]); -farthest <= d && d <= farthest {
				count[d]++
			}
		}
	}
	for d, n := range count {
		if n > 1 && 2*n > all {
			return d, true // there is only one such
		}
	}
	return 0, false
}
