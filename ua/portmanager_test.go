package ua

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// funcManager is a port manager made of functions; nil ones are Local's.
type funcManager struct {
	get     func(context.Context, MappingRequest) (Mapping, error)
	update  func(context.Context, Mapping, netip.AddrPort) error
	release func(context.Context, Mapping) error
}

func (m *funcManager) GetMapping(ctx context.Context, r MappingRequest) (Mapping, error) {
	if m.get == nil {
		return Local{}.GetMapping(ctx, r)
	}
	return m.get(ctx, r)
}

func (m *funcManager) UpdateRemoteAddress(ctx context.Context, x Mapping, a netip.AddrPort) error {
	if m.update == nil {
		return nil
	}
	return m.update(ctx, x, a)
}

func (m *funcManager) ReleaseMapping(ctx context.Context, x Mapping) error {
	if m.release == nil {
		return nil
	}
	return m.release(ctx, x)
}

func forwarded(t testing.TB) *Static {
	return must(NewStatic(
		StaticMapping{SIP, addr("10.0.0.1:5060"), addr("198.51.100.1:5060")},
		StaticMapping{AudioRTP, addr("10.0.0.1:40000"), addr("198.51.100.1:7000")},
		StaticMapping{AudioRTCP, addr("10.0.0.1:40001"), addr("198.51.100.1:7009")},
	))(t)
}

// The order and arguments of a whole outgoing call whose answer names another address.
func TestCallsOfAnOutgoingCall(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
		rec := NewRecorder(forwarded(t))
		s := must(a.NewSession(nil))(t)
		check(t, s.SetPortManager(rec))
		result := make(chan error)
		go func() { result <- s.Call(t.Context(), "sip:1234567@203.0.113.30") }()
		invite := p.request(sip.INVITE)
		equal(t, "Via", invite.Via().SentBy(), "198.51.100.1:5060")
		equal(t, "Contact", invite.Contact().Address.String(), "sip:anonymous@198.51.100.1:5060")
		for _, line := range []string{"c=IN IP4 198.51.100.1\r\n", "m=audio 7000 ", "a=rtcp:7009\r\n"} {
			if !strings.Contains(string(invite.Body()), line) {
				t.Errorf("no %q in %s", line, invite.Body())
			}
		}
		equal(t, "calls before the INVITE", len(rec.Calls()), 3)
		p.accept(invite, "x", sdpAt("203.0.113.31:4000", "rtcp:4444"))
		p.request(sip.ACK)
		equal(t, "calls before the ACK", len(rec.Calls()), 5)
		check(t, <-result)
		time.Sleep(time.Second)
		equal(t, "calls while it lasts", len(rec.Calls()), 5)
		go func() { p.reply(p.request(sip.BYE), 200, "") }()
		check(t, s.Hangup(t.Context()))
		wantCalls(t, rec, `
			GetMapping(SIP, UDP, 203.0.113.30:5060) = 10.0.0.1:5060, 198.51.100.1:5060
			GetMapping(RTP, UDP, 203.0.113.30:0) = 10.0.0.1:40000, 198.51.100.1:7000
			GetMapping(RTCP, UDP, 203.0.113.30:0) = 10.0.0.1:40001, 198.51.100.1:7009
			UpdateRemoteAddress(RTP, 10.0.0.1:40000, 198.51.100.1:7000, 203.0.113.31:4000)
			UpdateRemoteAddress(RTCP, 10.0.0.1:40001, 198.51.100.1:7009, 203.0.113.31:4444)
			ReleaseMapping(SIP, 10.0.0.1:5060, 198.51.100.1:5060)
			ReleaseMapping(RTP, 10.0.0.1:40000, 198.51.100.1:7000)
			ReleaseMapping(RTCP, 10.0.0.1:40001, 198.51.100.1:7009)`)
	})
}

