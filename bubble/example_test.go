package bubble_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/vnet"
)

// sipgo on the hosts of a lab, under virtual time. It must find a connection with the
// address that the client names, or it opens a real socket.
func Example_sipgo() {
	var res *sip.Response
	var failed error
	leak := bubble.Run(func() {
		lab, _ := vnet.New(vnet.Config{Seed: 1})
		defer lab.Close()
		site, _ := lab.Internet().AddSite("office", vnet.SiteConfig{Prefix: netip.MustParsePrefix("192.0.2.0/24")})
		phone, _ := site.AddHost("phone", netip.MustParseAddr("192.0.2.2"))
		desk, _ := site.AddHost("desk", netip.MustParseAddr("192.0.2.3"))

		for _, host := range []*vnet.Host{phone, desk} {
			conn, err := host.ListenPacket("udp4", ":5060")
			if err != nil {
				failed = err
				return
			}
			agent, _ := sipgo.NewUA(sipgo.WithUserAgent(host.Name()))
			defer agent.Close()
			server, _ := sipgo.NewServer(agent)
			server.OnOptions(func(req *sip.Request, tx sip.ServerTransaction) {
				_ = tx.Respond(sip.NewResponseFromRequest(req, 200, "OK", nil))
			})
			served := make(chan struct{})
			go func() { defer close(served); _ = server.ServeUDP(conn) }()
			defer func() { conn.Close(); <-served }()
			bubble.Wait() // the listener is registered now
			if host != desk {
				continue
			}
			client, _ := sipgo.NewClient(agent, sipgo.WithClientHostname("192.0.2.3"), sipgo.WithClientConnectionAddr("192.0.2.3:5060"))
			req := sip.NewRequest(sip.OPTIONS, sip.Uri{Scheme: "sip", Host: "192.0.2.2", Port: 5060})
			res, failed = client.Do(context.Background(), req)
		}
	})
	fmt.Println(errors.Join(leak, failed), res.StatusCode)
	// Output: <nil> 200
}
