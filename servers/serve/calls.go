package serve

import (
	"maps"
	"sync"
	"time"

	"github.com/natproof/natproof/servers/gateway"
)

// endedCalls sums up the gateway's calls that have ended, which it does not remember for ever.
type endedCalls struct {
	mu  sync.Mutex
	sum callSums
}

type callSums struct {
	byCause                    map[string]uint64
	talked                     time.Duration
	rtpReceived, rtpSent, lost uint64
}

// change is told of each change of a call.
func (e *endedCalls) change(c gateway.Call) {
	if c.State != gateway.Ended {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &e.sum
	if s.byCause == nil {
		s.byCause = map[string]uint64{}
	}
	s.byCause[c.Cause.String()]++
	if !c.Established.IsZero() {
		s.talked += c.Ended.Sub(c.Established)
	}
	s.rtpReceived += c.Media.RTPReceived
	s.rtpSent += c.Media.RTPSent
	s.lost += uint64(max(c.Media.Lost, 0))
}

func (e *endedCalls) snapshot() callSums {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.sum
	s.byCause = maps.Clone(s.byCause)
	return s
}
