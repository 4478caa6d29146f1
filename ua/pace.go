package ua

import (
	"math/rand/v2"
	"time"
)

// pace says when a subscription or publication is to be renewed or tried again. It draws from
// Config.Seed once, when it is made, so that what several do at one moment does not depend on
// which is first.
type pace struct {
	rng       *rand.Rand
	base, max time.Duration
	failures  int
}

func (p *Profile) newPace() pace {
	return pace{rng: rand.New(rand.NewPCG(p.c.uint64(), 0)), base: p.cfg.RetryBase, max: p.cfg.RetryMax}
}

func (p *pace) jitter(d time.Duration) time.Duration {
	if d < 1 {
		return 0
	}
	return time.Duration(p.rng.Uint64() % uint64(d))
}

// refreshAfter is that of a registration.
func (p *pace) refreshAfter(granted time.Duration) time.Duration {
	return refreshAfter(granted, p.jitter)
}

// backoff is that of a registration (RFC 5626 section 4.5), and counts a failure.
func (p *pace) backoff() time.Duration {
	n := min(p.failures, 16)
	p.failures++
	wait := min(p.max, p.base<<n)
	return max(wait/2+p.jitter(wait-wait/2), time.Millisecond)
}
