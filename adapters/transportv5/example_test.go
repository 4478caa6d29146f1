package transportv5_test

import (
	"fmt"
	"strings"

	"github.com/pion/webrtc/v4"

	"github.com/natproof/natproof/adapters/transportv5"
)

// A peer at home asks a STUN server who it is.
func ExampleNet() {
	err := inWorld("port-restricted", "full-cone", func(w *world) error {
		var settings webrtc.SettingEngine
		settings.SetNet(transportv5.Net(w.a)) // w.a is a *vnet.Host
		peer, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{
			ICEServers: []webrtc.ICEServer{{URLs: []string{"stun:203.0.113.20:3478"}}},
		})
		if err != nil {
			return err
		}
		defer peer.Close() // or its goroutines outlive the bubble
		if _, err := peer.CreateDataChannel("chat", nil); err != nil {
			return err
		}
		offer, err := peer.CreateOffer(nil)
		if err != nil {
			return err
		}
		gathered := webrtc.GatheringCompletePromise(peer)
		if err := peer.SetLocalDescription(offer); err != nil {
			return err
		}
		<-gathered
		for line := range strings.Lines(peer.LocalDescription().SDP) {
			if f := strings.Fields(line); strings.HasPrefix(line, "a=candidate:") && f[1] == "1" {
				fmt.Println(f[7], f[4])
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// host 10.0.0.2
	// srflx 198.51.100.1
}
