package natmodels_test

import (
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
)

var (
	phone  = netip.MustParseAddrPort("10.0.0.2:5060")
	server = netip.MustParseAddrPort("203.0.113.20:3478")
	peer   = netip.MustParseAddrPort("203.0.113.30:40000")
	public = netip.MustParseAddr("198.51.100.1")
)

// A phone asks a STUN server for its external endpoint and is called at it by
// somebody it has not sent to.
func Example() {
	model, err := catalogue.Lookup("port-restricted")
	if err != nil {
		log.Fatal(err)
	}
	nat, err := model.New(natmodels.Place{External: []netip.Addr{public}})
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

	request := nat.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: phone, Dst: server}, now)
	fmt.Println(request.Action, request.Packet)
	mapped := request.Packet.Src

	response := nat.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: server, Dst: mapped}, now)
	fmt.Println(response.Action, response.Packet)

	call := nat.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: peer, Dst: mapped}, now)
	fmt.Println(call.Action, call.Reason)
	fmt.Println(nat.Explain(call))

	late := nat.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: server, Dst: mapped}, now.Add(5*time.Minute+3*time.Second))
	fmt.Println(nat.Explain(late))

	// Output:
	// forward udp 198.51.100.1:5060 -> 203.0.113.20:3478
	// forward udp 203.0.113.20:3478 -> 10.0.0.2:5060
	// drop filtered
	// filtered: mapping 10.0.0.2:5060 <-> 198.51.100.1:5060 admits only 203.0.113.20:3478 (address-and-port-dependent filtering, RFC 4787 section 5)
	// expired: mapping 10.0.0.2:5060 <-> 198.51.100.1:5060 expired 3s ago
}

// A symmetric NAT with predictable ports: each destination gets the next port.
func Example_sequentialPorts() {
	model, err := catalogue.Parse("stepwise", `
like        symmetric
ports       sequential
step        2
port-range  40000-49999
`)
	if err != nil {
		log.Fatal(err)
	}
	nat, err := model.Model.New(natmodels.Place{External: []netip.Addr{public}})
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, dst := range []netip.AddrPort{server, peer} {
		v := nat.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: phone, Dst: dst}, now)
		fmt.Println(v.Mapping)
	}
	// Output:
	// 10.0.0.2:5060 <-> 198.51.100.1:40000 for 203.0.113.20:3478
	// 10.0.0.2:5060 <-> 198.51.100.1:40002 for 203.0.113.30:40000
}

// A setting that would have no effect is refused.
func ExampleModel_Validate() {
	model, err := catalogue.Lookup("full-cone")
	if err != nil {
		log.Fatal(err)
	}
	if model, err = model.With("step", "2"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(model.Validate())
	// Output:
	// natmodels: config: step: 2 has no meaning for port choice preserve-else-random, only for sequential
}

// A port forward.
func ExampleStaticMapping() {
	model, err := catalogue.Lookup("symmetric")
	if err != nil {
		log.Fatal(err)
	}
	nat, err := model.New(natmodels.Place{
		External: []netip.Addr{public},
		Static:   []natmodels.StaticMapping{{Protocol: natmodels.UDP, Internal: phone, External: netip.AddrPortFrom(public, 5060)}},
	})
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	v := nat.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: peer, Dst: netip.AddrPortFrom(public, 5060)}, now)
	fmt.Println(nat.Explain(v))
	// Output:
	// forwarded through mapping 10.0.0.2:5060 <-> 198.51.100.1:5060 (static)
}

// What a NAT remembers can be looked at.
func ExampleBox() {
	model, err := catalogue.Lookup("address-restricted")
	if err != nil {
		log.Fatal(err)
	}
	nat, err := model.New(natmodels.Place{External: []netip.Addr{public}})
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	nat.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: phone, Dst: server}, now)
	nat.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: phone, Dst: peer}, now)
	for _, m := range nat.Mappings(now) {
		remotes, _ := nat.Admitted(m, now)
		fmt.Println(m, "admits", remotes)
	}
	// Output:
	// 10.0.0.2:5060 <-> 198.51.100.1:5060 admits [203.0.113.20:0 203.0.113.30:0]
}
