package endpoint_test

import (
	"net"
	"testing"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/vnet"
)

// yourEndpoint is the code under test. It sees a net.PacketConn and nothing else.
func yourEndpoint(conn net.PacketConn, server net.Addr) error {
	conn.WriteTo([]byte("hello"), server)
	conn.SetReadDeadline(time.Now().Add(5 * time.Second)) // virtual: costs no time
	_, _, err := conn.ReadFrom(make([]byte, 1500))
	return err
}

func TestMyEndpointBehindAPortRestrictedNAT(t *testing.T) {
	var works error
	leak := bubble.Run(func() {
		lab, _ := vnet.New(vnet.Config{Seed: 1, OnEvent: func(e vnet.Event) { t.Log(e) }}) // each packet, each drop and why
		defer lab.Close()
		world, _ := stage.NewWorld(lab, cell.Default(flows.Call, "port-restricted", "symmetric"), 1, stage.DefaultLink)
		server, _ := world.Proxy.ListenPacket("udp4", ":7000")
		go func() { // your server: it must answer from the port it was asked on
			_, from, _ := server.ReadFrom(make([]byte, 1500))
			server.WriteTo([]byte("welcome"), from)
		}()
		conn, _ := world.A.ListenPacket("udp4", ":5060") // a host is a pion transport.Net too
		works = yourEndpoint(conn, server.LocalAddr())
	})
	if works != nil || leak != nil {
		t.Fatal(works, leak)
	}
}
