package table

import "time"

// Clock is the time that a box was told. It never runs backwards. The zero value was told
// nothing yet.
type Clock struct {
	epoch   time.Time
	started bool
	given   time.Time // last
	now     uint64    // ns since epoch
}

// Tick takes over the time of the caller, in ns since the first.
func (c *Clock) Tick(now time.Time) uint64 {
	if now == c.given && c.started {
		return c.now
	}
	if !c.started {
		c.epoch, c.started = now, true
	}
	c.given = now
	if d := now.Sub(c.epoch); d > 0 && uint64(d) > c.now {
		c.now = uint64(d)
	}
	return c.now
}

// Now is the time told last.
func (c *Clock) Now() uint64 { return c.now }

// Time is a time for the caller.
func (c *Clock) Time(at uint64) time.Time { return c.epoch.Add(time.Duration(at)) }
