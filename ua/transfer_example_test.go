package ua_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/natproof/natproof/ua"
)

// Alice calls Bob and has him call Carol instead.
func ExampleSession_Transfer() {
	ctx := context.Background()
	phone := func(addr string, options ua.Options) *ua.Client {
		c, err := ua.New(ua.Config{
			LocalAddr: netip.MustParseAddr(addr), SIPPort: 35063, Options: options,
			OnEvent: func(e ua.Event) {
				switch e := e.(type) {
				case ua.SessionEvent:
					if e.State == ua.Incoming {
						go e.Session.Answer(ctx)
					}
				case ua.TransferEvent:
					fmt.Println("reported:", e.Code, e.Reason)
				}
			},
		})
		if err == nil {
			err = c.Start(ctx)
		}
		if err != nil {
			log.Fatal(err)
		}
		return c
	}
	alice := phone("127.0.0.5", ua.Options{})
	bob := phone("127.0.0.6", ua.Options{Refer: ua.ReferFollow})
	defer bob.Close()
	carol := phone("127.0.0.7", ua.Options{})
	defer carol.Close()

	call, err := alice.NewSession(nil)
	if err == nil {
		err = call.Call(ctx, "sip:bob@127.0.0.6:35063")
	}
	if err != nil {
		log.Fatal(err)
	}
	err = call.Transfer(ctx, "sip:carol@127.0.0.7:35063")
	alice.Close() // all events have been told
	fmt.Println(err, call.State())
	// Output:
	// reported: 100 Trying
	// reported: 200 OK
	// <nil> disconnected
}