// The connection address is the one the INVITE went to: nothing to update.
func TestNoUpdateWhenTheAddressIsTheSame(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
		rec := NewRecorder(Local{})
		s := must(a.NewSession(nil))(t)
		check(t, s.SetPortManager(rec))
		result := make(chan error)
		go func() { result <- s.Call(t.Context(), "sip:1@203.0.113.30") }()
		p.accept(p.request(sip.INVITE), "x", sdpAt("203.0.113.30:4000"))
		check(t, <-result)
		check(t, a.Close())
		for _, c := range rec.Calls() {
			if c.Method == "UpdateRemoteAddress" {
				t.Error(c)
			}
		}
		equal(t, "calls", len(rec.Calls()), 6) // released by Close as well
	})
}

// An incoming call: the offer's addresses are known from the start; a re-INVITE moves them.
func TestCallsOfAnIncomingCall(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5070")
		rec := NewRecorder(forwarded(t))
		b.onIncoming = func(s *Session) {
			check(t, s.SetPortManager(rec))
			answerNow(s)
		}
		p.sendText("10.0.0.1:5060", p.invite("10.0.0.1", "c1", sdpAt("203.0.113.31:4000")))
		ok := p.response(200)
		equal(t, "Contact", ok.Contact().Address.String(), "sip:bob@198.51.100.1:5060")
		if !strings.Contains(string(ok.Body()), "m=audio 7000 ") {
			t.Errorf("%s", ok.Body())
		}
		tag, _ := ok.To().Params.Get("tag")
		p.sendText("10.0.0.1:5060", p.inDialog("ACK", "10.0.0.1", "c1", tag, 1, ""))
		time.Sleep(time.Second)
		s := b.lastSession()
		equal(t, "state", s.State(), Connected)
		// The same again changes nothing; another address does.
		for i, at := range []string{"203.0.113.31:4000", "203.0.113.32:4100"} {
			p.sendText("10.0.0.1:5060", p.inDialog("INVITE", "10.0.0.1", "c1", tag, 2+i, sdpAt(at)))
			p.response(200)
			p.sendText("10.0.0.1:5060", p.inDialog("ACK", "10.0.0.1", "c1", tag, 2+i, ""))
			time.Sleep(time.Second)
		}
		st, _ := s.MediaStats()
		equal(t, "media goes to", st.SendTo, addr("203.0.113.32:4100"))
		p.sendText("10.0.0.1:5060", p.inDialog("BYE", "10.0.0.1", "c1", tag, 4, ""))
		p.response(200)
		<-s.Done()
		wantCalls(t, rec, `
			GetMapping(SIP, UDP, 203.0.113.30:5070) = 10.0.0.1:5060, 198.51.100.1:5060
			GetMapping(RTP, UDP, 203.0.113.31:4000) = 10.0.0.1:40000, 198.51.100.1:7000
			GetMapping(RTCP, UDP, 203.0.113.31:4001) = 10.0.0.1:40001, 198.51.100.1:7009
			UpdateRemoteAddress(RTP, 10.0.0.1:40000, 198.51.100.1:7000, 203.0.113.32:4100)
			UpdateRemoteAddress(RTCP, 10.0.0.1:40001, 198.51.100.1:7009, 203.0.113.32:4101)
			ReleaseMapping(SIP, 10.0.0.1:5060, 198.51.100.1:5060)
			ReleaseMapping(RTP, 10.0.0.1:40000, 198.51.100.1:7000)
			ReleaseMapping(RTCP, 10.0.0.1:40001, 198.51.100.1:7009)`)
	})
}

func TestCallsOfARegistration(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, proxyAt)
		a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Rport = true })
		rec := NewRecorder(forwarded(t))
		alice := a.profile(t, "alice", p, func(c *ProfileConfig) { c.Registrar = addr("203.0.113.99:5060"); c.Proxy = p.at })
		if err := alice.SetPortManager(nil); !errors.Is(err, ErrConfig) {
			t.Errorf("got %v", err)
		}
		check(t, alice.SetPortManager(Local{}))
		check(t, alice.SetPortManager(rec)) // each replaces the one before
		check(t, alice.Enable(t.Context()))
		if err := alice.SetPortManager(Local{}); !errors.Is(err, ErrPortManagerAlreadySet) {
			t.Errorf("got %v", err)
		}
		time.Sleep(3 * time.Hour) // refreshing asks nobody again
		check(t, alice.Disable(t.Context()))
		check(t, alice.SetPortManager(Local{}))
		wantCalls(t, rec, `
			GetMapping(SIP, UDP, 203.0.113.10:5060) = 10.0.0.1:5060, 198.51.100.1:5060
			ReleaseMapping(SIP, 10.0.0.1:5060, 198.51.100.1:5060)`)
	})
}

