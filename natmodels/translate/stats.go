package translate

import (
	"time"

	"github.com/natproof/natproof/natmodels"
)

// Stats returns the counters as they stand at now.
func (n *NAT) Stats(now time.Time) natmodels.Stats {
	n.expireAll(n.clock.Tick(now))
	s := n.stats
	s.Live = uint64(n.live - n.statics)
	s.Static = uint64(n.statics)
	return s
}
