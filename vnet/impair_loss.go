package vnet

import (
	"errors"
	"fmt"
	"math"
)

// GilbertElliott is loss in bursts: a chain of two states, good and bad, that takes one
// step with each packet (E. N. Gilbert, Capacity of a Burst-Noise Channel, Bell System
// Technical Journal 39, 1960; E. O. Elliott, Estimates of Error Rates for Codes on
// Burst-Noise Channels, same journal 42, 1963). What comes of it is measured as the loss
// episodes of RFC 6534. The zero value is off; [MeanBursts] gives one by its outcome.
//
// The stationary loss is (R*LossGood + P*LossBad) / (P+R). With Gilbert's LossGood 0 and
// LossBad 1 bursts are 1/R packets long in the mean.
type GilbertElliott struct {
	P        float64 // probability of a step from good to bad
	R        float64 // probability of a step from bad to good
	LossGood float64 // probability that a packet is lost in the good state: 1-k in Elliott's words
	LossBad  float64 // in the bad state: 1-h in Gilbert's and Elliott's words
}

// MeanBursts is the Gilbert model that loses the given share of packets in bursts of the
// given mean length, in packets.
func MeanBursts(loss, length float64) (GilbertElliott, error) {
	switch {
	case !(loss > 0 && loss < 1):
		return GilbertElliott{}, fmt.Errorf("vnet: bursts: mean loss %v: want more than 0 and less than 1", loss)
	case !(length >= 1) || math.IsInf(length, 0):
		return GilbertElliott{}, fmt.Errorf("vnet: bursts: mean burst length %v: want at least 1 packet", length)
	}
	g := GilbertElliott{R: 1 / length, LossBad: 1}
	if g.P = g.R * loss / (1 - loss); g.P > 1 {
		return GilbertElliott{}, fmt.Errorf("vnet: bursts: mean loss %v: needs bursts of at least %.3g packets, not %v", loss, loss/(1-loss), length)
	}
	return g, nil
}

func (g GilbertElliott) check() error {
	if g == (GilbertElliott{}) {
		return nil
	}
	errs := []error{
		probability("burst-p", g.P), probability("burst-r", g.R),
		probability("burst-loss-good", g.LossGood), probability("burst-loss-bad", g.LossBad),
	}
	switch {
	case g.P == 0:
		errs = append(errs, errors.New("link: burst-p 0: the bad state is never entered; for loss without bursts use loss"))
	case g.LossGood == 0 && g.LossBad == 0:
		errs = append(errs, errors.New("link: bursts without burst-loss-bad: nothing would be lost; Gilbert's model has 1 - h > 0"))
	case g.R == 0:
		errs = append(errs, errors.New("link: burst-r 0: the bad state is never left; to take the link down use SetUp"))
	}
	return errors.Join(errs...)
}

// losses is the stage that loses packets.
type losses struct {
	stream
	bad bool // the state of the Gilbert-Elliott chain; it begins as good
}

// loses decides about one packet.
func (d *pipe) loses() bool {
	if d.cfg.Bursts.P > 0 {
		return d.loss.step(d, &d.cfg.Bursts)
	}
	return d.cfg.Loss > 0 && d.loss.float(d, "loss") < d.cfg.Loss
}

// step decides by the state that the chain is in and takes the chain on. It always draws twice.
func (s *losses) step(d *pipe, g *GilbertElliott) bool {
	lose, leave := g.LossGood, g.P
	if s.bad {
		lose, leave = g.LossBad, g.R
	}
	lost := s.float(d, "loss") < lose
	if s.float(d, "loss") < leave {
		s.bad = !s.bad
	}
	return lost
}

// noise is the stage that flips bits: it counts down the good bits to the next flipped one.
type noise struct {
	stream
	rate float64 // what gap was drawn for
	gap  uint64
}

// strike reports whether a packet of so many bits has some flipped, and the first of them.
func (n *noise) strike(d *pipe, rate float64, bits uint64) (first uint64, struck bool) {
	if n.rate != rate {
		n.rate, n.gap = rate, n.draw(d, rate)
	}
	if n.gap >= bits {
		n.gap -= bits
		return 0, false
	}
	first = n.gap
	for at := first; ; { // over the others that this packet has
		at += 1 + n.draw(d, rate)
		if at >= bits {
			n.gap = at - bits
			return first, true
		}
	}
}

// draw is the number of good bits before a flipped one: geometric, by inversion.
func (n *noise) draw(d *pipe, rate float64) uint64 {
	if rate >= 1 {
		return 0
	}
	good := math.Log(1-n.float(d, "bit-errors")) / math.Log1p(-rate)
	return uint64(min(good, 1<<62))
}

// disturb flips bits of a packet and gives who takes it at the far end. Packets have no
// bytes here, so the flipped bit ends where the checksum is looked at (RFC 791, RFC 768).
func (d *pipe) disturb(p *packet) func(*packet) {
	if d.cfg.BitErrors == 0 {
		return d.next
	}
	bits := uint64(p.size()) * 8
	if _, struck := d.noise.strike(d, d.cfg.BitErrors, bits); !struck {
		return d.next
	}
	if d.spoiled == nil {
		d.spoiled = d.dropCorrupted
	}
	return d.spoiled
}

func (d *pipe) dropCorrupted(p *packet) {
	d.drop(p, Corrupted, "a bit was flipped on the link: the checksum does not match")
}
