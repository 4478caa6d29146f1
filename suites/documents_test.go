package suites_test

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/ua"
)

// The documents in their own words: a Describe is a page, an It a sentence of it. What the port
// manager is asked is compared call by call, with the arguments. That STUN "will work in three
// out of four of the NAT cases" is what the matrix shows (matrix_test.go).

// What the application's port managers answer, behind the NAT of a desk.
const (
	getSIP      = "GetMapping(SIP, UDP, 203.0.113.10:5060) = 10.0.0.2:5060, 198.51.100.1:5060"
	getRTP      = "GetMapping(RTP, UDP, 203.0.113.10:0) = 10.0.0.2:40000, 198.51.100.1:40000"
	getRTCP     = "GetMapping(RTCP, UDP, 203.0.113.10:0) = 10.0.0.2:40001, 198.51.100.1:40001"
	updateRTP   = "UpdateRemoteAddress(RTP, 10.0.0.2:40000, 198.51.100.1:40000, 192.0.2.1:40000)"
	updateRTCP  = "UpdateRemoteAddress(RTCP, 10.0.0.2:40001, 198.51.100.1:40001, 192.0.2.1:40001)"
	releaseSIP  = "ReleaseMapping(SIP, 10.0.0.2:5060, 198.51.100.1:5060)"
	releaseRTP  = "ReleaseMapping(RTP, 10.0.0.2:40000, 198.51.100.1:40000)"
	releaseRTCP = "ReleaseMapping(RTCP, 10.0.0.2:40001, 198.51.100.1:40001)"
)

var (
	documents   = ginkgo.Label("documents", "nat:port-restricted", "expect:works")
	viaSTUN     = ginkgo.Label("port-manager:stun")
	viaForwards = ginkgo.Label("port-manager:static")
)