func TestManagerOfASession(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, proxyAt)
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = answerNow
		alice, bob := a.profile(t, "alice", p), b.profile(t, "bob", p)
		of := NewRecorder(Local{})
		check(t, alice.SetPortManager(of))
		check(t, alice.Enable(t.Context()))
		check(t, bob.Enable(t.Context()))
		own := NewRecorder(Local{})
		for _, pm := range []PortManager{nil, own} {
			s, err := a.call(t, alice, "sip:bob@example.com", pm)
			check(t, err)
			if err := s.SetPortManager(Local{}); !errors.Is(err, ErrNotIdle) {
				t.Errorf("got %v", err)
			}
			if err := s.Call(t.Context(), "sip:bob@example.com"); !errors.Is(err, ErrNotIdle) {
				t.Errorf("got %v", err)
			}
			check(t, s.Hangup(t.Context()))
		}
		equal(t, "the profile's", len(of.Calls()), 1+6+2) // its SIP port, the first call, and its two updates
		equal(t, "the session's own", len(own.Calls()), 6+2)
	})
}

// What a manager refuses, or answers wrongly, fails the operation with a typed error.
func TestManagerFailures(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		pm *funcManager
		is error
	}{
		"refuses SIP":  {&funcManager{get: func(ctx context.Context, r MappingRequest) (Mapping, error) { return Mapping{}, boom }}, ErrPortMappingUnavailable},
		"refuses RTCP": {&funcManager{get: onType(AudioRTCP, func(ctx context.Context, r MappingRequest) (Mapping, error) { return Mapping{}, boom })}, ErrPortMappingUnavailable},
		"wrong type": {&funcManager{get: onType(AudioRTP, func(ctx context.Context, r MappingRequest) (Mapping, error) {
			return Mapping{Type: SIP}, nil
		})}, ErrPortMappingFailed},
		"port 0": {&funcManager{get: onType(AudioRTP, func(ctx context.Context, r MappingRequest) (Mapping, error) {
			return Mapping{External: addr("198.51.100.1:0")}, nil
		})}, ErrPortMappingFailed},
		"not what was bound": {&funcManager{get: onType(AudioRTP, func(ctx context.Context, r MappingRequest) (Mapping, error) {
			_, err := r.Bind(netip.AddrPort{})
			return Mapping{Internal: addr("10.0.0.1:1234")}, err
		})}, ErrPortMappingFailed},
		"port in use": {&funcManager{get: onType(AudioRTP, func(ctx context.Context, r MappingRequest) (Mapping, error) {
			return Mapping{Internal: addr("10.0.0.1:5060")}, nil
		})}, ErrPortMappingFailed},
		"too slow": {&funcManager{get: func(ctx context.Context, r MappingRequest) (Mapping, error) {
			<-ctx.Done()
			return Mapping{}, ctx.Err()
		}}, context.DeadlineExceeded},
		"too slow to notice": {&funcManager{get: func(ctx context.Context, r MappingRequest) (Mapping, error) {
			time.Sleep(time.Minute)
			return Mapping{}, nil
		}}, ErrPortMappingUnavailable},
		"update refused": {&funcManager{update: func(context.Context, Mapping, netip.AddrPort) error { return boom }}, ErrPortMappingFailed},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
				go func() {
					m, src := p.recv()
					if m == nil {
						return
					}
					invite := m.(*sip.Request)
					invite.SetSource(src.String())
					p.accept(invite, "x", sdpAt("203.0.113.31:4000"))
					p.request(sip.ACK)
					p.reply(p.request(sip.BYE), 200, "") // the answered call is not left alone
				}()
				start := time.Now()
				s, err := a.call(t, nil, "sip:1@203.0.113.30", c.pm)
				if !errors.Is(err, c.is) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(start); took > 6*time.Second {
					t.Errorf("took %v", took)
				}
				reason, _ := s.Reason()
				equal(t, "reason", reason, PortMapping)
				equal(t, "sockets", n.open(), 2)
				if strings.HasPrefix(name, "too slow to") {
					time.Sleep(2 * time.Minute) // the manager comes back to nobody
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

func onType(typ PortType, f func(context.Context, MappingRequest) (Mapping, error)) func(context.Context, MappingRequest) (Mapping, error) {
	return func(ctx context.Context, r MappingRequest) (Mapping, error) {
		if r.Type == typ {
			return f(ctx, r)
		}
		return Local{}.GetMapping(ctx, r)
	}
}

// An incoming call that gets no mapping is answered 480.
func TestAnswerWithoutMapping(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		failed := make(chan error, 1)
		b.onIncoming = func(s *Session) {
			check(t, s.SetPortManager(must(NewStatic())(t)))
			go func() { failed <- s.Answer(context.Background()) }()
		}
		_, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		var r *ResponseError
		if !errors.As(err, &r) || r.Code != 480 {
			t.Errorf("got %v", err)
		}
		if err := <-failed; !errors.Is(err, ErrPortMappingUnavailable) || !errors.Is(err, ErrNoStaticMapping) {
			t.Errorf("got %v", err)
		}
		equal(t, "callee", b.states(), "incoming, answering, disconnected(port mapping)")
	})
}

