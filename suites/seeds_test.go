package suites_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// The procedures of "Using STUN with the RTC Client API (Windows Embedded CE
// 6.0)" and "Client Application Behind a NAT", step by step, with the calls on
// the port manager in their order and with their arguments.
var _ = ginkgo.Describe("The documented procedures", ginkgo.Label("seeds", "port-manager:stun", "nat:port-restricted"), func() {
	ginkgo.It("registers from behind a NAT", ginkgo.Label("flow:register", "expect:works"), func() {
		d := newDesk(flows.Register)
		d.play(func() error {
			ginkgo.By("The application creates a profile to be registered.")
			profile, err := d.client.NewProfile(d.account())
			if err != nil {
				return err
			}
			ginkgo.By("The application sets its port manager on the profile.")
			if err := profile.SetPortManager(d.forProfile); err != nil {
				return err
			}
			ginkgo.By("The application enables the profile: the client asks the port manager for the SIP port, and registers.")
			if err := profile.Enable(context.Background()); err != nil {
				return err
			}
			d.registered = profile.State() == ua.Registered
			d.refused = profile.SetPortManager(d.forProfile)
			ginkgo.By("The application disables the profile: the client unregisters and releases the mapping.")
			return profile.Disable(context.Background())
		})
		gomega.Expect(d.registered).To(gomega.BeTrue())
		gomega.Expect(d.refused).To(gomega.MatchError(ua.ErrPortManagerAlreadySet), "a port manager on an enabled profile")
		gomega.Expect(calls(d.forProfile)).To(gomega.Equal([]string{
			"GetMapping(SIP, UDP, 203.0.113.10:5060) = 10.0.0.2:5060, 198.51.100.1:5060",
			"ReleaseMapping(SIP, 10.0.0.2:5060, 198.51.100.1:5060)",
		}))
		register := d.first("REGISTER", "a")
		gomega.Expect(register).To(gomega.ContainSubstring("Via: SIP/2.0/UDP 198.51.100.1:5060"), "the external address in the Via")
		gomega.Expect(register).To(gomega.MatchRegexp(`Contact: .*@198\.51\.100\.1:5060`), "and in the Contact")
	})

	ginkgo.It("calls from behind a NAT", ginkgo.Label("flow:call", "expect:works"), func() {
		d := newDesk(flows.Call)
		d.play(func() error {
			ginkgo.By("The profile is set up as for registration.")
			profile, err := d.enabledProfile()
			if err != nil {
				return err
			}
			if err := d.callee(); err != nil {
				return err
			}
			ginkgo.By("The application creates the session with the profile.")
			session, err := d.client.NewSession(profile)
			if err != nil {
				return err
			}
			ginkgo.By("The application sets the port manager on the session.")
			if err := session.SetPortManager(d.forSession); err != nil {
				return err
			}
			ginkgo.By("The application adds the participant: the client asks the port manager for SIP, RTP and RTCP, and sends the INVITE.")
			if err := session.Call(context.Background(), "sip:b@example.com"); err != nil {
				return err
			}
			d.refused = session.SetPortManager(d.forSession)
			time.Sleep(5 * time.Second)
			d.count(session)
			return session.Hangup(context.Background())
		})
		gomega.Expect(d.refused).To(gomega.MatchError(ua.ErrNotIdle), "a port manager on a session that is not idle")
		gomega.Expect(calls(d.forSession)).To(gomega.Equal([]string{
			"GetMapping(SIP, UDP, 203.0.113.10:5060) = 10.0.0.2:5060, 198.51.100.1:5060",
			"GetMapping(RTP, UDP, 203.0.113.10:0) = 10.0.0.2:40000, 198.51.100.1:40000",
			"GetMapping(RTCP, UDP, 203.0.113.10:0) = 10.0.0.2:40001, 198.51.100.1:40001",
			"UpdateRemoteAddress(RTP, 10.0.0.2:40000, 198.51.100.1:40000, 192.0.2.1:40000)",
			"UpdateRemoteAddress(RTCP, 10.0.0.2:40001, 198.51.100.1:40001, 192.0.2.1:40001)",
			"ReleaseMapping(SIP, 10.0.0.2:5060, 198.51.100.1:5060)",
			"ReleaseMapping(RTP, 10.0.0.2:40000, 198.51.100.1:40000)",
			"ReleaseMapping(RTCP, 10.0.0.2:40001, 198.51.100.1:40001)",
		}))
		gomega.Expect(d.heard).To(gomega.BeNumerically(">", 200), "RTP packets in five seconds")
	})

	ginkgo.It("makes a PC-to-phone call in eight steps", ginkgo.Label("flow:pc-to-phone", "expect:works"), func() {
		d := newDesk(flows.PCToPhone)
		d.play(func() error {
			profile, err := d.enabledProfile()
			if err != nil {
				return err
			}
			ginkgo.By("1. The client application creates a session object for a PC-phone session.")
			session, err := d.client.NewSession(profile)
			if err != nil {
				return err
			}
			ginkgo.By("2. It asks the session for its port management.")
			ginkgo.By("3. It sets the port manager for this session.")
			if err := session.SetPortManager(d.forSession); err != nil {
				return err
			}
			ginkgo.By("4. The client calls the port manager for the external and internal address and port of each port.")
			ginkgo.By("5. It sends the INVITE with the external address and port in the session description.")
			ginkgo.By("6. The 200 names another media address: the client calls UpdateRemoteAddress, then sends the ACK, then media begins.")
			if err := session.Call(context.Background(), "sip:1234567@example.com;user=phone"); err != nil {
				return err
			}
			time.Sleep(5 * time.Second)
			d.count(session)
			ginkgo.By("7. A party ends the session: BYE.")
			ginkgo.By("8. The client calls ReleaseMapping for each mapping.")
			return session.Hangup(context.Background())
		})
		gomega.Expect(calls(d.forSession)).To(gomega.Equal([]string{
			"GetMapping(SIP, UDP, 203.0.113.10:5060) = 10.0.0.2:5060, 198.51.100.1:5060",
			"GetMapping(RTP, UDP, 203.0.113.10:0) = 10.0.0.2:40000, 198.51.100.1:40000",
			"GetMapping(RTCP, UDP, 203.0.113.10:0) = 10.0.0.2:40001, 198.51.100.1:40001",
			"UpdateRemoteAddress(RTP, 10.0.0.2:40000, 198.51.100.1:40000, 203.0.113.30:40000)",
			"UpdateRemoteAddress(RTCP, 10.0.0.2:40001, 198.51.100.1:40001, 203.0.113.30:40001)",
			"ReleaseMapping(SIP, 10.0.0.2:5060, 198.51.100.1:5060)",
			"ReleaseMapping(RTP, 10.0.0.2:40000, 198.51.100.1:40000)",
			"ReleaseMapping(RTCP, 10.0.0.2:40001, 198.51.100.1:40001)",
		}), "steps 4, 6 and 8")

		invite := d.first("INVITE", "a")
		gomega.Expect(invite).To(gomega.HavePrefix("INVITE sip:1234567@example.com;user=phone SIP/2.0\r\n"), "step 5")
		gomega.Expect(invite).To(gomega.ContainSubstring("c=IN IP4 198.51.100.1\r\n"), "step 5: the external address")
		gomega.Expect(invite).To(gomega.ContainSubstring("m=audio 40000 "), "step 5: and port")

		punch, ack, rtp := d.wrote.first("10.0.0.2:40000", isSTUNIndication), d.wrote.first("10.0.0.2:5060", startsWith("ACK ")), d.wrote.first("10.0.0.2:40000", isRTP)
		gomega.Expect(punch).To(gomega.And(gomega.BeNumerically(">", 0), gomega.BeNumerically("<", ack)), "step 6: UpdateRemoteAddress before the ACK")
		gomega.Expect(rtp).To(gomega.BeNumerically(">", ack), "step 6: media after the ACK")
		gomega.Expect(d.heard).To(gomega.BeNumerically(">", 200), "step 6: RTP packets in five seconds")
		gomega.Expect(d.gateway.Media.RTPReceived).To(gomega.BeNumerically(">", 200), "step 6: at the gateway too")
		gomega.Expect(d.first("BYE", "gateway")+d.first("BYE", "a")).NotTo(gomega.BeEmpty(), "step 7")
		gomega.Expect(d.gateway.State).To(gomega.Equal(gateway.Ended), "step 7")
	})
})

