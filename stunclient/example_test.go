package stunclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/stunclient"
	"github.com/natproof/natproof/stunclient/attr"
)

func xorMapped(a netip.AddrPort) pion.Setter { return attr.XORMapped{AddrPort: a} }

// toyServer answers every request with one address.
type toyServer struct{ client *stunclient.Client }

func (s *toyServer) LocalAddr() net.Addr { return udp(netip.MustParseAddrPort("10.0.0.2:5060")) }

func (s *toyServer) WriteTo(b []byte, to net.Addr) (int, error) {
	_, m, err := attr.Decode(b)
	if err != nil {
		return 0, err
	}
	answer := success(b)
	if m.Contains(pion.AttrChangeRequest) {
		answer = reply(b, pion.BindingError, pion.CodeUnknownAttribute, pion.UnknownAttributes{pion.AttrChangeRequest})
	}
	s.client.Handle(answer, to)
	return len(b), nil
}

func ExampleClient_Binding() {
	socket := &toyServer{}
	client := stunclient.New(socket, stunclient.Options{})
	socket.client = client // in earnest: whoever reads the socket calls client.Handle

	response, err := client.Binding(context.Background(), netip.MustParseAddrPort("192.0.2.10:3478"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(response.Address())
	// Output: 198.51.100.1:40000
}

func ExampleErrorResponse() {
	socket := &toyServer{}
	client := stunclient.New(socket, stunclient.Options{})
	socket.client = client

	_, err := client.Binding(context.Background(), netip.MustParseAddrPort("192.0.2.10:3478"), attr.ChangeRequest{IP: true})
	fmt.Println(err)
	fmt.Println("no alternate address:", errors.Is(err, &stunclient.ErrorResponse{Code: 420}))
	// Output:
	// stunclient: binding 192.0.2.10:3478: error response 420 Unknown Attribute: CHANGE-REQUEST
	// no alternate address: true
}