// A manager that answers after its time has its mapping released.
func TestLateMappingIsReleased(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a := newAgent(t, n, "10.0.0.1:5060")
		var released atomic.Int32
		pm := &funcManager{
			get: func(ctx context.Context, r MappingRequest) (Mapping, error) {
				time.Sleep(10 * time.Second)
				_, err := r.Bind(netip.AddrPort{})
				if !errors.Is(err, errBindOver) {
					t.Errorf("Bind: %v", err)
				}
				return Mapping{}, nil
			},
			release: func(context.Context, Mapping) error { released.Add(1); return nil },
		}
		_, err := a.call(t, nil, "sip:1@203.0.113.30", pm)
		if !errors.Is(err, ErrPortMappingUnavailable) {
			t.Errorf("got %v", err)
		}
		equal(t, "released", released.Load(), 0)
		time.Sleep(time.Minute)
		equal(t, "released", released.Load(), 1)
	})
}

// A manager that calls back gets a typed error at once if it passes its context on, and
// before long if it does not; there is no deadlock.
func TestManagerCallsBack(t *testing.T) {
	for _, own := range []bool{false, true} {
		bubble(t, func(t *testing.T, n *memnet) {
			p := newProxy(t, n, proxyAt)
			a := newAgent(t, n, "10.0.0.1:5060")
			alice, other := a.profile(t, "alice", p), a.profile(t, "other", p)
			var inner []error
			pm := &funcManager{get: func(ctx context.Context, r MappingRequest) (Mapping, error) {
				if own {
					ctx = context.Background()
				}
				s := must(a.NewSession(nil))(t)
				inner = append(inner, other.Enable(ctx), s.Call(ctx, "sip:x@10.0.0.9"), a.Shutdown(context.WithoutCancel(ctx)))
				return Local{}.GetMapping(ctx, r)
			}}
			if own { // Shutdown cannot know; leave it out
				pm.get = func(_ context.Context, r MappingRequest) (Mapping, error) {
					inner = append(inner, other.Enable(context.Background()))
					return Local{}.GetMapping(context.Background(), r)
				}
			}
			check(t, other.SetPortManager(pm))
			check(t, alice.SetPortManager(pm))
			start := time.Now()
			err := alice.Enable(t.Context())
			time.Sleep(20 * time.Second)
			synctest.Wait()
			if !own {
				check(t, err)
				for _, err := range inner {
					if !errors.Is(err, ErrReentrant) {
						t.Errorf("got %v", err)
					}
				}
				equal(t, "calls back", len(inner), 3)
				return
			}
			// Both give up at the same moment: which of them is heard first is open.
			if err != nil && !errors.Is(err, ErrPortMappingUnavailable) || len(inner) == 0 || !errors.Is(inner[0], ErrPortMappingUnavailable) {
				t.Errorf("got %v, %v after %v", err, inner, time.Since(start))
			}
		})
	}
}

