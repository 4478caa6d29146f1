package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/ua"
)

// What this package's functions return; match with errors.Is.
var (
	ErrConfig   = errors.New("gateway: configuration refused")
	ErrSocket   = errors.New("gateway: the SIP socket failed")
	ErrClosed   = errors.New("gateway: closed")
	ErrNoCall   = errors.New("gateway: no such call")
	ErrNotReady = errors.New("gateway: the call is not established")
)

// Config says how the gateway behaves. Every field may be left zero.
type Config struct {
	// Numbers says which user parts can be called; the rest get 404. The default is IsNumber.
	Numbers func(user string) bool
	// MaxCalls is how many calls may be up at one time, 0 for no limit; one more gets 486.
	MaxCalls int
	// RingTime is from 180 to 200. Zero answers at once.
	RingTime time.Duration
	// EarlyMedia plays the gateway's audio, and hears the caller's, while it rings: 183 with a
	// session description instead of 180 (RFC 3261 §13.2.1). An INVITE without an offer gets
	// 180 all the same.
	EarlyMedia bool
	// TalkTime is from the ACK to a BYE by the gateway. Zero never hangs up.
	TalkTime time.Duration

	// MediaAddr is the address of the media sockets and of the c= line; the default is that
	// of the SIP socket. Another one is how a caller comes to learn of a remote media address
	// that it did not send its INVITE to.
	MediaAddr netip.Addr
	// MinPort and MaxPort bound the media ports, which are taken in turn and in pairs, an even
	// one for RTP and the next for RTCP (RFC 3550 §11). Default 16384 to 32767.
	MinPort, MaxPort uint16
	// Listen opens a media socket; the default is net.ListenPacket.
	Listen func(netip.AddrPort) (net.PacketConn, error)

	// Codecs in order of preference; default media.DefaultCodecs.
	Codecs []media.Codec
	PTime  time.Duration // default 20 ms
	Mux    bool          // takes RTCP on the RTP port if the caller offers it (RFC 5761)

	// DeclineRefer answers a REFER, which asks the gateway to call somebody, with 603. Otherwise
	// it is a method that the gateway does not know: 405.
	DeclineRefer bool

	// Latch, LatchFor, Strict and Silent are what media.Config says.
	Latch          media.Latch
	LatchFor       time.Duration
	Strict, Silent bool

	// PRACK makes the responses that come while it rings reliable (RFC 3262), and Update takes
	// UPDATE (RFC 3311); without them both methods get 405.
	PRACK  ua.PRACK
	Update bool
	// SessionTimer has calls end that nobody refreshes (RFC 4028); zero does not use it.
	SessionTimer ua.SessionTimer

	// Seed decides SSRCs, RTCP times and session ids. Tags and branches are always unique.
	Seed uint64
	// History is how many ended calls Calls remembers; default 1000.
	History int
	// OnChange is told of every change of a call's state, one at a time and in order. It may
	// call the server and take its time: Close and Shutdown do not wait for it, Serve does.
	OnChange func(Call)
	// OnPanic ends a panic over a datagram, or in the course of a call, which then ends with a
	// refusal: see ua.Config. Nil lets it go on, which ends the process.
	OnPanic func(value any, datagram []byte, from netip.AddrPort)
	// Logger gets what a person debugging would read; the default discards it.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.MaxCalls < 0 || c.RingTime < 0 || c.TalkTime < 0 || c.History < 0 {
		return c, fmt.Errorf("%w: a negative limit or time", ErrConfig)
	}
	if c.Numbers == nil {
		c.Numbers = IsNumber
	}
	if c.Listen == nil {
		c.Listen = func(at netip.AddrPort) (net.PacketConn, error) { return net.ListenPacket("udp", at.String()) }
	}
	c.PTime = cmp.Or(c.PTime, 20*time.Millisecond)
	c.History = cmp.Or(c.History, 1000)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return c, nil
}

// userAgent is the gateway as package ua sees it.
func (s *Server) userAgent() ua.Config {
	c, refer := s.cfg, ua.ReferUnsupported
	if c.DeclineRefer {
		refer = ua.ReferDecline
	}
	return ua.Config{
		Listen: s.listen, LocalAddr: s.local.Addr(), SIPPort: s.local.Port(),
		MediaPortMin: c.MinPort, MediaPortMax: c.MaxPort,
		Seed: c.Seed, Logger: c.Logger, OnEvent: s.event, OnPanic: c.OnPanic,
		Options: ua.Options{
			Rport: true, Latch: c.Latch, LatchFor: c.LatchFor, Strict: c.Strict, Silent: c.Silent, RTCPMux: c.Mux,
			Refer: refer, PRACK: c.PRACK, Update: c.Update, SessionTimer: c.SessionTimer,
		},
		Service: ua.Service{
			Admit: s.admit, Tel: true, NoMessages: true,
			Codecs: c.Codecs, PTime: c.PTime, MediaAddr: c.MediaAddr, MediaInTurn: true,
		},
	}
}

// IsNumber is true for a telephone number as RFC 3966 §3 writes one in a SIP
// user part: digits, *, # and visual separators, perhaps a leading +, perhaps
// parameters after a semicolon.
func IsNumber(user string) bool {
	user, _, _ = strings.Cut(user, ";")
	user = strings.TrimPrefix(user, "+")
	return strings.Trim(user, "0123456789*#-.()") == "" && strings.ContainsAny(user, "0123456789*#")
}
