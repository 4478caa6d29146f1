package ua_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/natproof/natproof/ua"
)

// Two user agents on one machine call each other.
func Example() {
	ctx := context.Background()
	heard := make(chan ua.SessionEvent, 8)
	bob, err := ua.New(ua.Config{
		LocalAddr: netip.MustParseAddr("127.0.0.5"),
		SIPPort:   35061,
		OnEvent: func(e ua.Event) {
			s, ok := e.(ua.SessionEvent)
			if !ok {
				return
			}
			if s.State == ua.Incoming {
				_ = s.Session.Answer(ctx)
			}
			heard <- s
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	alice, err := ua.New(ua.Config{LocalAddr: netip.MustParseAddr("127.0.0.4"), SIPPort: 35061})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range []*ua.Client{alice, bob} {
		if err := c.Start(ctx); err != nil {
			log.Fatal(err)
		}
		defer c.Close()
	}

	call, err := alice.NewSession(nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := call.Call(ctx, "sip:bob@127.0.0.5:35061"); err != nil {
		log.Fatal(err)
	}
	fmt.Println("alice:", call.State())
	for s := range heard {
		fmt.Println("bob:", s.State)
		if s.State == ua.Connected {
			break
		}
	}
	if err := call.Hangup(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("alice:", call.State())
	// Output:
	// alice: connected
	// bob: incoming
	// bob: answering
	// bob: connected
	// alice: disconnected
}

// A port forward is advertised in place of the address that is bound, and every call
// that the port manager gets is remembered.
func ExampleNewRecorder() {
	ctx := context.Background()
	manager, err := ua.NewStatic(
		ua.StaticMapping{Type: ua.SIP, External: netip.MustParseAddrPort("198.51.100.1:5060")},
		ua.StaticMapping{Type: ua.AudioRTP, Internal: netip.MustParseAddrPort("127.0.0.4:41000"), External: netip.MustParseAddrPort("198.51.100.1:7000")},
	)
	if err != nil {
		log.Fatal(err)
	}
	recorder := ua.NewRecorder(manager)

	client, err := ua.New(ua.Config{LocalAddr: netip.MustParseAddr("127.0.0.4"), SIPPort: 35062})
	if err != nil {
		log.Fatal(err)
	}
	if err := client.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	call, err := client.NewSession(nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := call.SetPortManager(recorder); err != nil {
		log.Fatal(err)
	}
	fmt.Println(call.Call(ctx, "sip:1234567@127.0.0.9")) // there is no forward for RTCP
	for _, c := range recorder.Calls() {
		fmt.Println(c)
	}
	// Output:
	// ua: port mapping unavailable: GetMapping(RTCP): ua: no static mapping of type RTCP
	// GetMapping(SIP, UDP, 127.0.0.9:5060) = 127.0.0.4:35062, 198.51.100.1:5060
	// GetMapping(RTP, UDP, 127.0.0.9:0) = 127.0.0.4:41000, 198.51.100.1:7000
	// GetMapping(RTCP, UDP, 127.0.0.9:0) = ua: no static mapping of type RTCP
	// ReleaseMapping(SIP, 127.0.0.4:35062, 198.51.100.1:5060)
	// ReleaseMapping(RTP, 127.0.0.4:41000, 198.51.100.1:7000)
}

// The port manager for a NAT with endpoint-independent mapping.
func ExampleNewSTUN() {
	manager, err := ua.NewSTUN(ua.STUNConfig{Server: netip.MustParseAddrPort("203.0.113.20:3478")})
	if err != nil {
		log.Fatal(err)
	}
	client, err := ua.New(ua.Config{LocalAddr: netip.MustParseAddr("10.0.0.2")})
	if err != nil {
		log.Fatal(err)
	}
	profile, err := client.NewProfile(ua.ProfileConfig{
		Account:   ua.Account{URI: "sip:alice@example.com", Password: "secret"},
		Registrar: netip.MustParseAddrPort("203.0.113.10:5060"),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(profile.SetPortManager(manager), profile.State())
	// Output: <nil> not registered
}
