package vnet

import (
	"errors"
	"fmt"
	"time"
)

// LinkConfig describes a direction of a link, or both alike. The zero value is a
// perfect link: nothing lost, nothing delayed.
//
// What a packet meets, in this order: the rules ([Rule]), MTU, loss, duplication, the
// queue and the rate, bit errors, and the delay with jitter and reordering. Each draws
// from a stream of its own that the lab's seed and the link's name decide.
type LinkConfig struct {
	Latency time.Duration // one way
	// Jitter is the spread of the delay: for Uniform an extra delay in [0, Jitter), for
	// other shapes the unit of the distribution's values, which are added to Latency. A
	// delay that would be negative is none.
	Jitter       time.Duration
	Distribution Distribution // the shape of the jitter; zero is Uniform
	Unordered    bool         // jitter may let packets overtake others; otherwise order is kept

	Loss   float64        // probability in [0, 1] that a packet is lost, each alone
	Bursts GilbertElliott // loss in bursts, instead of Loss

	Duplicate float64       // probability that a packet arrives twice
	Reorder   float64       // probability that a packet is held back and overtaken
	ReorderBy time.Duration // how long it is held back, at most
	// ReorderDistance lets it go as soon as that many later packets are ahead of it, which is its
	// reordering extent (RFC 4737 section 4.2); 0 is after ReorderBy.
	ReorderDistance int

	// BitErrors is the probability that a bit is flipped on the way, each alone. A packet
	// with a flipped bit takes its time and its share of the rate, and is dropped where it
	// arrives, as "corrupted".
	BitErrors float64

	Rate    int   // bytes per second, IP headers included; 0 is unlimited
	BitRate int64 // the same in bits per second, instead of Rate

	Discipline   Discipline // what the queue before the rate is; zero is DropTail
	Queue        int        // DropTail: bytes waiting, or left of the packet being sent, before packets are dropped; 0 is 64 KiB
	QueuePackets int        // DropTail: packets, instead of Queue; FQCoDel: 0 is 10240
	CoDel        CoDel      // FQCoDel: its parameters; zero ones are those of the RFC

	// MTU is the largest IP packet in bytes; 0 is unlimited. A larger one goes on in fragments if it
	// may be cut, as what sockets send may not; else it is dropped, and its source told.
	MTU int
}

// The bounds of a configuration, so that times can be added without overflow.
const (
	maxDelay    = 24 * time.Hour
	minMTU      = 68 // RFC 791 section 3.2: every internet module forwards 68 octets unfragmented
	maxFlows    = 1 << 16
	maxDistance = 1 << 16
)

// check says all that is wrong with the configuration.
func (c LinkConfig) check() error {
	if c == (LinkConfig{}) {
		return nil
	}
	return errors.Join(c.checkDelay(), c.checkLoss(), c.checkReorder(), c.checkRate(), c.checkQueue(), c.checkMTU())
}

func probability(name string, v float64) error {
	if !(v >= 0 && v <= 1) {
		return fmt.Errorf("link: %s %v: want a probability from 0 to 1", name, v)
	}
	return nil
}

func duration(name string, d time.Duration) error {
	switch {
	case d < 0:
		return fmt.Errorf("link: %s %v: want a delay that is not negative", name, d)
	case d > maxDelay:
		return fmt.Errorf("link: %s %v: want at most %v", name, d, maxDelay)
	}
	return nil
}

func (c LinkConfig) checkDelay() error {
	errs := []error{duration("latency", c.Latency), duration("jitter", c.Jitter)}
	if c.Jitter == 0 && c.Distribution != Uniform {
		errs = append(errs, fmt.Errorf("link: distribution %v: needs a jitter, which it is the shape of", c.Distribution))
	}
	if c.Jitter == 0 && c.Unordered {
		errs = append(errs, errors.New("link: unordered: without jitter nothing overtakes; set a jitter, or use reorder"))
	}
	return errors.Join(errs...)
}

func (c LinkConfig) checkLoss() error {
	errs := []error{
		probability("loss", c.Loss), probability("duplicate", c.Duplicate), probability("bit-errors", c.BitErrors),
		c.Bursts.check(),
	}
	if c.Loss != 0 && c.Bursts != (GilbertElliott{}) {
		errs = append(errs, errors.New("link: loss and bursts exclude each other: loss outside bursts is burst-loss-good"))
	}
	return errors.Join(errs...)
}

func (c LinkConfig) checkReorder() error {
	errs := []error{probability("reorder", c.Reorder), duration("reorder-by", c.ReorderBy)}
	if (c.Reorder > 0) != (c.ReorderBy > 0) {
		errs = append(errs, errors.New("link: reorder and reorder-by go together: how often, and for how long at most"))
	}
	switch {
	case c.ReorderDistance < 0 || c.ReorderDistance > maxDistance:
		errs = append(errs, fmt.Errorf("link: reorder-distance %d: want 0 to %d packets", c.ReorderDistance, maxDistance))
	case c.ReorderDistance > 0 && c.Reorder == 0:
		errs = append(errs, errors.New("link: reorder-distance needs reorder: how often"))
	}
	return errors.Join(errs...)
}

func (c LinkConfig) checkRate() error {
	switch {
	case c.Rate < 0:
		return fmt.Errorf("link: rate %d: want bytes per second, or 0 for unlimited", c.Rate)
	case c.BitRate < 0:
		return fmt.Errorf("link: bit-rate %d: want bits per second, or 0 for unlimited", c.BitRate)
	case c.Rate > 0 && c.BitRate > 0:
		return fmt.Errorf("link: rate %d and bit-rate %d exclude each other: one is bytes, the other bits per second", c.Rate, c.BitRate)
	}
	return nil
}

func (c LinkConfig) checkQueue() error {
	var errs []error
	if c.Queue < 0 || c.Queue > 0 && c.Queue < (headerIPv4+headerUDP) {
		errs = append(errs, fmt.Errorf("link: queue %d: want at least the %d bytes of a packet, or 0 for 64 KiB", c.Queue, (headerIPv4+headerUDP)))
	}
	if c.QueuePackets < 0 {
		errs = append(errs, fmt.Errorf("link: queue-packets %d: want a number of packets", c.QueuePackets))
	}
	if c.Queue > 0 && c.QueuePackets > 0 {
		errs = append(errs, errors.New("link: queue and queue-packets exclude each other: one is bytes, the other packets"))
	}
	if c.unlimited() && (c.Queue > 0 || c.QueuePackets > 0 || c.Discipline != DropTail) {
		errs = append(errs, errors.New("link: a queue needs a rate: nothing waits for a link without one"))
	}
	switch c.Discipline {
	case DropTail:
		if c.CoDel != (CoDel{}) {
			errs = append(errs, errors.New("link: codel parameters need the discipline fq-codel"))
		}
	case FQCoDel:
		if c.Queue > 0 {
			errs = append(errs, errors.New("link: queue: fq-codel is limited in packets (RFC 8290 section 5.2); use queue-packets"))
		}
		errs = append(errs, c.CoDel.check())
	default:
		errs = append(errs, fmt.Errorf("link: discipline %d: want drop-tail or fq-codel", c.Discipline))
	}
	return errors.Join(errs...)
}

func (c LinkConfig) checkMTU() error {
	if c.MTU < 0 || c.MTU > 0 && c.MTU < minMTU {
		return fmt.Errorf("link: mtu %d: IPv4 needs at least %d (RFC 791)", c.MTU, minMTU)
	}
	return nil
}

func (c LinkConfig) unlimited() bool { return c.Rate == 0 && c.BitRate == 0 }