var _ = ginkgo.Describe("Using STUN with the RTC Client API", documents, func() {
	ginkgo.It("The RTC Client calls the provided methods to retrieve the external IP address and port pairs on the NAT and the internal port and address on the client device.", viaSTUN, ginkgo.Label("flow:register"), func() {
		d := newDesk(flows.Register)
		d.play(func() error {
			ginkgo.By("The application creates a profile to be registered.")
			profile, err := d.client.NewProfile(d.account())
			if err != nil {
				return err
			}
			ginkgo.By("The application calls SetPortManager to set its port manager.")
			if err := profile.SetPortManager(d.forProfile); err != nil {
				return err
			}
			ginkgo.By("Enable the profile and register.")
			if err := profile.Enable(context.Background()); err != nil {
				return err
			}
			d.registered = profile.State() == ua.Registered
			return profile.Disable(context.Background())
		})
		gomega.Expect(d.registered).To(gomega.BeTrue())
		gomega.Expect(calls(d.forProfile)).To(gomega.Equal([]string{getSIP, releaseSIP}))
	})

	ginkgo.It("It uses these port and address pairs for exchanging registration SIP messages with the Registrar.", viaSTUN, ginkgo.Label("flow:register"), func() {
		d := newDesk(flows.Register)
		d.play(func() error { _, err := d.enabledProfile(); return err })
		register := d.first("REGISTER", "a")
		gomega.Expect(register).To(gomega.ContainSubstring("Via: SIP/2.0/UDP 198.51.100.1:5060"))
		gomega.Expect(register).To(gomega.MatchRegexp(`Contact: .*@198\.51\.100\.1:5060`))
		gomega.Expect(d.wrote.first("10.0.0.2:5060", startsWith("REGISTER "))).To(gomega.BeNumerically(">", 0), "from the internal pair")
	})

	ginkgo.It("The methods include a dependency on the remote client's port as well as the transport used.", viaSTUN, ginkgo.Label("flow:register"), func() {
		d := newDesk(flows.Register)
		d.play(func() error { _, err := d.enabledProfile(); return err })
		asked := d.forProfile.Calls()[0]
		gomega.Expect(asked.Remote).To(gomega.Equal(netip.MustParseAddrPort("203.0.113.10:5060")))
		gomega.Expect(asked.Transport).To(gomega.Equal(ua.UDP))
	})

	ginkgo.It("If pre-configuration is used, the application returns the addresses that are pre-configured and mapped.", viaForwards, ginkgo.Label("flow:call"), func() {
		d := newDesk(flows.Call)
		d.cell.PortManager = cell.ManagerStatic // the NAT has the forwards
		forwards, err := ua.NewStatic(
			ua.StaticMapping{Type: ua.SIP, External: netip.MustParseAddrPort("198.51.100.1:5060")},
			ua.StaticMapping{Type: ua.AudioRTP, External: netip.MustParseAddrPort("198.51.100.1:40000")},
			ua.StaticMapping{Type: ua.AudioRTCP, External: netip.MustParseAddrPort("198.51.100.1:40001")},
		)
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
		d.manager = forwards
		d.play(d.outgoing("sip:b@example.com"))
		gomega.Expect(calls(d.forSession)[:3]).To(gomega.Equal([]string{getSIP, getRTP, getRTCP}))
		gomega.Expect(d.heard).To(gomega.BeNumerically(">", 200), "RTP packets in five seconds")
	})

	ginkgo.It("The RTC Client calls GetMappingEx for each port type (SIP, RTP and RTCP).", viaSTUN, ginkgo.Label("flow:call"), func() {
		d := newDesk(flows.Call)
		d.play(d.outgoing("sip:b@example.com"))
		gomega.Expect(calls(d.forSession)).To(gomega.Equal([]string{
			getSIP, getRTP, getRTCP, updateRTP, updateRTCP, releaseSIP, releaseRTP, releaseRTCP,
		}))
		gomega.Expect(d.heard).To(gomega.BeNumerically(">", 200), "RTP packets in five seconds")
	})

	ginkgo.It("You will need to provide mappings during registration as well as during any session you initiate.", viaSTUN, ginkgo.Label("flow:call"), func() {
		d := newDesk(flows.Call)
		d.play(d.outgoing("sip:b@example.com"))
		gomega.Expect(calls(d.forProfile)).To(gomega.Equal([]string{getSIP, releaseSIP}))
		gomega.Expect(calls(d.forSession)[:3]).To(gomega.Equal([]string{getSIP, getRTP, getRTCP}))
	})

	ginkgo.It("The same port manager can be used for both registration and session establishment.", viaSTUN, ginkgo.Label("flow:call"), func() {
		d := newDesk(flows.Call)
		d.sessionManager = func() ua.PortManager { return d.forProfile }
		d.play(d.outgoing("sip:b@example.com"))
		gomega.Expect(calls(d.forSession)).To(gomega.BeEmpty())
		gomega.Expect(calls(d.forProfile)).To(gomega.Equal([]string{
			getSIP, getSIP, getRTP, getRTCP, updateRTP, updateRTCP, releaseSIP, releaseRTP, releaseRTCP, releaseSIP,
		}))
	})

	ginkgo.It("This includes outgoing and incoming calls: an incoming one.", viaSTUN, ginkgo.Label("flow:call"), func() {
		d := newDesk(flows.Call)
		d.play(d.incoming(nil))
		gomega.Expect(calls(d.forSession)).To(gomega.Equal(incomingCalls))
	})

	ginkgo.It("This includes registration, subscription and notification services: the profile's port manager is asked for SIP.", viaSTUN, ginkgo.Label("flow:register"), func() {
		d := newDesk(flows.Call)
		d.play(d.subscribing)
		gomega.Expect(d.told).To(gomega.ContainSubstring("<presence"), "the NOTIFY came in")
		gomega.Expect(calls(d.forProfile)).To(gomega.Equal([]string{getSIP, getSIP, releaseSIP, releaseSIP}), "the profile's, within it the subscription's")
	})

	ginkgo.It("This includes registration, subscription and notification services: a subscription that comes in, and is notified.", viaSTUN, ginkgo.Label("flow:register"), func() {
		d := newDesk(flows.Call)
		d.play(d.notifying)
		gomega.Expect(d.told).To(gomega.ContainSubstring("<presence"))
		gomega.Expect(calls(d.forProfile)).To(gomega.Equal([]string{getSIP, getSIP, releaseSIP, releaseSIP}), "the profile's, within it the subscription's")
		gomega.Expect(d.first("NOTIFY", "a")).To(gomega.MatchRegexp(`Contact: .*@198\.51\.100\.1:5060`))
	})

	ginkgo.It("This includes registration, subscription and notification services and IM: a message out and one in.", viaSTUN, ginkgo.Label("flow:register"), func() {
		d := newDesk(flows.Call)
		d.play(d.messaging)
		gomega.Expect(d.told).To(gomega.Equal("to b, to a"))
		gomega.Expect(calls(d.forProfile)).To(gomega.Equal([]string{getSIP, getSIP, releaseSIP, releaseSIP}), "the profile's, within it the outgoing message's")
	})
})

// The gateway's own addresses in "Client Application Behind a NAT".
const (
	gatewayTo     = "sip:1234567@203.0.113.31;user=phone"
	gatewayAddr   = "203.0.113.31"
	gatewayMedia  = "203.0.113.32"
	getSIPDirect  = "GetMapping(SIP, UDP, 203.0.113.31:5060) = 10.0.0.2:5060, 198.51.100.1:5060"
	getRTPDirect  = "GetMapping(RTP, UDP, 203.0.113.31:0) = 10.0.0.2:40000, 198.51.100.1:40000"
	getRTCPDirect = "GetMapping(RTCP, UDP, 203.0.113.31:0) = 10.0.0.2:40001, 198.51.100.1:40001"
)

