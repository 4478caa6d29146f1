package vnet

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// ipUDPHeader is what IPv4 and UDP add to a payload (RFC 791, RFC 768).
const ipUDPHeader = 28

// LinkConfig describes a link, the same in both directions. The zero value is
// a perfect link: nothing lost, nothing delayed.
type LinkConfig struct {
	Latency time.Duration // one way
	Jitter  time.Duration // extra delay, uniform in [0, Jitter); order is kept

	Loss      float64 // probability in [0, 1] that a packet is lost
	Duplicate float64 // probability that a packet arrives twice
	Reorder   float64 // probability that a packet is held back by ReorderBy and overtaken
	ReorderBy time.Duration

	Rate  int // bytes per second; 0 is unlimited
	Queue int // bytes waiting for Rate before packets are dropped; 0 is 64 KiB

	MTU int // largest IP packet in bytes; 0 is unlimited. Larger packets are dropped: fragments are not modelled
}

func (c LinkConfig) check() error {
	probability := func(name string, v float64) error {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("link: %s %v: want a probability from 0 to 1", name, v)
		}
		return nil
	}
	errs := []error{probability("loss", c.Loss), probability("duplicate", c.Duplicate), probability("reorder", c.Reorder)}
	if c.Latency < 0 || c.Jitter < 0 || c.ReorderBy < 0 {
		errs = append(errs, errors.New("link: a negative delay"))
	}
	if (c.Reorder > 0) != (c.ReorderBy > 0) {
		errs = append(errs, errors.New("link: reorder and reorder-by go together"))
	}
	if c.Rate < 0 || c.Queue < 0 {
		errs = append(errs, errors.New("link: a negative rate or queue"))
	}
	if c.Queue > 0 && c.Rate == 0 {
		errs = append(errs, errors.New("link: a queue needs a rate"))
	}
	if c.MTU < 0 || c.MTU > 0 && c.MTU < 68 {
		errs = append(errs, fmt.Errorf("link: mtu %d: IPv4 needs at least 68 (RFC 791)", c.MTU))
	}
	return errors.Join(errs...)
}

// Link joins a site or a gateway to its realm.
type Link struct {
	lab      *Lab
	name     string
	up, down *pipe // up: out of the site or gateway; down: into it
}

func newLink(l *Lab, name string, cfg LinkConfig) *Link {
	k := &Link{lab: l, name: name + ".link"}
	k.up = &pipe{link: k, cfg: cfg, rng: seeded(l.cfg.Seed, k.name+"/up")}
	k.down = &pipe{link: k, cfg: cfg, rng: seeded(l.cfg.Seed, k.name+"/down")}
	return k
}

// seeded gives each use of randomness its own stream, so that one more packet
// on one link changes nothing on another.
func seeded(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// SetUp takes the link up or down. Packets already on it arrive.
func (k *Link) SetUp(up bool) {
	k.lab.core.Lock()
	defer k.lab.core.Unlock()
	k.up.cut, k.down.cut = !up, !up
	k.lab.changed(k.name, map[bool]string{true: "link up", false: "link down"}[up])
}

// Set changes the link in both directions while the lab runs.
func (k *Link) Set(cfg LinkConfig) error { return k.set(cfg, k.up, k.down) }

// SetOutbound changes the direction out of the site or gateway only.
func (k *Link) SetOutbound(cfg LinkConfig) error { return k.set(cfg, k.up) }

// SetInbound changes the direction into the site or gateway only.
func (k *Link) SetInbound(cfg LinkConfig) error { return k.set(cfg, k.down) }

func (k *Link) set(cfg LinkConfig, pipes ...*pipe) error {
	if err := cfg.check(); err != nil {
		return fmt.Errorf("vnet: %s: %w", k.name, err)
	}
	k.lab.core.Lock()
	defer k.lab.core.Unlock()
	for _, d := range pipes {
		d.cfg = cfg
	}
	k.lab.changed(k.name, fmt.Sprintf("link set to %+v", cfg))
	return nil
}

// pipe is one direction of a link.
type pipe struct {
	link *Link
	cfg  LinkConfig
	cut  bool
	rng  *rand.Rand

	busyUntil time.Time // when the sender is done with what it has accepted
	lastDue   time.Time // delivery keeps order
}

// send carries a packet to next, now or later, or drops it.
func (d *pipe) send(p *packet, next func(*packet)) {
	if d.cfg == (LinkConfig{}) && !d.cut && !d.lastDue.After(time.Now()) { // nothing on it to overtake
		next(p)
		return
	}
	size := ipUDPHeader + len(p.payload)
	switch {
	case d.cut:
		d.drop(p, LinkDown, "the link is down")
	case d.cfg.MTU > 0 && size > d.cfg.MTU:
		d.drop(p, MTUExceeded, fmt.Sprintf("%d bytes do not fit the link's MTU of %d", size, d.cfg.MTU))
	case d.cfg.Loss > 0 && d.rng.Float64() < d.cfg.Loss:
		d.drop(p, LinkLoss, "lost on the link")
	default:
		d.carry(p, size, next)
		if d.cfg.Duplicate > 0 && d.rng.Float64() < d.cfg.Duplicate {
			d.carry(d.link.lab.duplicate(p), size, next)
		}
	}
}

// carry applies the rate, the delay and the order of the link.
func (d *pipe) carry(p *packet, size int, next func(*packet)) {
	now := time.Now()
	due := now
	if d.cfg.Rate > 0 {
		if d.busyUntil.Before(now) {
			d.busyUntil = now
		}
		backlog := int(d.busyUntil.Sub(now).Seconds() * float64(d.cfg.Rate))
		limit := d.cfg.Queue
		if limit == 0 {
			limit = 64 << 10
		}
		if backlog+size > limit {
			d.drop(p, QueueFull, fmt.Sprintf("%d bytes already wait for a link of %d bytes/s", backlog, d.cfg.Rate))
			return
		}
		d.busyUntil = d.busyUntil.Add(time.Duration(float64(size) / float64(d.cfg.Rate) * float64(time.Second)))
		due = d.busyUntil
	}
	due = due.Add(d.cfg.Latency)
	if d.cfg.Jitter > 0 {
		due = due.Add(time.Duration(d.rng.Int64N(int64(d.cfg.Jitter))))
	}
	if d.cfg.Reorder > 0 && d.rng.Float64() < d.cfg.Reorder {
		due = due.Add(d.cfg.ReorderBy) // and does not hold up those behind it
	} else {
		if due.Before(d.lastDue) {
			due = d.lastDue
		}
		d.lastDue = due
	}
	if !due.After(now) {
		next(p)
		return
	}
	d.link.lab.hold(p, due, next)
}

func (d *pipe) drop(p *packet, why Reason, detail string) {
	d.link.lab.drop(p, p.np, d.link.name, why, natmodels.MappingInfo{}, detail)
}

// duplicate makes the second copy a link delivers.
func (l *Lab) duplicate(p *packet) *packet {
	l.nextID++
	l.stats.Duplicated++
	c := *p
	c.id, c.parent = l.nextID, p.id
	return &c
}
