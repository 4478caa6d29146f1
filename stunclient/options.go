package stunclient

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// A Writer is the sending half of a net.PacketConn.
type Writer interface {
	WriteTo(b []byte, to net.Addr) (int, error)
	LocalAddr() net.Addr
}

// Defaults of Options (RFC 8489 section 6.2.1).
const (
	DefaultRTO = 500 * time.Millisecond
	DefaultRc  = 7
	DefaultRm  = 16
)

// Options say how a client behaves. The zero value is RFC 8489's defaults.
type Options struct {
	// RTO is how long to wait before the first retransmission; each further
	// wait is twice as long. 0 is DefaultRTO.
	RTO time.Duration
	// Rc is how many requests are sent in all; 0 is DefaultRc.
	Rc int
	// Rm times RTO is how long to wait after the last request; 0 is DefaultRm.
	Rm int

	// Rand is where transaction ids come from; nil is crypto/rand. It is never
	// read by two goroutines at once.
	Rand io.Reader

	// Fingerprint adds FINGERPRINT to every message, for sockets that carry
	// other protocols too (RFC 8489 section 7).
	Fingerprint bool

	// Other, if set, is handed every STUN message that is no response to a
	// transaction of this client: requests, indications, late responses. It is
	// called by Handle, must not block, and must not keep b.
	Other func(b []byte, from netip.AddrPort)
}

// maxRequests bounds Rc: waits double, and this many fill decades.
const maxRequests = 32

func (o Options) withDefaults() (Options, error) {
	if o.RTO < 0 || o.Rc < 0 || o.Rm < 0 || o.Rc > maxRequests {
		return o, fmt.Errorf("stunclient: options: RTO %v, Rc %d, Rm %d: want none negative and Rc at most %d",
			o.RTO, o.Rc, o.Rm, maxRequests)
	}
	if o.RTO == 0 {
		o.RTO = DefaultRTO
	}
	if o.Rc == 0 {
		o.Rc = DefaultRc
	}
	if o.Rm == 0 {
		o.Rm = DefaultRm
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return o, nil
}

// timing is a retransmission schedule.
type timing struct {
	rto, limit time.Duration // first wait, longest wait between requests (0: none)
	sends      int
	last       time.Duration // wait after the last request
}

// timing of RFC 8489 section 6.2.1.
func (o Options) timing() timing {
	return timing{rto: o.RTO, sends: o.Rc, last: o.RTO * time.Duration(o.Rm)}
}

// legacyTiming is RFC 3489 section 9.3: 100 ms, doubling up to 1.6 s, nine
// requests in all, at 0, 100, 300, 700, 1500, 3100, 4700, 6300 and 7900 ms,
// over at 9500 ms.
var legacyTiming = timing{rto: 100 * time.Millisecond, limit: 1600 * time.Millisecond, sends: 9, last: 1600 * time.Millisecond}

// wait is how long to wait after the nth request, n from 1.
func (t timing) wait(n int) time.Duration {
	if n >= t.sends {
		return t.last
	}
	w := t.rto << (n - 1)
	if t.limit > 0 && w > t.limit {
		w = t.limit
	}
	return w
}
