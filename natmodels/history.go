package natmodels

import "net/netip"

// history remembers how the last mappings ended, so that a packet that comes too
// late can be told from one that nobody ever asked for. It holds historySize
// mappings; the oldest make room.
type history struct {
	ring []gone
	at   int // where the next one goes once the ring is full
	by   map[externalKey]int
}

const historySize = 1024

type gone struct {
	info  MappingInfo
	cause Reason
	at    uint64 // ns since the epoch
}

type externalKey struct {
	protocol Protocol
	external netip.AddrPort
}

func (h *history) add(info MappingInfo, cause Reason, at uint64) {
	if h.by == nil {
		h.by = make(map[externalKey]int)
	}
	i := h.at
	if len(h.ring) < historySize {
		i = len(h.ring)
		h.ring = append(h.ring, gone{})
	} else if old := h.ring[i].key(); h.by[old] == i {
		delete(h.by, old)
	}
	h.at = (i + 1) % historySize
	h.ring[i] = gone{info, cause, at}
	h.by[h.ring[i].key()] = i
}

func (g *gone) key() externalKey { return externalKey{g.info.Protocol, g.info.External} }

func (h *history) find(p Protocol, external netip.AddrPort) (gone, bool) {
	if len(h.ring) == 0 {
		return gone{}, false
	}
	i, ok := h.by[externalKey{p, external}]
	if !ok {
		return gone{}, false
	}
	return h.ring[i], true
}
