package ua

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/media"
)

// Config says what a Client is. LocalAddr is required; the zero value of every other
// field has a meaning, given with the field.
type Config struct {
	// Listen opens a UDP socket on an address and port. Nil is the operating system's.
	Listen func(ctx context.Context, local netip.AddrPort) (net.PacketConn, error)
	// LocalAddr is the address all sockets are bound to; it must be a concrete one. See
	// Client.Move.
	LocalAddr netip.Addr
	// SIPPort is bound for SIP; 0 is 5060.
	SIPPort uint16
	// MediaPortMin and MediaPortMax bound the ports for RTP (even) and RTCP (odd) where
	// no port manager names one; both 0 is 16384 to 32767. Which is taken first depends
	// on Seed.
	MediaPortMin, MediaPortMax uint16
	// Seed decides ports, SSRCs and jitter. Tags, branches and Call-IDs are always unique.
	Seed uint64
	// Logger gets what is of use in debugging. Nil discards it.
	Logger *slog.Logger
	// OnEvent is called with one event at a time, in order. It may call the client, but
	// not Close or Shutdown, and while it runs no other event is delivered. Without it
	// incoming calls are answered 480.
	OnEvent func(Event)
	// Resolve finds the address of a host name. Nil means that URIs must have IP addresses,
	// save for those that go to a profile's proxy.
	Resolve func(ctx context.Context, host string, port uint16) (netip.AddrPort, error)
	// PortManagerTimeout is how long a call to a port manager may take; 0 is 5 s. It is
	// the manager's whole budget, STUN retransmissions included: with RFC 8489's timing
	// 5 s allow four requests, while giving up only after all seven would take 39.5 s,
	// longer than any peer waits for an INVITE.
	PortManagerTimeout time.Duration
	// UserAgent is the User-Agent and Server header field; empty sends none.
	UserAgent string
	// OnPanic ends a panic over a datagram, a timer or an event: a request is answered 500, and
	// the rest goes on, save for a call whose own state it has spoiled. It is called while the
	// panic is on the stack, with the datagram, which is nil where there is none. Nil lets it
	// go on, which ends the process.
	OnPanic func(value any, datagram []byte, from netip.AddrPort)

	Options
	Service
}

// Options are what real phones differ in. The zero value is a phone of the plainest kind.
type Options struct {
	// Rport asks for responses to the source of the request (RFC 3581).
	Rport bool
	// Asymmetric sends SIP requests and their ACKs from a dynamic port, while Via and Contact
	// name the port that listens. Responses leave from the port their request arrived on.
	Asymmetric bool
	// LearnContact registers as Contact the address that the registrar has seen REGISTER come
	// from (RFC 3581), in place of the port manager's, and removes what it had registered;
	// Contact in dialogs has it too, Via and session descriptions do not. It needs Rport. Two
	// responses that speak against what was learned end it, see ContactEvent.
	LearnContact bool
	// Latch is when media is sent to where media comes from (RFC 7362), and LatchFor how long
	// media.LatchWindow lets that change, by default 5 s.
	Latch    media.Latch
	LatchFor time.Duration
	// Strict drops media that does not come from the signalled address.
	Strict bool
	// Silent sends no RTP, though RTCP.
	Silent bool
	// RTCPMux offers and accepts RTCP on the RTP port (RFC 5761). An offer still has an
	// RTCP port of its own, for peers that do not.
	RTCPMux bool
	// NameRTCP writes a=rtcp with its address (RFC 3605) also where that says nothing new,
	// RTP's port + 1.
	NameRTCP bool
	// HoldAudio goes on sending while on hold, as with music or comfort noise. Otherwise a
	// session on hold sends no RTP, though RTCP. Either way its offer is sendonly, or
	// inactive where the peer holds too (RFC 3264 section 8.4).
	HoldAudio bool
	// UnsolicitedMessageSummary takes a NOTIFY of the package message-summary that belongs to no
	// subscription, as many servers send it, and tells of it; otherwise it is answered 481.
	UnsolicitedMessageSummary bool
	// FailOnRedirect makes a 3xx response the end of a call. Otherwise up to five
	// contacts are tried.
	FailOnRedirect bool
	// Refer is what becomes of a REFER (RFC 3515), by which a peer asks for a call.
	Refer ReferPolicy
	// NoReferSub asks the peer not to report on a call that it was asked for (RFC 4488).
	NoReferSub bool
	// Replaces lets an INVITE take the place of a call (RFC 3891). Whoever can name the call
	// may; it is answered without ringing.
	Replaces bool
	// PRACK makes provisional responses reliable (RFC 3262).
	PRACK PRACK
	// Update understands UPDATE (RFC 3311), and refreshes sessions by it where the peer does.
	Update bool
	// SessionTimer has sessions expire that are not refreshed (RFC 4028).
	SessionTimer SessionTimer
}

