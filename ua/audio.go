package ua

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/natproof/natproof/media"
)

// audio is a session's media: mappings, descriptions and stream. Session.mu guards it.
type audio struct {
	sip, rtp, rtcp *held

	sdpVersion uint64
	local      media.Description // as last sent
	remote     media.Description // as last agreed
	codec      media.Codec
	events     media.Events
	onHold     bool // we want no audio
	stream     *media.Stream
	sockets    [2]*movable // of the stream: RTP and RTCP; nil: it has not got it
}

// mappings are those the session holds, in the order in which it got them.
func (s *Session) mappings() []*held {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*held
	for _, h := range []*held{s.sip, s.rtp, s.rtcp} {
		if h != nil {
			list = append(list, h)
		}
	}
	return list
}

// Mappings are the mappings in use: SIP, RTP and RTCP, as far as there are any.
func (s *Session) Mappings() []Mapping {
	var list []Mapping
	for _, h := range s.mappings() {
		list = append(list, h.mapping())
	}
	return list
}

// getMappings asks the port manager for SIP, RTP and RTCP in this order.
func (s *Session) getMappings(ctx context.Context, sipRemote, rtpRemote, rtcpRemote netip.AddrPort, rtcp bool) error {
	pm := s.manager()
	for _, w := range []struct {
		typ    PortType
		remote netip.AddrPort
		first  int
		into   **held
	}{
		{SIP, sipRemote, 0, &s.sip}, {AudioRTP, rtpRemote, s.firstRTP, &s.rtp}, {AudioRTCP, rtcpRemote, s.firstRTCP, &s.rtcp},
	} {
		if *w.into != nil || w.typ == AudioRTCP && !rtcp { // there is one since Prepare
			continue
		}
		q := want{typ: w.typ, remote: w.remote, first: w.first, changed: s.mappingChanged}
		if s.rtp != nil {
			q.near = s.rtp.mapping().Internal
		}
		h, err := s.c.getMapping(ctx, pm, q)
		if ctx.Err() != nil && h == nil {
			return giveUp(ctx)
		}
		if err != nil {
			return err
		}
		s.mu.Lock()
		*w.into = h
		s.mu.Unlock()
	}
	return nil
}

func (s *Session) mappingChanged(old, now Mapping) {
	s.c.emit(MappingEvent{Session: s, Old: old, New: now})
}

// describe is our side of an offer or answer: external addresses in c=, m= and a=rtcp.
func (s *Session) describe(hold bool) media.Description {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.c.description()
	d.RTP, d.SessionID, d.SessionVersion = s.rtp.mapping().External, s.sdpID, s.sdpVersion
	if s.rtcp != nil {
		d.RTCP = s.rtcp.mapping().External // a=rtcp unless it is RTP's port + 1 (RFC 3605)
	}
	if hold {
		d.Direction = media.SendOnly // RFC 3264 section 8.4
	}
	if s.stream != nil { // a stream keeps its codec
		d.Codecs = s.c.keepCodec(s.codec, s.events)
	}
	s.sdpVersion++
	return d
}

// offerOf is describe for an offer of ours: who holds what the peer holds already wants
// nothing at all (RFC 3264 section 8.4).
func (s *Session) offerOf(hold bool) media.Description {
	d := s.describe(hold)
	s.mu.Lock()
	defer s.mu.Unlock()
	if hold && s.stream != nil && s.remote.Hold() {
		d.Direction = media.Inactive
	}
	return d
}

// offerFor is offerOf, or, to say that nothing has changed, the last description again, its
// version included (RFC 3264 section 8).
func (s *Session) offerFor(hold, repeat bool) media.Description {
	s.mu.Lock()
	local, begun := s.local, s.stream != nil
	s.mu.Unlock()
	if repeat && begun {
		return local
	}
	return s.offerOf(hold)
}

// sendsOnHold says whether audio is sent as far as our own hold is concerned.
func (s *Session) sendsOnHold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.onHold || s.c.cfg.HoldAudio
}

// parseDescription reads a peer's description.
func parseDescription(body []byte) (media.Description, error) {
	d, err := media.Parse(body)
	if err != nil {
		return d, fmt.Errorf("%w: %w", ErrMedia, err)
	}
	return d, nil
}

// differs says whether an address is another one than the one a manager was told. A port
// that was not known then is no difference.
func differs(known, now netip.AddrPort) bool {
	return now.IsValid() && !now.Addr().IsUnspecified() &&
		(known.Addr() != now.Addr() || known.Port() != 0 && known.Port() != now.Port())
}

// moveRemote tells the port manager of media addresses it does not know of yet.
func (s *Session) moveRemote(ctx context.Context, a media.Agreement) error {
	s.mu.Lock()
	rtp, rtcp := s.rtp, s.rtcp
	s.mu.Unlock()
	if differs(rtp.mapping().Remote, a.RTP) {
		if err := s.c.updateRemote(ctx, rtp, a.RTP); err != nil {
			return err
		}
	}
	if rtcp != nil && !a.Mux && differs(rtcp.mapping().Remote, a.RTCP) {
		return s.c.updateRemote(ctx, rtcp, a.RTCP)
	}
	return nil
}

// agree joins two descriptions.
func agree(local, remote media.Description) (media.Agreement, error) {
	a, err := media.Agree(local, remote)
	if err != nil {
		return a, fmt.Errorf("%w: %w", ErrMedia, err)
	}
	return a, nil
}

