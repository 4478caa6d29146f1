package media

import (
	"fmt"
	"net"
	"net/netip"
	"time"
)

// The two audio payload types of RFC 3551 §6 that every phone has.
const (
	PCMU uint8 = 0
	PCMA uint8 = 8
)

const (
	defaultClockRate = 8000
	defaultPTime     = 20 * time.Millisecond
	maxPTime         = 200 * time.Millisecond
	readBufferSize   = 2048
	rtpHeaderSize    = 12
	maxPayload       = readBufferSize - rtpHeaderSize - 1
)

// Config says how a Stream behaves. Only RTP is required; the zero value of
// every other field is a plain PCMU stream with RTCP multiplexed on RTP.
type Config struct {
	// RTP is the socket that sends and receives RTP: one socket for both
	// directions is what RFC 4961 calls symmetric RTP.
	RTP net.PacketConn
	// RTCP is the socket for RTCP. Nil means RTCP shares RTP (RFC 5761).
	RTCP net.PacketConn

	PayloadType uint8         // sent, and the only one received; default 0, PCMU
	ClockRate   uint32        // RTP timestamp units per second; default 8000
	PTime       time.Duration // one packet every PTime; default 20 ms, at most 200 ms

	// Latch is when RTP and RTCP are sent to where valid packets come from instead of to
	// the signalled address (RFC 7362). The default is LatchOff.
	Latch Latch
	// LatchFor is how long LatchWindow lets the source change; default 5 s. No other policy
	// takes it.
	LatchFor time.Duration
	// Strict drops packets that do not come from the signalled address. It is
	// applied before Latch: a packet it drops moves nothing.
	Strict bool
	// Silent never sends RTP. RTCP receiver reports are still sent.
	Silent bool

	// ReadLate reads the sockets from Start on, when the first packets have left. For who
	// starts the stream as soon as it is made: what the sockets hold already (the peer may
	// be faster than its answer, RFC 3264 §5.1) is then received, always; otherwise it
	// depends on who runs first whether it is RTPEarly.
	ReadLate bool

	// Events say how telephone events go; by default they do not, and such packets are counted
	// as WrongPayload.
	Events Events
	// OnPanic ends a panic over a datagram, which is then dropped. It is called while the panic
	// is on the stack. Nil lets it go on, which ends the process.
	OnPanic func(value any, datagram []byte, from netip.AddrPort)
	// OnDTMF is told of each digit that was received, one at a time, once it has ended. It
	// must return at once and not call the Stream.
	OnDTMF func(DTMF)

	// CNAME is the RTCP canonical name, 1 to 255 bytes; by default one is made
	// from the local address.
	CNAME string
	// Seed decides SSRC, first sequence number, first timestamp and RTCP
	// jitter. They also depend on the local and remote address, so two ends
	// given one seed do not collide.
	Seed uint64

	// OnSTUN gets every datagram whose first byte is 0..3 (RFC 7983 §7), on
	// the goroutine that read it: b is valid until it returns, and it must not
	// call Close. Without it such datagrams are counted as Malformed.
	OnSTUN func(b []byte, from net.Addr, on net.PacketConn)
}

func (c Config) withDefaults() Config {
	if c.ClockRate == 0 {
		c.ClockRate = defaultClockRate
	}
	if c.PTime == 0 {
		c.PTime = defaultPTime
	}
	if c.Latch == LatchWindow && c.LatchFor == 0 {
		c.LatchFor = defaultLatchFor
	}
	if c.CNAME == "" && c.RTP != nil {
		c.CNAME = "stream@" + c.RTP.LocalAddr().String()
	}
	return c
}

// samples is the RTP timestamp step of one packet. G.711 has one byte a
// sample (RFC 3551 §4.5.14), so it is the payload size too.
func (c Config) samples() uint32 {
	return uint32(uint64(c.ClockRate) * uint64(c.PTime) / uint64(time.Second))
}

func (c Config) validate() error {
	switch {
	case c.RTP == nil:
		return fmt.Errorf("%w: no RTP socket", ErrConfig)
	case c.RTCP == c.RTP:
		return fmt.Errorf("%w: RTCP and RTP are one socket: leave RTCP nil to multiplex", ErrConfig)
	case c.PayloadType > 127:
		return fmt.Errorf("%w: payload type %d is over 127", ErrConfig, c.PayloadType)
	case !usableType(c.PayloadType):
		return fmt.Errorf("%w: payload type %d looks like RTCP (64..95 are)", ErrConfig, c.PayloadType)
	case c.PTime < time.Millisecond || c.PTime > maxPTime:
		return fmt.Errorf("%w: a packet time of %v is not in 1ms..%v", ErrConfig, c.PTime, maxPTime)
	case uint64(c.ClockRate)*uint64(c.PTime)%uint64(time.Second) != 0:
		return fmt.Errorf("%w: %v at %d Hz is not a whole number of samples", ErrConfig, c.PTime, c.ClockRate)
	case c.samples() == 0 || c.samples() > maxPayload:
		return fmt.Errorf("%w: %v at %d Hz does not fit one packet", ErrConfig, c.PTime, c.ClockRate)
	case len(c.CNAME) > 255: // RFC 3550 §6.5: the length is one byte
		return fmt.Errorf("%w: a CNAME of %d bytes is over 255", ErrConfig, len(c.CNAME))
	}
	if err := c.Events.validate(c.PayloadType); err != nil {
		return err
	}
	return c.Latch.Check(c.LatchFor)
}
