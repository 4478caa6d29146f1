package suites_test

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/ua"
)

// The pages of the interfaces. What is said of them for each kind of failure and of trouble is in
// ua's own tests (portmanager_test.go); here it happens behind a NAT.

var (
	reference = ginkgo.Label("documents", "port-manager:stun", "nat:port-restricted")
	fails     = ginkgo.Label("expect:fails")
	works     = ginkgo.Label("expect:works")
)

var errNone = errors.New("no mapping for this")

var _ = ginkgo.Describe("IRTCPortManager", reference, func() {
	ginkgo.Describe("If the port mappings are not available, return a failure code: the operation that needs them fails.", fails, func() {
		ginkgo.It("a registration", ginkgo.Label("flow:register"), func() {
			d := newDesk(flows.Register)
			d.manners = refusing(ua.SIP)
			var failed error
			d.play(func() error { _, failed = d.enabledProfile(); return nil })
			gomega.Expect(failed).To(gomega.And(gomega.MatchError(ua.ErrPortMappingUnavailable), gomega.MatchError(errNone)))
			gomega.Expect(d.first("REGISTER", "a")).To(gomega.BeEmpty())
		})
		for _, c := range []struct {
			typ   ua.PortType
			calls []string // before the refusal
			after []string
		}{
			{ua.SIP, nil, nil},
			{ua.AudioRTP, []string{getSIP}, []string{releaseSIP}},
			{ua.AudioRTCP, []string{getSIP, getRTP}, []string{releaseSIP, releaseRTP}},
		} {
			ginkgo.It("an outgoing call, for want of "+c.typ.String(), ginkgo.Label("flow:call"), func() {
				d := newDesk(flows.Call)
				var failed error
				d.play(func() error {
					profile, err := d.enabledProfile()
					refused := ua.NewRecorder(refusing(c.typ)(d.forSession))
					d.sessionManager = func() ua.PortManager { return refused }
					failed = d.calling(profile, "sip:b@example.com")
					return err
				})
				gomega.Expect(failed).To(gomega.And(gomega.MatchError(ua.ErrPortMappingUnavailable), gomega.MatchError(errNone)))
				gomega.Expect(d.reason()).To(gomega.Equal(ua.PortMapping))
				gomega.Expect(d.first("INVITE", "a")).To(gomega.BeEmpty())
				gomega.Expect(calls(d.forSession)).To(gomega.Equal(append(c.calls, c.after...)), "what there was is released")
			})
		}
		ginkgo.It("a PC-to-phone call whose mapping cannot be brought up to date", ginkgo.Label("flow:pc-to-phone"), func() {
			d := newDesk(flows.PCToPhone)
			d.manners = func(pm ua.PortManager) ua.PortManager {
				return manners{PortManager: pm, update: func(context.Context) error { return errNone }}
			}
			var failed error
			d.play(func() error { failed = d.toGateway(netip.MustParseAddr(gatewayMedia))(); return nil })
			gomega.Expect(failed).To(gomega.And(gomega.MatchError(ua.ErrPortMappingFailed), gomega.MatchError(errNone)))
			gomega.Expect(d.reason()).To(gomega.Equal(ua.PortMapping))
			gomega.Expect(d.first("BYE", "a")).NotTo(gomega.BeEmpty(), "the answered call is not left alone")
			gomega.Expect(calls(d.forSession)).To(gomega.ContainElements(releaseSIP, releaseRTP, releaseRTCP))
		})
		ginkgo.It("an incoming call (RTCSS_INCOMING)", ginkgo.Label("flow:call"), func() {
			d := newDesk(flows.Call)
			var failed error
			story := d.incoming(func(s *ua.Session) error {
				if err := s.SetPortManager(refusing(ua.AudioRTP)(d.forSession)); err != nil {
					return err
				}
				failed = s.Answer(context.Background())
				return nil
			})
			d.play(func() error { _ = story(); return nil })
			var refused *ua.ResponseError
			gomega.Expect(errors.As(d.caller, &refused)).To(gomega.BeTrue(), "%v", d.caller)
			gomega.Expect(refused.Code).To(gomega.Equal(480))
			gomega.Expect(failed).To(gomega.And(gomega.MatchError(ua.ErrPortMappingUnavailable), gomega.MatchError(errNone)))
			gomega.Expect(calls(d.forSession)).To(gomega.Equal([]string{getSIP, releaseSIP}))
		})
		for _, c := range []struct {
			name      string
			operation func(*ua.Profile) error
		}{
			{"a subscription", func(p *ua.Profile) error {
				_, err := p.Subscribe(context.Background(), ua.SubscribeConfig{Target: "sip:b@example.com", Event: "presence", NoRetry: true})
				return err
			}},
			{"an instant message", func(p *ua.Profile) error {
				return p.Message(context.Background(), "sip:b@example.com", "text/plain", []byte("hello"))
			}},
		} {
			ginkgo.It(c.name, ginkgo.Label("flow:register"), func() {
				d := newDesk(flows.Register)
				none := false
				d.manners = func(pm ua.PortManager) ua.PortManager {
					return manners{PortManager: pm, get: func(context.Context, ua.MappingRequest) error {
						if none {
							return errNone
						}
						return nil
					}}
				}
				var failed error
				d.play(func() error {
					profile, err := d.enabledProfile()
					none = true
					failed = c.operation(profile)
					return err
				})
				gomega.Expect(failed).To(gomega.And(gomega.MatchError(ua.ErrPortMappingUnavailable), gomega.MatchError(errNone)))
				gomega.Expect(d.first("SUBSCRIBE", "a") + d.first("MESSAGE", "a")).To(gomega.BeEmpty())
			})
		}
		ginkgo.It("a subscription that comes in", ginkgo.Label("flow:register"), func() {
			d := newDesk(flows.Call)
			none := false
			d.manners = func(pm ua.PortManager) ua.PortManager {
				return manners{PortManager: pm, get: func(context.Context, ua.MappingRequest) error {
					if none {
						return errNone
					}
					return nil
				}}
			}
			var failed error
			d.play(func() error {
				if _, err := d.enabledProfile(); err != nil {
					return err
				}
				none = true
				_, b, err := d.other(nil, nil)
				if err == nil {
					_, failed = b.Subscribe(context.Background(), ua.SubscribeConfig{Target: "sip:a@example.com", Event: "presence", NoRetry: true})
				}
				return err
			})
			var refused *ua.ResponseError
			gomega.Expect(errors.As(failed, &refused)).To(gomega.BeTrue(), "%v", failed)
			gomega.Expect(refused.Code).To(gomega.Equal(480))
		})
	})

	ginkgo.It("Any calls to the methods must be processed in a timely fashion.", ginkgo.Label("flow:register"), fails, func() {
		d := newDesk(flows.Register)
		d.manners = func(pm ua.PortManager) ua.PortManager {
			return manners{PortManager: pm, get: func(context.Context, ua.MappingRequest) error {
				time.Sleep(6 * time.Second) // of 5
				return nil
			}}
		}
		var failed error
		d.play(func() error { _, failed = d.enabledProfile(); return nil })
		gomega.Expect(failed).To(gomega.And(gomega.MatchError(ua.ErrPortMappingUnavailable), gomega.MatchError(context.DeadlineExceeded)))
	})

	for _, c := range []struct {
		name string
		how  func(func())
	}{
		{"directly", func(call func()) { call() }},
		{"indirectly", func(call func()) { done := make(chan struct{}); go func() { call(); close(done) }(); <-done }},
	} {
		for _, to := range []struct {
			flow cell.Flow
			uri  string
		}{
			{flows.Call, "sip:b@example.com"},
			{flows.PCToPhone, "sip:1234567@example.com;user=phone"},
		} {
			ginkgo.It("The methods must not directly or indirectly call any RTC Client API: "+c.name+".", ginkgo.Label("flow:"+to.flow.Name()), works, func() {
				d := newDesk(to.flow)
				var other *ua.Profile
				var back []error
				call := func(ctx context.Context) error {
					c.how(func() { back = append(back, everyCall(ctx, d.client, other)...) })
					return nil
				}
				d.manners = func(pm ua.PortManager) ua.PortManager {
					return manners{PortManager: pm, update: call, gone: call,
						get: func(ctx context.Context, _ ua.MappingRequest) error { return call(ctx) }}
				}
				d.play(func() (err error) {
					if other, err = d.client.NewProfile(d.account()); err != nil {
						return err
					}
					return d.outgoing(to.uri)()
				})
				all := len(d.forProfile.Calls()) + len(d.forSession.Calls())
				gomega.Expect(all).To(gomega.Equal(2+8), "registration and call go on")
				gomega.Expect(back).To(gomega.HaveLen(all * 5))
				gomega.Expect(back).To(gomega.HaveEach(gomega.MatchError(ua.ErrReentrant)))
				gomega.Expect(d.heard).To(gomega.BeNumerically(">", 200), "RTP packets in five seconds")
			})
		}
	}
})

