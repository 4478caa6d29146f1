package media

import (
	"math"
	"math/rand/v2"
	"time"
)

const (
	rtcpMinimum   = 5.0                     // seconds, RFC 3550 §6.2
	rtcpShare     = 0.05                    // of the session bandwidth, RFC 3550 §6.2
	senderShare   = 0.25                    // of the RTCP bandwidth, RFC 3550 §6.2
	compensation  = math.E - 1.5            // RFC 3550 §6.3.1, for timer reconsideration
	lowerLayers   = 28                      // IPv4 and UDP headers count in sizes, RFC 3550 §6.2
	guessedSize   = 100 + lowerLayers       // of the first compound packet
	sizeWeight    = 1.0 / 16                // RFC 3550 §6.3.3
	audioOctets   = 8000.0                  // a second of G.711, the session bandwidth
	rtcpBandwidth = audioOctets * rtcpShare // octets a second
)

// schedule is the state of RFC 3550 §6.3.
type schedule struct {
	members, senders int
	weSent           bool
	initial          bool
	averageSize      float64
}

// interval is the randomised time between two compound packets, RFC 3550
// §6.3.1 and A.7: the deterministic interval, times 0.5..1.5, over e - 3/2.
func (c schedule) interval(rng *rand.Rand) time.Duration {
	seconds := c.deterministic() * (rng.Float64() + 0.5)
	return time.Duration(seconds / compensation * float64(time.Second))
}

// patience is how long a member may be silent: five deterministic intervals of a receiver
// (RFC 3550 §6.3.5).
func (c schedule) patience() time.Duration {
	c.weSent, c.initial = false, false
	return time.Duration(5 * c.deterministic() * float64(time.Second))
}

func (c schedule) deterministic() float64 {
	minimum, bandwidth, n := rtcpMinimum, rtcpBandwidth, float64(c.members)
	if c.initial {
		minimum /= 2
	}
	if senders := float64(c.senders); senders <= n*senderShare {
		if c.weSent {
			bandwidth, n = bandwidth*senderShare, senders
		} else {
			bandwidth, n = bandwidth*(1-senderShare), n-senders
		}
	}
	return max(c.averageSize*n/bandwidth, minimum)
}

// sized takes the size of a compound packet sent or received into the average.
func (c *schedule) sized(octets int) {
	c.averageSize += (float64(octets+lowerLayers) - c.averageSize) * sizeWeight
}