// desk is the application of the documents: a client behind a port-restricted
// NAT, with a STUN-backed port manager for its profile and one for its session.
type desk struct {
	cell                   cell.Cell
	world                  *stage.World
	client                 *ua.Client
	forProfile, forSession *ua.Recorder
	stops                  []func() error

	registered bool
	refused    error
	heard      uint64
	gateway    gateway.Call
	trace      []vnet.Event
	wrote      journal // by the application's client
}

func newDesk(flow cell.Flow) *desk {
	c := cell.Default(flow, "port-restricted", "port-restricted").Canonical()
	c.Registrar, c.Rport = cell.RegistrarReceived, true
	return &desk{cell: c}
}

// play runs the story in a bubble. It fails the spec if the story does.
func (d *desk) play(story func() error) {
	var failed error
	leak := bubble.Run(func() { failed = d.inBubble(story) })
	gomega.Expect(errors.Join(failed, leak)).NotTo(gomega.HaveOccurred())
}

func (d *desk) inBubble(story func() error) (err error) {
	lab, err := vnet.New(vnet.Config{Seed: seed})
	if err != nil {
		return err
	}
	d.stops = append(d.stops, lab.Close)
	if err = d.open(lab); err == nil {
		err = story()
	}
	time.Sleep(time.Second)
	d.trace = lab.Trace()
	for i := len(d.stops) - 1; i >= 0; i-- {
		err = errors.Join(err, d.stops[i]())
	}
	return err
}