var _ = ginkgo.Describe("IRTCProfilePortManagement::SetPortManager", reference, ginkgo.Label("flow:register"), func() {
	ginkgo.It("E_POINTER if it is NULL.", fails, func() {
		d := newDesk(flows.Register)
		var refused error
		d.play(func() error {
			profile, err := d.client.NewProfile(d.account())
			refused = profile.SetPortManager(nil)
			return err
		})
		gomega.Expect(refused).To(gomega.MatchError(ua.ErrConfig))
	})

	ginkgo.It("E_FAIL if the profile has already been enabled.", fails, func() {
		d := newDesk(flows.Register)
		var refused error
		d.play(func() error {
			profile, err := d.enabledProfile()
			refused = profile.SetPortManager(d.forProfile)
			return err
		})
		gomega.Expect(refused).To(gomega.MatchError(ua.ErrPortManagerAlreadySet))
	})

	ginkgo.It("Each successful call overwrites the previous one.", works, func() {
		d := newDesk(flows.Register)
		d.play(func() error {
			profile, err := d.client.NewProfile(d.account())
			return errors.Join(err, profile.SetPortManager(d.forProfile), profile.SetPortManager(d.forSession), profile.Enable(context.Background()))
		})
		gomega.Expect(calls(d.forProfile)).To(gomega.BeEmpty())
		gomega.Expect(calls(d.forSession)).To(gomega.Equal([]string{getSIP, releaseSIP}))
	})
})

