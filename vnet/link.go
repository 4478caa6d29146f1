package vnet

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// Link joins a site or a gateway to its realm.
type Link struct {
	lab      *Lab
	name     string
	realm    *Realm  // what it joins the site or gateway to
	up, down *pipe   // up: out of the site or gateway; down: into it
	pipes    [2]pipe // those; here, so that a packet finds them where it finds the link

	router func(netip.Addr) netip.Addr // the address of the routers at its ends, for packets of a family
}

// newLink makes a link. down may be nil: the same as up.
func newLink(l *Lab, name string, up LinkConfig, down *LinkConfig) *Link {
	k := &Link{lab: l, name: name + ".link"}
	if down == nil {
		down = &up
	}
	k.up, k.down = &k.pipes[0], &k.pipes[1]
	k.up.init(k, "up", up)
	k.down.init(k, "down", *down)
	return k
}

// checkLinks checks the two directions of a link. down may be nil.
func checkLinks(up LinkConfig, down *LinkConfig) error {
	if err := up.check(); err != nil {
		return err
	}
	if down != nil {
		if err := down.check(); err != nil {
			return fmt.Errorf("inbound: %w", err)
		}
	}
	return nil
}

// SetUp takes the link up or down. Packets already on it, or in its queue, arrive.
func (k *Link) SetUp(up bool) {
	k.lab.enter()
	defer k.lab.core.Unlock()
	for _, d := range []*pipe{k.up, k.down} {
		d.cut = !up
		d.refresh()
	}
	k.lab.changed(k.name, map[bool]string{true: "link up", false: "link down"}[up])
}

// Set changes the link in both directions while the lab runs. Nothing that is on it or
// waits for it is lost: what is on its way arrives when it would have, what waits goes on
// under the new configuration, a new rate included, and a new limit of the queue is for
// what comes.
func (k *Link) Set(cfg LinkConfig) error { return k.set("link", cfg, k.up, k.down) }

// SetOutbound changes the direction out of the site or gateway only.
func (k *Link) SetOutbound(cfg LinkConfig) error { return k.set("outbound link", cfg, k.up) }

// SetInbound changes the direction into the site or gateway only.
func (k *Link) SetInbound(cfg LinkConfig) error { return k.set("inbound link", cfg, k.down) }

func (k *Link) set(what string, cfg LinkConfig, pipes ...*pipe) error {
	if err := cfg.check(); err != nil {
		return fmt.Errorf("vnet: %s: %w", k.name, err)
	}
	k.lab.enter()
	defer k.lab.core.Unlock()
	for _, d := range pipes {
		d.set(cfg)
	}
	k.lab.changed(k.name, fmt.Sprintf("%s set to %v", what, cfg))
	return nil
}

// pipe is one direction of a link: a chain of stages, each with its own randomness.
type pipe struct {
	// All that most packets look at comes first: with thousands of links it is memory that
	// takes the time.
	open  bool // nothing to be done to a packet
	plain bool // nothing but a delay, always the same
	used  bool // packets have been given to the stages: there may be some on it still

	cut   bool
	link  *Link
	side  string
	cfg   LinkConfig
	rules []Rule

	next    func(*packet) // where it leads; always the same
	back    func(*packet) // where the answer of the router at its near end goes
	delayed func(*packet) // enter, bound when a rule first delays
	arrived func(*packet) // arrive, bound when a packet first comes by express
	spoiled func(*packet) // dropCorrupted, bound when a bit is first flipped

	loss   losses
	copies stream
	shaper shaper
	noise  noise
	delay  delays
}

func (d *pipe) init(k *Link, side string, cfg LinkConfig) {
	d.link, d.side, d.cfg = k, side, cfg
	d.refresh()
}

// refresh notes whether there is anything to be done to a packet.
func (d *pipe) refresh() {
	d.plain = d.cfg == (LinkConfig{Latency: d.cfg.Latency}) && !d.cut && len(d.rules) == 0
	d.open = d.plain && d.cfg.Latency == 0
	if d.plain = d.plain && d.cfg.Latency > 0; d.plain {
		d.link.lab.delays.Store(true)
	}
}

// set changes what the direction is while it runs.
func (d *pipe) set(cfg LinkConfig) {
	now := time.Now()
	before := d.cfg
	d.cfg = cfg
	d.refresh()
	d.reshape(before, now)
}