func (d *desk) open(lab *vnet.Lab) (err error) {
	if d.world, err = stage.NewWorld(lab, d.cell, seed, stage.DefaultLink); err != nil {
		return err
	}
	stop, err := d.world.ServeSTUN()
	if err != nil {
		return err
	}
	d.stops = append(d.stops, stop)
	if stop, err = d.world.ServeProxy(d.cell, seed); err != nil {
		return err
	}
	d.stops = append(d.stops, stop)
	if d.world.Gateway != nil {
		if err := d.telephone(d.world.Gateway); err != nil {
			return err
		}
	}
	stun, err := ua.NewSTUN(ua.STUNConfig{Server: netip.AddrPortFrom(d.world.STUN.Addr(), 3478)})
	if err != nil {
		return err
	}
	d.forProfile, d.forSession = ua.NewRecorder(stun), ua.NewRecorder(stun)
	d.client, err = d.phone(d.world.A, &d.wrote, nil)
	return err
}

// telephone runs the PSTN gateway, and keeps what became of its first call.
func (d *desk) telephone(h *vnet.Host) error {
	listen := func(a netip.AddrPort) (net.PacketConn, error) { return h.Listen(a) }
	conn, err := listen(netip.AddrPortFrom(h.Addr(), cell.GatewayPort))
	if err != nil {
		return err
	}
	server, err := gateway.New(conn, gateway.Config{
		RingTime: time.Second, MinPort: cell.RTPPort, MaxPort: cell.RTCPPort, Listen: listen, Seed: seed,
	})
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	d.stops = append(d.stops, func() error {
		if all := server.Calls(); len(all) > 0 {
			d.gateway = all[0]
		}
		return errors.Join(server.Close(), <-served)
	})
	return nil
}

