package serve

import (
	"encoding/hex"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
)

// panics counts and logs them.
type panics struct {
	log    *slog.Logger
	mu     sync.Mutex
	counts map[string]uint64 // by server
}

// of is what a server tells of its panics.
func (p *panics) of(server string) func(value any, datagram []byte, from netip.AddrPort) {
	return func(value any, datagram []byte, from netip.AddrPort) {
		p.mu.Lock()
		if p.counts == nil {
			p.counts = map[string]uint64{}
		}
		p.counts[server]++
		p.mu.Unlock()
		p.log.Error("panic", "server", server, "panic", value, "source", from, "datagram", hex.EncodeToString(datagram), "stack", string(debug.Stack()))
	}
}

func (p *panics) count(server string) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[server]
}