// send carries a packet to next, now or later, or drops it.
func (d *pipe) send(p *packet, next func(*packet)) {
	if p.segment > 0 && !d.open && !d.plain {
		d.link.lab.apart(p, func(p *packet) { d.send(p, next) })
		return
	}
	if d.open && d.clear() {
		next(p)
		return
	}
	d.next, d.used = next, true
	if len(d.rules) > 0 {
		d.judge(p)
		return
	}
	d.enter(p)
}

// clear says that nothing is on the pipe that a packet could overtake.
func (d *pipe) clear() bool {
	return !d.used || !d.shaper.busy() && (d.delay.last.IsZero() || !d.delay.last.After(d.link.lab.clock()))
}

// enter takes a packet that the rules have let through.
func (d *pipe) enter(p *packet) {
	size := p.size()
	switch {
	case d.cut:
		d.drop(p, LinkDown, "the link is down")
		return
	case d.cfg.MTU > 0 && size > d.cfg.MTU:
		d.tooBig(p, size)
		return
	case d.loses():
		d.drop(p, LinkLoss, "lost on the link")
		return
	}
	if d.cfg.Duplicate == 0 || d.copies.float(d, "duplicate") >= d.cfg.Duplicate {
		d.shape(p, size)
		return
	}
	again := d.link.lab.duplicate(p) // before the packet goes on, and is rewritten
	d.shape(p, size)
	d.shape(again, size)
}

// tooBig sends a packet on in fragments, if it may be cut, or drops it and tells its source (RFC
// 791 section 3.2, RFC 1191 section 4, RFC 4443 section 3.2).
func (d *pipe) tooBig(p *packet, size int) {
	l := d.link.lab
	if parts, err := l.cut(p, d.cfg.MTU); err == nil {
		for _, part := range parts {
			d.enter(part)
		}
		return
	}
	d.refuse(p, size, d.link.router(p.np.Src.Addr()), d.back)
}

// refuse drops a packet that does not fit, and says so from an address.
func (d *pipe) refuse(p *packet, size int, from netip.Addr, back func(*packet)) {
	d.drop(p, MTUExceeded, fmt.Sprintf("%d bytes do not fit the link's MTU of %d, and must not be cut", size, d.cfg.MTU))
	if answer := d.link.lab.complain(p, from, tooBig, uint32(d.cfg.MTU)); answer != nil {
		back(answer)
	}
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
	c.own()
	return &c
}

// seeded gives each use of randomness its own stream, so that one more packet
// on one link changes nothing on another.
func seeded(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// stream is the randomness of one stage of a pipe, made when first needed.
type stream struct{ rng *rand.Rand }

func (s *stream) of(d *pipe, use string) *rand.Rand {
	if s.rng == nil {
		s.rng = seeded(d.link.lab.cfg.Seed, d.link.name+"/"+d.side+"/"+use)
	}
	return s.rng
}

func (s *stream) float(d *pipe, use string) float64 { return s.of(d, use).Float64() }

// links are all links of the lab, in a fixed order.
func (l *Lab) links(each func(*Link)) {
	for _, s := range l.sites {
		each(s.link)
	}
	for _, g := range l.gateways {
		each(g.link)
	}
}

// waitingOnLinks is the number of packets in the queues of links.
func (l *Lab) waitingOnLinks() (n int) {
	l.links(func(k *Link) { n += k.up.shaper.waiting() + k.down.shaper.waiting() })
	return n
}

// closeLinks drops what waits in the queues of links.
func (l *Lab) closeLinks() {
	l.links(func(k *Link) {
		for _, d := range []*pipe{k.up, k.down} {
			for _, w := range d.shaper.takeAll() {
				l.closedOn(w.p)
			}
			d.shaper.sending = nil // the lab held it
		}
	})
}

// unhold takes back what hold was given, and says whether it was still there.
func (l *Lab) unhold(p *packet) bool { return l.queue.remove(p) }

// wake sees to it that the core looks again at what is due: somebody outside of a step
// has changed it.
func (l *Lab) wake() {
	if l.real {
		return // hold has set the alarm
	}
	l.inboxMu.Lock()
	defer l.inboxMu.Unlock()
	l.settleIn(settle, time.Now())
}