// Calls to managers never overlap, whoever makes them.
func TestManagerCallsAreSerial(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a := newAgent(t, n, "10.0.0.1:5060")
		var now, most, calls atomic.Int32
		busy := func() {
			most.Store(max(most.Load(), now.Add(1)))
			calls.Add(1)
			time.Sleep(10 * time.Millisecond)
			now.Add(-1)
		}
		pm := &funcManager{
			get: func(ctx context.Context, r MappingRequest) (Mapping, error) {
				busy()
				return Local{}.GetMapping(ctx, r)
			},
			release: func(context.Context, Mapping) error { busy(); return nil },
		}
		for range 4 {
			go a.call(t, nil, "sip:x@10.0.0.9", pm)
		}
		time.Sleep(2 * time.Minute)
		equal(t, "at once", most.Load(), 1)
		equal(t, "calls", calls.Load(), 24)
	})
}

// A manager may leave everything to the client, and may name a SIP port of its own.
func TestManagerBindsWhatItLikes(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
		pm := &funcManager{get: func(_ context.Context, r MappingRequest) (Mapping, error) {
			switch r.Type {
			case SIP:
				return Mapping{Internal: addr("0.0.0.0:5062")}, nil
			case AudioRTP: // binds two, keeps one
				one := must(r.Bind(addr("0.0.0.0:30000")))(t)
				_, err := r.Bind(addr("10.0.0.1:30002"))
				return Mapping{Internal: one.Internal()}, err
			}
			return Mapping{}, nil
		}}
		s := must(a.NewSession(nil))(t)
		check(t, s.SetPortManager(pm))
		result := make(chan error)
		go func() { result <- s.Call(t.Context(), "sip:1@203.0.113.30") }()
		invite := p.request(sip.INVITE)
		equal(t, "sent from", invite.Source(), "10.0.0.1:5062")
		equal(t, "Via", invite.Via().SentBy(), "10.0.0.1:5062")
		p.accept(invite, "x", sdpAt("203.0.113.30:4000"))
		check(t, <-result)
		var internal []string
		for _, m := range s.Mappings() {
			internal = append(internal, m.Internal.String())
			equal(t, "external", m.External, m.Internal)
		}
		equal(t, "bound", strings.Join(internal, " "), "10.0.0.1:5062 10.0.0.1:30000 10.0.0.1:30001")
		equal(t, "sockets", n.open(), 5)
	})
}

func TestMediaPorts(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.MediaPortMin, c.MediaPortMax = 40001, 40007 })
		seen := map[uint16]bool{}
		for range 3 {
			rtp := must(a.getMapping(t.Context(), Local{}, want{typ: AudioRTP}))(t).mapping().Internal
			rtcp := must(a.getMapping(t.Context(), Local{}, want{typ: AudioRTCP, near: rtp}))(t).mapping().Internal
			if rtp.Port()%2 != 0 || rtcp.Port() != rtp.Port()+1 || seen[rtp.Port()] {
				t.Errorf("%s %s", rtp, rtcp)
			}
			seen[rtp.Port()] = true
		}
		if _, err := a.getMapping(t.Context(), Local{}, want{typ: AudioRTP}); !errors.Is(err, ErrPortMappingUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestStaticRefused(t *testing.T) {
	for _, m := range []StaticMapping{{}, {Type: SIP}, {Type: SIP, External: addr("1.2.3.4:0")}, {Type: 9, External: addr("1.2.3.4:5")}} {
		if _, err := NewStatic(m); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: got %v", m, err)
		}
	}
	s := forwarded(t)
	if err := s.ReleaseMapping(t.Context(), Mapping{}); !errors.Is(err, ErrNoStaticMapping) {
		t.Errorf("got %v", err)
	}
}
