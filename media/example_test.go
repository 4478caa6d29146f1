package media_test

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/natproof/natproof/media"
)

// Two ends agree on where audio goes, and send it.
func Example() {
	listen := func() (net.PacketConn, netip.AddrPort) {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
	}
	callerSocket, callerAddr := listen()
	calleeSocket, calleeAddr := listen()

	// The caller offers, the callee answers; both multiplex RTCP.
	offer := media.Description{RTP: callerAddr, Mux: true, SessionID: 1}
	heard, err := media.Parse(media.Marshal(offer))
	if err != nil {
		panic(err)
	}
	answer, err := media.Answer(heard, media.Description{RTP: calleeAddr, Mux: true, SessionID: 2})
	if err != nil {
		panic(err)
	}

	caller, err := media.New(media.Config{RTP: callerSocket})
	if err != nil {
		panic(err)
	}
	callee, err := media.New(media.Config{RTP: calleeSocket})
	if err != nil {
		panic(err)
	}
	atCaller, err := media.Agree(offer, answer)
	if err != nil {
		panic(err)
	}
	atCallee, err := media.Agree(answer, heard)
	if err != nil {
		panic(err)
	}
	fmt.Println(atCaller.Codec.Name, atCallee.Codec.Name, atCaller.RTCP == calleeAddr)

	if err := caller.Start(atCaller.RTP, atCaller.RTCP); err != nil {
		panic(err)
	}
	if err := callee.Start(atCallee.RTP, atCallee.RTCP); err != nil {
		panic(err)
	}
	for caller.Stats().RTPReceived == 0 || callee.Stats().RTPReceived == 0 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("both hear each other")
	caller.Close()
	callee.Close()
	// Output:
	// PCMU PCMU true
	// both hear each other
}

func ExampleAnswer() {
	offer, err := media.Parse([]byte("v=0\r\n" +
		"o=- 1 1 IN IP4 5.6.7.8\r\n" +
		"s=-\r\n" +
		"c=IN IP4 5.6.7.8\r\n" +
		"t=0 0\r\n" +
		"m=audio 5678 RTP/AVP 8 0\r\n" +
		"a=rtcp:61603\r\n" +
		"m=video 5680 RTP/AVP 31\r\n"))
	if err != nil {
		panic(err)
	}
	fmt.Println(offer.RTP, offer.RTCP)
	answer, err := media.Answer(offer, media.Description{RTP: netip.MustParseAddrPort("203.0.113.9:4000")})
	if err != nil {
		panic(err)
	}
	fmt.Println(len(media.Marshal(answer)) > 0, answer.Codecs[0].Name, answer.Others[0].Media)
	// Output:
	// 5.6.7.8:5678 5.6.7.8:61603
	// true PCMA video
}