// phone starts a client on a host; what it writes goes into the journal too.
func (d *desk) phone(h *vnet.Host, in *journal, on func(ua.Event)) (*ua.Client, error) {
	c, err := ua.New(ua.Config{
		Listen: func(_ context.Context, a netip.AddrPort) (net.PacketConn, error) {
			c, err := h.Listen(a)
			return journalled{c, in}, err
		},
		LocalAddr: h.Addr(), MediaPortMin: 40000, MediaPortMax: 40001, Seed: seed, OnEvent: on,
		Options: ua.Options{Rport: true},
	})
	if err != nil {
		return nil, err
	}
	d.stops = append(d.stops, c.Close)
	return c, c.Start(context.Background())
}

func (d *desk) account() ua.ProfileConfig {
	return ua.ProfileConfig{Account: ua.Account{URI: "sip:a@example.com"}, Registrar: netip.AddrPortFrom(d.world.Proxy.Addr(), 5060)}
}

func (d *desk) enabledProfile() (*ua.Profile, error) {
	p, err := d.client.NewProfile(d.account())
	if err != nil {
		return nil, err
	}
	if err := p.SetPortManager(d.forProfile); err != nil {
		return nil, err
	}
	return p, p.Enable(context.Background())
}

// callee registers b, which answers.
func (d *desk) callee() error {
	var answering sync.WaitGroup
	d.stops = append(d.stops, func() error { answering.Wait(); return nil })
	b, err := d.phone(d.world.B, &journal{}, func(e ua.Event) {
		if s, ok := e.(ua.SessionEvent); ok && s.State == ua.Incoming {
			answering.Go(func() { _ = s.Session.Answer(context.Background()) })
		}
	})
	if err != nil {
		return err
	}
	account := d.account()
	account.Account.URI = "sip:b@example.com"
	p, err := b.NewProfile(account)
	if err != nil {
		return err
	}
	stun, err := ua.NewSTUN(ua.STUNConfig{Server: netip.AddrPortFrom(d.world.STUN.Addr(), 3478)})
	if err != nil {
		return err
	}
	if err := p.SetPortManager(stun); err != nil {
		return err
	}
	return p.Enable(context.Background())
}

func (d *desk) count(s *ua.Session) {
	if stats, ok := s.MediaStats(); ok {
		d.heard = stats.RTPReceived
	}
}

// first is the first SIP message of the method that the box sent.
func (d *desk) first(method, box string) string {
	for _, e := range d.trace {
		if e.Kind == vnet.Sent && e.Box == box && strings.HasPrefix(string(e.Payload), method+" ") {
			return string(e.Payload)
		}
	}
	return ""
}

// journal is what a client wrote, in the order in which it wrote it. A trace
// cannot tell that: at one instant it is in order of sockets.
type journal struct {
	mu    sync.Mutex
	wrote []writing
}

type writing struct {
	src string
	b   []byte
}

// journalled is a socket whose writes are entered.
type journalled struct {
	net.PacketConn
	in *journal
}

func (c journalled) WriteTo(b []byte, to net.Addr) (int, error) {
	c.in.mu.Lock()
	c.in.wrote = append(c.in.wrote, writing{c.LocalAddr().String(), append([]byte(nil), b...)})
	c.in.mu.Unlock()
	return c.PacketConn.WriteTo(b, to)
}

// first is the place of the first such write from the socket, from 1; 0 is never.
func (j *journal) first(src string, is func([]byte) bool) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, w := range j.wrote {
		if w.src == src && is(w.b) {
			return i + 1
		}
	}
	return 0
}

func startsWith(s string) func([]byte) bool {
	return func(b []byte) bool { return strings.HasPrefix(string(b), s) }
}

func isRTP(b []byte) bool { return len(b) > 1 && b[0]>>6 == 2 }

// isSTUNIndication: method Binding, class indication (RFC 8489 section 5).
func isSTUNIndication(b []byte) bool { return len(b) >= 20 && b[0] == 0x00 && b[1] == 0x11 }

// calls are the calls that a port manager saw, as text.
func calls(r *ua.Recorder) []string {
	var all []string
	for _, c := range r.Calls() {
		all = append(all, fmt.Sprint(c))
	}
	return all
}