const (
	defaultMediaPortMin = 16384
	defaultMediaPortMax = 32767
	defaultTimeout      = 5 * time.Second
)

func (c Config) withDefaults() (Config, error) {
	if !c.LocalAddr.IsValid() || c.LocalAddr.IsUnspecified() || c.LocalAddr.IsMulticast() {
		return c, fmt.Errorf("%w: LocalAddr must be a concrete address, not %q", ErrConfig, c.LocalAddr)
	}
	c.LocalAddr = c.LocalAddr.Unmap()
	if c.Listen == nil {
		c.Listen = listenUDP
	}
	if c.SIPPort == 0 {
		c.SIPPort = uint16(sip.DefaultUdpPort)
	}
	if c.MediaPortMin == 0 && c.MediaPortMax == 0 {
		c.MediaPortMin, c.MediaPortMax = defaultMediaPortMin, defaultMediaPortMax
	}
	if err := c.Service.check(); err != nil {
		return c, err
	}
	if !c.MediaAddr.IsValid() {
		c.MediaAddr = c.LocalAddr
	}
	c.MediaAddr = c.MediaAddr.Unmap()
	c.MediaPortMin += c.MediaPortMin % 2
	if c.MediaPortMin < 1024 || int(c.MediaPortMax)-int(c.MediaPortMin) < 1 {
		return c, fmt.Errorf("%w: media ports %d-%d do not hold an even port from 1024 up and the one above it",
			ErrConfig, c.MediaPortMin, c.MediaPortMax)
	}
	if c.PortManagerTimeout < 0 {
		return c, fmt.Errorf("%w: PortManagerTimeout %v", ErrConfig, c.PortManagerTimeout)
	}
	if c.PortManagerTimeout == 0 {
		c.PortManagerTimeout = defaultTimeout
	}
	if err := c.Latch.Check(c.LatchFor); err != nil {
		return c, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if c.LearnContact && !c.Rport {
		return c, fmt.Errorf("%w: LearnContact needs Rport, which asks for what is to be learned", ErrConfig)
	}
	if c.PRACK > RequirePRACK {
		return c, fmt.Errorf("%w: unknown PRACK %d", ErrConfig, c.PRACK)
	}
	if c.HoldAudio && c.Silent {
		return c, fmt.Errorf("%w: HoldAudio sends what Silent does not", ErrConfig)
	}
	if c.Refer > ReferFollow {
		return c, fmt.Errorf("%w: Refer %d", ErrConfig, c.Refer)
	}
	if c.Refer == ReferAsk && c.OnEvent == nil {
		return c, fmt.Errorf("%w: Refer asks, and there is no OnEvent", ErrConfig)
	}
	var err error
	if c.SessionTimer, err = c.SessionTimer.withDefaults(); err != nil {
		return c, err
	}
	if strings.ContainsAny(c.UserAgent, "\r\n") {
		return c, fmt.Errorf("%w: UserAgent has a line break", ErrConfig)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// listenUDP opens a socket of the operating system.
func listenUDP(ctx context.Context, local netip.AddrPort) (net.PacketConn, error) {
	network := "udp4"
	if local.Addr().Is6() {
		network = "udp6"
	}
	var lc net.ListenConfig
	return lc.ListenPacket(ctx, network, local.String())
}
