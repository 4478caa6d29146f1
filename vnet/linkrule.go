package vnet

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// Rule decides about each packet that enters a direction of a link, before the link's own
// impairments. Rules run in the core, one packet after the other in the lab's order, so one
// that keeps state of its own (every third packet, the first INVITE) sees the same packets
// in each run of one seed. It must not call back into the lab, block, or look at another
// clock than Packet.At; a panic in it is not caught.
type Rule func(Packet) Verdict

// Packet is what a rule sees. Payload is shared: read only, and not to be kept.
type Packet struct {
	ID, Parent uint64 // identity in the trace; Parent is what it duplicates or answers, or 0
	Protocol   natmodels.Protocol
	Src, Dst   netip.AddrPort
	Payload    []byte
	Size       int           // bytes of the IP packet
	At         time.Duration // since the lab started, as in Event.At
}

// Verdict is what a rule makes of a packet. The zero value is [Pass]. Delay and Duplicate
// go together; of several rules the first that drops ends the packet, and what others ask
// for adds up. A verdict that cannot be honoured drops the packet as "bad-verdict".
type Verdict struct {
	Drop      Reason        // ends the packet: the reason the trace shows, your own or one of this package
	Detail    string        // of a drop: a plain sentence for people
	Delay     time.Duration // holds it back before it enters the link, and not those behind it
	Duplicate int           // copies that enter the link behind it, at most 16 from all rules
}

// Pass lets a packet through.
var Pass = Verdict{}

// Drop ends a packet for a reason, which the trace shows.
func Drop(why Reason, detail string) Verdict { return Verdict{Drop: why, Detail: detail} }

// Delay holds a packet back.
func Delay(by time.Duration) Verdict { return Verdict{Delay: by} }

// Duplicate makes copies of a packet.
func Duplicate(copies int) Verdict { return Verdict{Duplicate: copies} }

// maxCopies bounds what rules ask for, so that a mistake does not fill the lab.
const maxCopies = 16

// check says what cannot be honoured.
func (v Verdict) check() string {
	switch {
	case v.Delay < 0 || v.Delay > maxDelay:
		return fmt.Sprintf("delay %v: want 0 to %v", v.Delay, maxDelay)
	case v.Drop != "" && (v.Delay != 0 || v.Duplicate != 0):
		return fmt.Sprintf("drop as %q, and delay or duplicate: want one or the other", v.Drop)
	case v.Drop == "" && v.Detail != "":
		return fmt.Sprintf("detail %q without a reason to drop", v.Detail)
	case v.Duplicate < 0 || v.Duplicate > maxCopies:
		return fmt.Sprintf("duplicate %d: want 0 to %d copies", v.Duplicate, maxCopies)
	}
	return ""
}

// SetOutboundRules gives the direction out of the site or gateway rules of your own, in
// place of those it has; none takes them away. Packets that a rule has delayed go on.
func (k *Link) SetOutboundRules(rules ...Rule) error { return k.setRules("outbound", k.up, rules) }

// SetInboundRules is SetOutboundRules for the direction into the site or gateway.
func (k *Link) SetInboundRules(rules ...Rule) error { return k.setRules("inbound", k.down, rules) }

func (k *Link) setRules(what string, d *pipe, rules []Rule) error {
	for i, r := range rules {
		if r == nil {
			return fmt.Errorf("vnet: %s: %s rule %d is nil: to take rules away set none", k.name, what, i+1)
		}
	}
	k.lab.enter()
	defer k.lab.core.Unlock()
	d.rules = slices.Clone(rules)
	d.refresh()
	k.lab.changed(k.name, fmt.Sprintf("%s rules: %d", what, len(rules)))
	return nil
}

// judge puts a packet before the rules.
func (d *pipe) judge(p *packet) {
	seen := Packet{
		ID: p.id, Parent: p.parent, Protocol: p.np.Protocol, Src: p.np.Src, Dst: p.np.Dst,
		Payload: p.payload, Size: p.size(), At: d.link.lab.elapsed(),
	}
	var sum Verdict
	for i, rule := range d.rules {
		v := rule(seen)
		if why := v.check(); why != "" {
			d.drop(p, BadVerdict, fmt.Sprintf("rule %d of the link: %s", i+1, why))
			return
		}
		if v.Drop != "" {
			d.drop(p, v.Drop, v.Detail)
			return
		}
		sum.Delay += v.Delay
		sum.Duplicate += v.Duplicate
	}
	if why := sum.check(); why != "" {
		d.drop(p, BadVerdict, "the rules of the link together: "+why)
		return
	}
	if sum.Duplicate == 0 {
		d.admit(p, sum.Delay)
		return
	}
	came := *p // before the packet goes on, and is rewritten
	came.own()
	d.admit(p, sum.Delay)
	for range sum.Duplicate {
		d.admit(d.link.lab.duplicate(&came), sum.Delay)
	}
}

// admit lets a packet into the link after a delay.
func (d *pipe) admit(p *packet, delay time.Duration) {
	if delay == 0 {
		d.enter(p)
		return
	}
	if d.delayed == nil {
		d.delayed = d.enter
	}
	d.link.lab.hold(p, d.link.lab.clock().Add(delay), d.delayed)
}
