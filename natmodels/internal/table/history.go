package table

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// History remembers how the last mappings ended, so that a packet that comes too
// late can be told from one that nobody ever asked for. It holds HistorySize
// mappings; the oldest make room.
type History struct {
	ring []Gone
	at   int // where the next one goes once the ring is full
	by   map[externalKey]int
}

// HistorySize is how many it holds.
const HistorySize = 1024

// Gone is a mapping that ended.
type Gone struct {
	Info  natmodels.MappingInfo
	Cause natmodels.Reason
	At    uint64 // ns since the epoch
}

type externalKey struct {
	protocol natmodels.Protocol
	external netip.AddrPort
}

// Add takes note of a mapping that ended at a time.
func (h *History) Add(info natmodels.MappingInfo, cause natmodels.Reason, at uint64) {
	if h.by == nil {
		h.by = make(map[externalKey]int)
	}
	i := h.at
	if len(h.ring) < HistorySize {
		i = len(h.ring)
		h.ring = append(h.ring, Gone{})
	} else if old := h.ring[i].key(); h.by[old] == i {
		delete(h.by, old)
	}
	h.at = (i + 1) % HistorySize
	h.ring[i] = Gone{info, cause, at}
	h.by[h.ring[i].key()] = i
}

func (g *Gone) key() externalKey { return externalKey{g.Info.Protocol, g.Info.External} }

// Find returns the last mapping that ended with an external endpoint.
func (h *History) Find(p natmodels.Protocol, external netip.AddrPort) (Gone, bool) {
	if len(h.ring) == 0 {
		return Gone{}, false
	}
	i, ok := h.by[externalKey{p, external}]
	if !ok {
		return Gone{}, false
	}
	return h.ring[i], true
}

// Len is the number of mappings remembered.
func (h *History) Len() int { return len(h.ring) }
