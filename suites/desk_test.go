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

	"github.com/onsi/gomega"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// desk is the application of the documents: a client behind a port-restricted
// NAT, with a STUN-backed port manager for its profile and one for its session.
type desk struct {
	cell                   cell.Cell
	world                  *stage.World
	client                 *ua.Client
	forProfile, forSession *ua.Recorder
	manager                ua.PortManager                      // if it is set, instead of the one that asks a STUN server
	manners                func(ua.PortManager) ua.PortManager // if it is set, what becomes of a port manager
	on                     func(ua.Event)                      // of the application's client
	stops                  []func() error

	session        *ua.Session           // of the application
	sessionManager func() ua.PortManager // if it is set, instead of forSession
	caller         error                 // how the call of b ended

	mu   sync.Mutex
	told string // what messages and notifications said

	registered bool
	refused    error // a port manager on a session that is not idle
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
		if err := d.telephone(d.world.Gateway, netip.Addr{}); err != nil {
			return err
		}
	}
	manager, err := d.asking()
	if err != nil {
		return err
	}
	if d.manager != nil {
		manager = d.manager
	}
	if d.manners != nil {
		manager = d.manners(manager)
	}
	d.forProfile, d.forSession = ua.NewRecorder(manager), ua.NewRecorder(manager)
	on := d.on
	if on == nil {
		on = d.heardOf
	}
	d.client, err = d.phone(d.world.A, &d.wrote, on, withPresence)
	return err
}

// asking is a port manager that asks the STUN server.
func (d *desk) asking() (ua.PortManager, error) {
	return ua.NewSTUN(ua.STUNConfig{Server: netip.AddrPortFrom(d.world.STUN.Addr(), 3478)})
}

// telephone runs a PSTN gateway, and keeps what became of its first call. Media is on the
// other address if there is one.
func (d *desk) telephone(h *vnet.Host, media netip.Addr) error {
	listen := func(a netip.AddrPort) (net.PacketConn, error) { return h.Listen(a) }
	conn, err := listen(netip.AddrPortFrom(h.Addr(), cell.GatewayPort))
	if err != nil {
		return err
	}
	server, err := gateway.New(conn, gateway.Config{
		RingTime: time.Second, MinPort: cell.RTPPort, MaxPort: cell.RTCPPort, Listen: listen, Seed: seed, MediaAddr: media,
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
func (d *desk) phone(h *vnet.Host, in *journal, on func(ua.Event), more func(*ua.Config)) (*ua.Client, error) {
	cfg := ua.Config{
		Listen: func(_ context.Context, a netip.AddrPort) (net.PacketConn, error) {
			c, err := h.Listen(a)
			return journalled{c, in}, err
		},
		LocalAddr: h.Addr(), MediaPortMin: 40000, MediaPortMax: 40001, Seed: seed, OnEvent: on,
		Options: ua.Options{Rport: true},
	}
	if more != nil {
		more(&cfg)
	}
	c, err := ua.New(cfg)
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
	_, _, err := d.other(func(e ua.Event) {
		if s, ok := e.(ua.SessionEvent); ok && s.State == ua.Incoming {
			answering.Go(func() { _ = s.Session.Answer(context.Background()) })
		}
	}, nil)
	return err
}

// other registers b, behind a NAT of its own.
func (d *desk) other(on func(ua.Event), more func(*ua.Config)) (*ua.Client, *ua.Profile, error) {
	b, err := d.phone(d.world.B, &journal{}, on, more)
	if err != nil {
		return nil, nil, err
	}
	account := d.account()
	account.Account.URI = "sip:b@example.com"
	p, err := b.NewProfile(account)
	if err != nil {
		return nil, nil, err
	}
	manager, err := d.asking()
	if err != nil {
		return nil, nil, err
	}
	if err := p.SetPortManager(manager); err != nil {
		return nil, nil, err
	}
	return b, p, p.Enable(context.Background())
}

// reason is why the application's session ended.
func (d *desk) reason() ua.TerminateReason {
	r, _ := d.session.Reason()
	return r
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

// isSTUNRequest: method Binding, class request (RFC 8489 section 5).
func isSTUNRequest(b []byte) bool { return len(b) >= 20 && b[0] == 0x00 && b[1] == 0x01 }

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