var _ = ginkgo.Describe("Client Application Behind a NAT", documents, viaSTUN, ginkgo.Label("flow:pc-to-phone"), func() {
	ginkgo.It("In the scenario represented by the following steps, the client initiates a PC-phone session with a gateway that is not situated behind a NAT.", func() {
		d := newDesk(flows.PCToPhone)
		d.play(func() error {
			ginkgo.By("1. The client application creates a session object for a PC-phone session.")
			ginkgo.By("2. It queries the session object for the interface.")
			ginkgo.By("3. It calls SetPortManager to set the port manager for this session.")
			ginkgo.By("4. The client calls the port manager for external and internal address and port.")
			ginkgo.By("5. It transmits the external address and port in the INVITE.")
			ginkgo.By("6. It calls UpdateRemoteAddress; then it responds with the ACK; the media stream begins.")
			ginkgo.By("7. Either party decides to terminate the session: BYE.")
			ginkgo.By("8. It calls ReleaseMapping.")
			return d.outgoing("sip:1234567@example.com;user=phone")()
		})
		gomega.Expect(calls(d.forSession)).To(gomega.Equal([]string{
			getSIP, getRTP, getRTCP,
			"UpdateRemoteAddress(RTP, 10.0.0.2:40000, 198.51.100.1:40000, 203.0.113.30:40000)",
			"UpdateRemoteAddress(RTCP, 10.0.0.2:40001, 198.51.100.1:40001, 203.0.113.30:40001)",
			releaseSIP, releaseRTP, releaseRTCP,
		}), "steps 4, 6 and 8")
		gomega.Expect(d.first("BYE", "a")).NotTo(gomega.BeEmpty(), "step 7")
		gomega.Expect(d.gateway.State).To(gomega.Equal(gateway.Ended), "step 7")
		gomega.Expect(d.gateway.Media.RTPReceived).To(gomega.BeNumerically(">", 200), "step 6: RTP packets at the gateway in five seconds")
	})

	ginkgo.It("5. It transmits the external address and port on the NAT in the SIP INVITE message when a participant is added to the session.", func() {
		d := newDesk(flows.PCToPhone)
		d.play(d.outgoing("sip:1234567@example.com;user=phone"))
		invite := d.first("INVITE", "a")
		gomega.Expect(invite).To(gomega.HavePrefix("INVITE sip:1234567@example.com;user=phone SIP/2.0\r\n"))
		gomega.Expect(invite).To(gomega.ContainSubstring("c=IN IP4 198.51.100.1\r\n"))
		gomega.Expect(invite).To(gomega.ContainSubstring("m=audio 40000 "))
		gomega.Expect(invite).NotTo(gomega.ContainSubstring("10.0.0.2"), "no internal address")
	})

	ginkgo.It("6. If it discovers that the connection address has changed, it calls UpdateRemoteAddress; then, after the client responds with the ACK, the media stream begins.", func() {
		d := newDesk(flows.PCToPhone)
		d.play(d.toGateway(netip.MustParseAddr(gatewayMedia)))
		gomega.Expect(calls(d.forSession)).To(gomega.Equal([]string{
			getSIPDirect, getRTPDirect, getRTCPDirect,
			"UpdateRemoteAddress(RTP, 10.0.0.2:40000, 198.51.100.1:40000, 203.0.113.32:40000)",
			"UpdateRemoteAddress(RTCP, 10.0.0.2:40001, 198.51.100.1:40001, 203.0.113.32:40001)",
			releaseSIP, releaseRTP, releaseRTCP,
		}))
		punch, ack, rtp := d.wrote.first("10.0.0.2:40000", isSTUNIndication), d.wrote.first("10.0.0.2:5060", startsWith("ACK ")), d.wrote.first("10.0.0.2:40000", isRTP)
		gomega.Expect(punch).To(gomega.And(gomega.BeNumerically(">", 0), gomega.BeNumerically("<", ack)), "UpdateRemoteAddress before the ACK")
		gomega.Expect(rtp).To(gomega.BeNumerically(">", ack), "media after the ACK")
		gomega.Expect(d.heard).To(gomega.BeNumerically(">", 200), "RTP packets in five seconds")
	})

	ginkgo.It("6. If the connection address is the one it sent to, UpdateRemoteAddress is not called.", func() {
		d := newDesk(flows.PCToPhone)
		d.play(d.toGateway(netip.Addr{}))
		gomega.Expect(calls(d.forSession)).To(gomega.Equal([]string{
			getSIPDirect, getRTPDirect, getRTCPDirect, releaseSIP, releaseRTP, releaseRTCP,
		}))
	})

	ginkgo.It("7. Either party decides to terminate the session. 8. ReleaseMapping informs the client application that the session has been terminated.", func() {
		d := newDesk(flows.Call)
		d.play(d.incoming(nil)) // which the other party ends
		gomega.Expect(d.first("BYE", "b")).NotTo(gomega.BeEmpty())
		gomega.Expect(d.first("BYE", "a")).To(gomega.BeEmpty())
		gomega.Expect(calls(d.forSession)[3:]).To(gomega.Equal([]string{releaseSIP, releaseRTP, releaseRTCP}))
	})
})

// incomingCalls: the offer says where media comes from, so nothing is left to update.
var incomingCalls = []string{
	getSIP,
	strings.Replace(getRTP, "203.0.113.10:0", "192.0.2.1:40000", 1),
	strings.Replace(getRTCP, "203.0.113.10:0", "192.0.2.1:40001", 1),
	releaseSIP, releaseRTP, releaseRTCP,
}

// talk is how long calls last.
const talk = 5 * time.Second
