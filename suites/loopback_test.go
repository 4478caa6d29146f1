package suites_test

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/servers/stun"
	"github.com/natproof/natproof/ua"
)

// The same STUN server, registrar and user agent, on sockets of the operating
// system and in real time. Nothing in them knows of the virtual internet.
var _ = ginkgo.Describe("Real sockets", ginkgo.Label("loopback", "flow:call", "nat:none", "port-manager:stun", "expect:works"), func() {
	ginkgo.It("two user agents register with passwords and complete a call over loopback UDP", func(ctx context.Context) {
		stunAddr := serve(func() (service, netip.AddrPort, error) {
			conns, err := stun.Listen(listenUDP, netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("127.0.0.2:0"))
			if err != nil {
				return nil, netip.AddrPort{}, err
			}
			s, err := stun.New(stun.Config{Conns: conns})
			return s, local(conns[0]), err
		})
		proxy := serve(func() (service, netip.AddrPort, error) {
			conn, err := listenUDP(netip.MustParseAddrPort("127.0.0.1:0"))
			if err != nil {
				return nil, netip.AddrPort{}, err
			}
			s, err := registrar.New(conn, registrar.Config{
				Domain: "example.com", Policy: registrar.PolicyReceived, AuthInvite: true,
				Users: map[string]string{"alice": "wonderland", "bob": "builder"},
			})
			return s, local(conn), err
		})

		_, alice := realPhone(ctx, "127.0.0.3", "alice", "wonderland", stunAddr, proxy, nil)
		incoming := make(chan *ua.Session, 1)
		realPhone(ctx, "127.0.0.4", "bob", "builder", stunAddr, proxy, incoming)

		call, err := alice.NewSession()
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
		answered := make(chan *ua.Session, 1)
		go func() {
			s := <-incoming
			_ = s.Answer(ctx) // the caller sees it if this fails
			answered <- s
		}()
		gomega.Expect(call.Call(ctx, "sip:bob@example.com")).To(gomega.Succeed())
		callee := <-answered
		for _, s := range []*ua.Session{call, callee} {
			gomega.Eventually(func() uint64 { st, _ := s.MediaStats(); return st.RTPReceived }).
				WithTimeout(30*time.Second).Should(gomega.BeNumerically(">", 10), "RTP is heard")
		}
		gomega.Expect(call.Hangup(ctx)).To(gomega.Succeed())
		gomega.Eventually(callee.Done()).WithTimeout(30 * time.Second).Should(gomega.BeClosed())
		gomega.Expect(alice.profile.Disable(ctx)).To(gomega.Succeed())
	})
})

type service interface {
	Serve() error
	Close() error
}

// serve runs a service until the spec ends.
func serve(open func() (service, netip.AddrPort, error)) netip.AddrPort {
	s, at, err := open()
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	ginkgo.DeferCleanup(func() {
		gomega.Expect(s.Close()).To(gomega.Succeed())
		gomega.Expect(<-done).To(gomega.Succeed())
	})
	return at
}

func listenUDP(a netip.AddrPort) (net.PacketConn, error) {
	return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(a))
}

func local(c net.PacketConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// caller is a registered user agent.
type caller struct {
	client  *ua.Client
	profile *ua.Profile
}

// NewSession makes an idle session of the profile.
func (c caller) NewSession() (*ua.Session, error) { return c.client.NewSession(c.profile) }

// realPhone starts a user agent on a loopback address and registers it.
func realPhone(ctx context.Context, addr, user, password string, stunServer, proxy netip.AddrPort, incoming chan<- *ua.Session) (*ua.Client, caller) {
	client, err := ua.New(ua.Config{
		LocalAddr: netip.MustParseAddr(addr), SIPPort: freePort(addr), Options: ua.Options{Rport: true},
		OnEvent: func(e ua.Event) {
			if s, ok := e.(ua.SessionEvent); ok && s.State == ua.Incoming {
				incoming <- s.Session
			}
		},
	})
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	gomega.Expect(client.Start(ctx)).To(gomega.Succeed())
	ginkgo.DeferCleanup(client.Close)
	manager, err := ua.NewSTUN(ua.STUNConfig{Server: stunServer})
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	profile, err := client.NewProfile(ua.ProfileConfig{
		Account: ua.Account{URI: "sip:" + user + "@example.com", Password: password}, Registrar: proxy,
	})
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	gomega.Expect(profile.SetPortManager(manager)).To(gomega.Succeed())
	gomega.Expect(profile.Enable(ctx)).To(gomega.Succeed())
	gomega.Expect(profile.State()).To(gomega.Equal(ua.Registered))
	return client, caller{client, profile}
}

// freePort is a port that nobody had on the address a moment ago.
func freePort(addr string) uint16 {
	c, err := listenUDP(netip.AddrPortFrom(netip.MustParseAddr(addr), 0))
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	defer c.Close()
	return local(c).Port()
}
