package limit

import (
	"container/list"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Defaults of Config.
const (
	DefaultBurst   = 500
	DefaultSources = 65536
)

// ErrConfig is wrapped by what New returns for a configuration that makes no sense.
var ErrConfig = errors.New("limit: invalid configuration")

// Config says how much one source may send.
type Config struct {
	// Rate is in datagrams a second, on average.
	Rate float64
	// Burst is how many may come at once; 0 is DefaultBurst.
	Burst int
	// Sources is how many are remembered; 0 is DefaultSources.
	Sources int
	// Exempt says of an address and port that it may send as much as it likes, such as another
	// server of the same host; nil is nobody.
	Exempt func(netip.AddrPort) bool
}

// Stats counts datagrams.
type Stats struct {
	Passed  uint64 // those of exempt sources too
	Dropped uint64 // above the rate
	Evicted uint64 // sources that were forgotten to make room
	Sources int    // remembered now
}

// A Limiter may be used by several goroutines, and for several sockets.
type Limiter struct {
	cfg Config

	mu      sync.Mutex
	buckets map[netip.Addr]*list.Element
	recent  *list.List // of *bucket, the one heard of last in front
	stats   Stats
}

type bucket struct {
	source netip.Addr
	tokens float64
	at     time.Time // of tokens
}

// New makes a limiter that knows nobody.
func New(cfg Config) (*Limiter, error) {
	if cfg.Burst == 0 {
		cfg.Burst = DefaultBurst
	}
	if cfg.Sources == 0 {
		cfg.Sources = DefaultSources
	}
	if !(cfg.Rate > 0) || math.IsInf(cfg.Rate, 0) || cfg.Burst < 1 || cfg.Sources < 1 {
		return nil, fmt.Errorf("%w: rate %v, burst %d, sources %d", ErrConfig, cfg.Rate, cfg.Burst, cfg.Sources)
	}
	return &Limiter{cfg: cfg, buckets: map[netip.Addr]*list.Element{}, recent: list.New()}, nil
}

// Allow says whether a datagram from an address may pass, and counts it.
func (l *Limiter) Allow(from netip.Addr, now time.Time) bool {
	source := sourceOf(from)
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(source, now)
	if d := now.Sub(b.at).Seconds(); d > 0 {
		b.tokens, b.at = min(b.tokens+d*l.cfg.Rate, float64(l.cfg.Burst)), now
	}
	if b.tokens < 1 {
		l.stats.Dropped++
		return false
	}
	b.tokens--
	l.stats.Passed++
	return true
}

// bucket finds the one of a source, or makes it, full.
func (l *Limiter) bucket(source netip.Addr, now time.Time) *bucket {
	if e := l.buckets[source]; e != nil {
		l.recent.MoveToFront(e)
		return e.Value.(*bucket)
	}
	if len(l.buckets) >= l.cfg.Sources {
		last := l.recent.Back()
		delete(l.buckets, last.Value.(*bucket).source)
		l.recent.Remove(last)
		l.stats.Evicted++
	}
	b := &bucket{source: source, tokens: float64(l.cfg.Burst), at: now}
	l.buckets[source] = l.recent.PushFront(b)
	return b
}

// sourceOf is what an address counts as.
func sourceOf(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// Stats returns the counters of this moment.
func (l *Limiter) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Sources = len(l.buckets)
	return s
}

// admits is Allow for an address and port, which may be exempt.
func (l *Limiter) admits(from netip.AddrPort) bool {
	if l.cfg.Exempt != nil && l.cfg.Exempt(netip.AddrPortFrom(from.Addr().Unmap(), from.Port())) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.stats.Passed++
		return true
	}
	return l.Allow(from.Addr(), time.Now())
}

// Conn is a socket of which only what may pass is read.
func (l *Limiter) Conn(conn net.PacketConn) net.PacketConn { return limited{conn, l} }

type limited struct {
	net.PacketConn
	l *Limiter
}

func (c limited) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil {
			return n, from, err
		}
		if u, ok := from.(*net.UDPAddr); !ok || c.l.admits(u.AddrPort()) {
			return n, from, nil
		}
	}
}
