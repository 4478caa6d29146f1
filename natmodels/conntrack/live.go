package conntrack

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// Outbound handles a packet that arrives from the inside.
func (k *Tracker) Outbound(p natmodels.Packet, now time.Time) natmodels.Verdict {
	k.stats.Outbound++
	return k.send(judge.Inside, &p, k.clock.Tick(now))
}

// Inbound handles a packet that arrives from the outside.
func (k *Tracker) Inbound(p natmodels.Packet, now time.Time) natmodels.Verdict {
	k.stats.Inbound++
	return k.send(judge.Outside, &p, k.clock.Tick(now))
}

// Model is the Config or Firewall in force.
func (k *Tracker) Model() natmodels.Model {
	if k.firewall {
		return Firewall{k.filtering, k.cfg.Timers, k.cfg.Unsolicited, k.cfg.PassInvalid}
	}
	return k.cfg
}

// Mute says that nothing from the inside is answered but what is for the box itself.
func (k *Tracker) Mute() bool { return len(k.prefixes) == 0 }

// Place is where the box stands now.
func (k *Tracker) Place() natmodels.Place {
	p := k.place
	p.External = slices.Clone(p.External)
	return p
}

// Advance tells the box the time, and ends the connections whose time has come.
func (k *Tracker) Advance(now time.Time) { k.expireAll(k.clock.Tick(now)) }

// Due tells the time: a tracker sends nothing by itself.
func (k *Tracker) Due(now time.Time) []natmodels.Packet {
	k.clock.Tick(now)
	return nil
}

// NextDue returns false.
func (k *Tracker) NextDue() (at time.Time, ok bool) { return time.Time{}, false }

// Flush ends every connection and expectation, as a reboot does.
func (k *Tracker) Flush() {
	t := k.clock.Now()
	k.expireAll(t)
	k.each(func(ref uint32, _ *connection) { k.end(ref, natmodels.Flushed, t) })
	k.expected = expectations{}
}

// Renumber gives the box other external addresses, and ends the connections whose external
// address is no longer there.
func (k *Tracker) Renumber(external []netip.Addr) error {
	place := k.Place()
	place.External = external
	var p judge.Problems
	k.checkPlace(&p, place)
	if err := errors.Join(p...); err != nil {
		return err
	}
	t := k.clock.Now()
	k.expireAll(t)
	k.settle(place)
	k.expected.renumber(k.external)
	k.each(func(ref uint32, c *connection) {
		if a := k.info(c).External.Addr(); !slices.Contains(external, a) && k.unstatic(table.Pack(a)) == table.Pack(a) {
			k.end(ref, natmodels.Renumbered, t)
		}
	})
	return nil
}

// SetBehavior changes the rules: every connection stays as it is, and its timer restarts by
// the new settings with its next packet. Prefixes cannot change.
func (k *Tracker) SetBehavior(m natmodels.Model) error {
	var next rules
	var p judge.Problems
	switch m := m.(type) {
	case Config:
		next, p = m.rules(), m.problems()
	case Firewall:
		next, p = m.rules(), m.problems()
	}
	is, to := k.Model().Behavior().Kind, m.Behavior().Kind
	if is != to {
		return judge.Become(is, to)
	}
	next.checkPlace(&p, k.place)
	if !slices.Equal(next.cfg.Prefixes, k.cfg.Prefixes) {
		p.Add("prefixes", "the prefixes of a running NAT cannot change")
	}
	if err := errors.Join(p...); err != nil {
		return err
	}
	k.expireAll(k.clock.Now())
	k.configure(next)
	return nil
}

// Mappings returns the connections alive at now.
func (k *Tracker) Mappings(now time.Time) []natmodels.MappingInfo {
	k.expireAll(k.clock.Tick(now))
	all := make([]natmodels.MappingInfo, 0, k.live)
	k.each(func(_ uint32, c *connection) { all = append(all, k.info(c)) })
	judge.Sort(all)
	return all
}

// Admitted lists who may send to the external endpoint of a connection: the remotes of all
// connections that share it.
func (k *Tracker) Admitted(m natmodels.MappingInfo, now time.Time) (remotes []netip.AddrPort, everyone bool) {
	k.expireAll(k.clock.Tick(now))
	e, _ := judge.PackAny(m.External)
	for ref := k.byHolder.newest(k, kinKey{m.Protocol, e}); ref != 0; ref = k.table.At(ref).kin[sameHolder].older {
		if c := k.info(k.table.At(ref)); c.Internal == m.Internal {
			remote := table.Endpoint{Addr: table.Pack(c.Remote.Addr()), Port: c.Remote.Port()}
			remotes = append(remotes, table.Key(k.filtering, remote).Netip())
		}
	}
	slices.SortFunc(remotes, netip.AddrPort.Compare)
	return slices.Compact(remotes), false
}

// Stats returns the counters as they stand at now.
func (k *Tracker) Stats(now time.Time) natmodels.Stats {
	k.expireAll(k.clock.Tick(now))
	s := k.stats
	s.Live = uint64(k.live)
	return s
}
