package registrar_test

import (
	"fmt"
	"net"
	"strings"

	"github.com/natproof/natproof/servers/registrar"
)

func Example() {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	srv, err := registrar.New(conn, registrar.Config{Domain: "example.com"})
	if err != nil {
		panic(err)
	}
	go srv.Serve()
	defer srv.Close()

	phone, err := net.Dial("udp4", conn.LocalAddr().String())
	if err != nil {
		panic(err)
	}
	defer phone.Close()
	fmt.Fprint(phone, strings.Join([]string{
		"REGISTER sip:example.com SIP/2.0",
		"Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK1;rport",
		"Max-Forwards: 70",
		"From: <sip:bob@example.com>;tag=1",
		"To: <sip:bob@example.com>",
		"Call-ID: 1@10.0.0.2",
		"CSeq: 1 REGISTER",
		"Contact: <sip:bob@10.0.0.2:5060>;expires=600",
		"Content-Length: 0", "", "",
	}, "\r\n"))
	answer := make([]byte, 1500)
	n, err := phone.Read(answer)
	if err != nil {
		panic(err)
	}
	status, _, _ := strings.Cut(string(answer[:n]), "\r\n")
	fmt.Println(status)
	for _, b := range srv.Bindings("sip:bob@example.com") {
		fmt.Println(b.Contact, b.Received.String() == phone.LocalAddr().String())
	}
	// Output:
	// SIP/2.0 200 OK
	// sip:bob@10.0.0.2:5060 true
}
