package gateway_test

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/servers/gateway"
)

// A caller written by hand asks the gateway what it can do, then calls.
func Example() {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	gw, err := gateway.New(conn, gateway.Config{})
	if err != nil {
		panic(err)
	}
	served := make(chan error, 1)
	go func() { served <- gw.Serve() }()

	caller, err := net.Dial("udp4", gw.LocalAddr().String())
	if err != nil {
		panic(err)
	}
	me := caller.LocalAddr().String()
	offer := media.Marshal(media.Description{RTP: netip.MustParseAddrPort("127.0.0.1:9"), Direction: media.Inactive})
	fmt.Fprintf(caller, "INVITE sip:5550123@example.com;user=phone SIP/2.0\r\n"+
		"Via: SIP/2.0/UDP %s;branch=z9hG4bK1;rport\r\n"+
		"From: <sip:alice@example.com>;tag=1\r\nTo: <sip:5550123@example.com;user=phone>\r\n"+
		"Call-ID: 1@example.com\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@%s>\r\nMax-Forwards: 70\r\n"+
		"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", me, me, len(offer), offer)
	buf := make([]byte, 2048)
	for range 3 {
		n, err := caller.Read(buf)
		if err != nil {
			panic(err)
		}
		var status int
		var reason string
		fmt.Sscanf(string(buf[:n]), "SIP/2.0 %d %s", &status, &reason)
		fmt.Println(status, reason)
	}
	for len(gw.Calls()) == 0 || gw.Calls()[0].State != gateway.Answered {
		time.Sleep(time.Millisecond)
	}
	call := gw.Calls()[0]
	fmt.Println(call.Number, call.State, call.Agreed.Send)

	gw.Close()
	fmt.Println(<-served, gw.Calls()[0].Cause)
	caller.Close()
	// Output:
	// 100 Trying
	// 180 Ringing
	// 200 OK
	// 5550123 answered false
	// <nil> closed
}
