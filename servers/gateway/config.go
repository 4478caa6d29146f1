package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/natproof/natproof/media"
)

// What this package's functions return; match with errors.Is.
var (
	ErrConfig   = errors.New("gateway: configuration refused")
	ErrSocket   = errors.New("gateway: the SIP socket failed")
	ErrClosed   = errors.New("gateway: closed")
	ErrNoCall   = errors.New("gateway: no such call")
	ErrNotReady = errors.New("gateway: the call is not established")
	ErrNoPorts  = errors.New("gateway: no media port could be opened")
)

// Config says how the gateway behaves. Every field may be left zero.
type Config struct {
	// Numbers says which user parts can be called; the rest get 404. The
	// default is IsNumber.
	Numbers func(user string) bool
	// MaxCalls is how many calls may be up at one time, 0 for no limit; one
	// more gets 486.
	MaxCalls int
	// RingTime is from 180 to 200. Zero answers at once.
	RingTime time.Duration
	// TalkTime is from the ACK to a BYE by the gateway. Zero never hangs up.
	TalkTime time.Duration

	// MediaAddr is the address of the media sockets and of the c= line; the
	// default is that of the SIP socket. Another one is how a caller comes to
	// learn of a remote media address that it did not send its INVITE to.
	MediaAddr netip.Addr
	// MinPort and MaxPort bound the media ports, which are taken in pairs, an
	// even one for RTP and the next for RTCP (RFC 3550 §11). Default 16384 to 32767.
	MinPort, MaxPort uint16
	// Listen opens a media socket; the default is net.ListenPacket.
	Listen func(netip.AddrPort) (net.PacketConn, error)

	// Codecs in order of preference; default media.DefaultCodecs.
	Codecs []media.Codec
	PTime  time.Duration // default 20 ms
	Mux    bool          // takes RTCP on the RTP port if the caller offers it (RFC 5761)

	// Latch, Strict and Silent are what media.Config says.
	Latch, Strict, Silent bool

	// Seed decides every random choice, in the order calls arrive: SSRCs,
	// RTCP times, session ids, tags. Branch parameters are sipgo's own.
	Seed uint64
	// History is how many ended calls Calls remembers; default 1000.
	History int
	// OnChange is told of every change of a call's state, one at a time. It must
	// not call Close or Shutdown.
	OnChange func(Call)
	// Logger gets what a person debugging would read; the default discards it.
	Logger *slog.Logger
}

const (
	defaultMinPort = 16384
	defaultMaxPort = 32767
	defaultHistory = 1000
	defaultPTime   = 20 * time.Millisecond
)

func (c Config) withDefaults(local netip.AddrPort) Config {
	if c.Numbers == nil {
		c.Numbers = IsNumber
	}
	if !c.MediaAddr.IsValid() {
		c.MediaAddr = local.Addr()
	}
	if c.MinPort == 0 && c.MaxPort == 0 {
		c.MinPort, c.MaxPort = defaultMinPort, defaultMaxPort
	}
	if c.Listen == nil {
		c.Listen = func(at netip.AddrPort) (net.PacketConn, error) { return net.ListenPacket("udp", at.String()) }
	}
	if len(c.Codecs) == 0 {
		c.Codecs = media.DefaultCodecs()
	}
	if c.PTime == 0 {
		c.PTime = defaultPTime
	}
	if c.History == 0 {
		c.History = defaultHistory
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate(local netip.AddrPort) error {
	_, voice := media.Description{Codecs: c.Codecs}.Codec()
	switch {
	case local.Addr().IsUnspecified() || local.Port() == 0:
		return fmt.Errorf("%w: the SIP socket is bound to %v: callers need a concrete address and port", ErrConfig, local)
	case c.MediaAddr.IsUnspecified():
		return fmt.Errorf("%w: MediaAddr %v: callers need a concrete address", ErrConfig, c.MediaAddr)
	case c.MaxCalls < 0 || c.RingTime < 0 || c.TalkTime < 0 || c.History < 0:
		return fmt.Errorf("%w: a negative limit or time", ErrConfig)
	case c.firstPort() >= int(c.MaxPort):
		return fmt.Errorf("%w: ports %d to %d hold no pair", ErrConfig, c.MinPort, c.MaxPort)
	case c.PTime < time.Millisecond || c.PTime > 200*time.Millisecond:
		return fmt.Errorf("%w: PTime %v is not in 1ms..200ms", ErrConfig, c.PTime)
	case !voice:
		return fmt.Errorf("%w: no voice codec", ErrConfig)
	}
	return nil
}

// firstPort is the first even port of the range.
func (c Config) firstPort() int { return (int(c.MinPort) + 1) &^ 1 }

// IsNumber is true for a telephone number as RFC 3966 §3 writes one in a SIP
// user part: digits, *, # and visual separators, perhaps a leading +, perhaps
// parameters after a semicolon.
func IsNumber(user string) bool {
	user, _, _ = strings.Cut(user, ";")
	digits := 0
	for i, r := range user {
		switch {
		case r >= '0' && r <= '9' || r == '*' || r == '#':
			digits++
		case r == '+' && i == 0:
		case strings.ContainsRune("-.()", r):
		default:
			return false
		}
	}
	return digits > 0
}