// applyMedia begins or changes the stream.
func (s *Session) applyMedia(local, remote media.Description, a media.Agreement) error {
	s.mu.Lock()
	stream, state := s.stream, MediaChanged
	s.mu.Unlock()
	if stream == nil {
		var err error
		if stream, err = s.newStream(a); err != nil {
			return err
		}
		state = MediaStarted
	}
	s.mu.Lock()
	s.local, s.remote, s.codec, s.events, s.stream = local, remote, a.Codec, a.Events, stream
	s.mu.Unlock()
	send := a.Send && s.sendsOnHold()
	stream.SetDirection(send, a.Recv)
	if state == MediaStarted {
		if err := stream.Start(a.RTP, a.RTCP); err != nil {
			return fmt.Errorf("%w: %w", ErrMedia, err)
		}
	} else {
		if err := s.giveRTCP(stream); err != nil {
			return err
		}
		if err := stream.SetEvents(a.Events); err != nil {
			return fmt.Errorf("%w: %w", ErrMedia, err)
		}
		stream.SetRemote(a.RTP, a.RTCP)
	}
	s.c.emit(MediaEvent{Session: s, State: state, Remote: a.RTP, RemoteRTCP: a.RTCP, Send: send, Recv: a.Recv})
	return nil
}

// newStream gives the sockets to a media stream.
func (s *Session) newStream(a media.Agreement) (*media.Stream, error) {
	s.mu.Lock()
	rtp, rtcp := s.rtp.media, s.rtcp
	s.mu.Unlock()
	o := s.c.cfg.Options
	sockets := [2]*movable{newMovable(rtp.take())}
	cfg := media.Config{
		RTP: sockets[0], PayloadType: a.Codec.PayloadType, ClockRate: a.Codec.ClockRate, PTime: a.PTime,
		Latch: o.Latch, LatchFor: o.LatchFor, Strict: o.Strict, Silent: o.Silent, Seed: s.seed,
		ReadLate: true, Events: a.Events, OnPanic: s.c.onPanic(),
		OnDTMF: func(d media.DTMF) { s.c.emit(DTMFEvent{Session: s, DTMF: d}) },
	}
	if rtcp != nil { // with rtcp-mux too, lest the peer gives it up (RFC 5761 section 5.1.1)
		sockets[1] = newMovable(rtcp.media.take())
		cfg.RTCP = sockets[1]
	}
	cfg.OnSTUN = func(b []byte, from net.Addr, on net.PacketConn) {
		if looksLikeSTUN(b) {
			s.mediaPort(on != cfg.RTP).gotSTUN(b, from)
		}
	}
	stream, err := media.New(cfg)
	if err != nil {
		_ = cfg.RTP.Close()
		if cfg.RTCP != nil {
			_ = cfg.RTCP.Close()
		}
		return nil, fmt.Errorf("%w: %w", ErrMedia, err)
	}
	s.mu.Lock()
	s.sockets = sockets
	s.mu.Unlock()
	return stream, nil
}

// mediaPort is the socket of RTP or RTCP.
func (s *Session) mediaPort(rtcp bool) *port {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rtcp {
		return s.rtcp.media.port
	}
	return s.rtp.media.port
}

// needRTCP gets a port for RTCP if there is none, since the peer did or might not take it on
// the port of RTP: an answer without rtcp-mux must find one (RFC 5761 section 5.1.1).
func (s *Session) needRTCP(ctx context.Context, remote netip.AddrPort) error {
	s.mu.Lock()
	sip, rtp := s.sip, s.rtp
	s.mu.Unlock()
	return s.getMappings(ctx, sip.mapping().Remote, rtp.mapping().Remote, remote, true)
}

// maySplit is needRTCP before an offer in a dialog, whose answer may be without rtcp-mux.
func (s *Session) maySplit(ctx context.Context) error {
	s.mu.Lock()
	rtcp := s.remote.RTCP
	s.mu.Unlock()
	return s.needRTCP(ctx, rtcp)
}

// giveRTCP gives the stream the socket that needRTCP got after it was made.
func (s *Session) giveRTCP(stream *media.Stream) error {
	s.mu.Lock()
	rtcp := s.rtcp
	if rtcp == nil || s.sockets[1] != nil {
		s.mu.Unlock()
		return nil
	}
	conn := newMovable(rtcp.media.take())
	s.sockets[1] = conn
	s.mu.Unlock()
	if err := stream.AddRTCP(conn); err != nil {
		_ = conn.Close()
		return fmt.Errorf("%w: %w", ErrMedia, err)
	}
	return nil
}

func (s *Session) stopMedia() {
	s.mu.Lock()
	stream := s.stream
	s.mu.Unlock()
	if stream == nil {
		return
	}
	_ = stream.Close()
	s.c.emit(MediaEvent{Session: s, State: MediaStopped})
}

// MediaStats are the counters of the session's audio; false if it has not begun. They
// remain after the end.
func (s *Session) MediaStats() (media.Stats, bool) {
	s.mu.Lock()
	stream := s.stream
	s.mu.Unlock()
	if stream == nil {
		return media.Stats{}, false
	}
	return stream.Stats(), true
}

// MediaRemote is where the peer wants audio, as it said itself; false before it has.
func (s *Session) MediaRemote() (rtp, rtcp netip.AddrPort, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remote.RTP, s.remote.RTCP, s.stream != nil
}