var _ = ginkgo.Describe("IRTCSessionPortManagement::SetPortManager", reference, ginkgo.Label("flow:call"), func() {
	ginkgo.It("This method can be called multiple times when the session is idle. Each successful call overwrites the previous callback interface.", works, func() {
		d := newDesk(flows.Call)
		other := ua.NewRecorder(ua.Local{})
		d.play(func() error {
			session, err := d.client.NewSession(nil)
			if err != nil {
				return err
			}
			err = errors.Join(session.SetPortManager(other), session.SetPortManager(d.forSession))
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = session.Call(ctx, "sip:b@203.0.113.10") // nobody answers there
			return err
		})
		gomega.Expect(calls(other)).To(gomega.BeEmpty())
		gomega.Expect(calls(d.forSession)).To(gomega.Equal([]string{getSIP, getRTP, getRTCP, releaseSIP, releaseRTP, releaseRTCP}))
	})

	ginkgo.It("A null pointer is allowed.", works, func() {
		d := newDesk(flows.Call)
		d.sessionManager = func() ua.PortManager { return nil }
		d.play(d.outgoing("sip:b@example.com"))
		gomega.Expect(calls(d.forSession)).To(gomega.BeEmpty())
		gomega.Expect(calls(d.forProfile)).To(gomega.ContainElements(getRTP, getRTCP), "the profile's then")
	})

	ginkgo.It("The method returns an error if it is called when the session is not idle.", fails, func() {
		d := newDesk(flows.Call)
		d.play(d.outgoing("sip:b@example.com"))
		gomega.Expect(d.refused).To(gomega.MatchError(ua.ErrNotIdle))
	})
})

var _ = ginkgo.Describe("IRTCClientPortManagement", reference, ginkgo.Label("flow:call"), works, func() {
	ginkgo.It("For incoming sessions, the interface is set before accepting the incoming session.", func() {
		d := newDesk(flows.Call)
		d.play(d.incoming(nil))
		gomega.Expect(calls(d.forSession)).To(gomega.Equal(incomingCalls))
		gomega.Expect(d.heard).To(gomega.BeNumerically(">", 200), "RTP packets in five seconds")
	})

	ginkgo.It("For outgoing sessions, the application must set the interface on the session object before the session request is sent out.", func() {
		d := newDesk(flows.Call)
		d.play(d.outgoing("sip:b@example.com"))
		invite := d.wrote.first("10.0.0.2:5060", startsWith("INVITE "))
		for _, port := range []string{"10.0.0.2:40000", "10.0.0.2:40001"} {
			gomega.Expect(d.wrote.first(port, isSTUNRequest)).To(gomega.And(gomega.BeNumerically(">", 0), gomega.BeNumerically("<", invite)), port)
		}
	})
})

// refusing makes a port manager that has no mapping of a type.
func refusing(typ ua.PortType) func(ua.PortManager) ua.PortManager {
	return func(pm ua.PortManager) ua.PortManager {
		return manners{PortManager: pm, get: func(_ context.Context, r ua.MappingRequest) error {
			if r.Type == typ {
				return errNone
			}
			return nil
		}}
	}
}

// everyCall calls the client from within a port manager.
func everyCall(ctx context.Context, c *ua.Client, p *ua.Profile) []error {
	session, err := c.NewSession(nil)
	if err != nil {
		return []error{err}
	}
	_, subscribed := p.Subscribe(ctx, ua.SubscribeConfig{Target: "sip:b@example.com", Event: "presence"})
	return []error{
		p.Enable(ctx),
		session.Call(ctx, "sip:b@203.0.113.10"),
		p.Message(ctx, "sip:b@example.com", "text/plain", []byte("hello")),
		subscribed,
		c.Shutdown(context.WithoutCancel(ctx)),
	}
}
