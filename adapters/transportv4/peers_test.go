package transportv4_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/transport/v4"
	"github.com/pion/webrtc/v4"

	"github.com/natproof/natproof/adapters/transportv4"
)

// Two peers of pion/webrtc that know nothing of natproof. ICE learns the port that
// a check came from (RFC 8445 section 7.3.1.3), so it gets through unless a NAT that
// sends to each peer from another port meets one that admits only the port it was
// told: then both refuse all that comes.
func TestDataChannel(t *testing.T) {
	for _, natA := range classic {
		for _, natB := range classic {
			t.Run(natA+" x "+natB, func(t *testing.T) {
				t.Parallel()
				var opened bool
				var verdicts, first []string
				err := inWorld(natA, natB, func(w *world) (err error) {
					opened, err = dataChannel(transportv4.Net(w.a), transportv4.Net(w.b))
					verdicts, first = w.judged()
					return err
				})
				trace := strings.Join(first, "\n")
				if err != nil {
					t.Fatalf("%v\n%s", err, trace)
				}
				if want := traversable(natA, natB); opened != want {
					t.Fatalf("opened: %v, want %v\n%s", opened, want, trace)
				}
				if filtered := []string{"nat-a dropped filtered", "nat-b dropped filtered"}; !opened && !slices.Equal(verdicts, filtered) {
					t.Errorf("between the NATs %q, want %q\n%s", verdicts, filtered, trace)
				}
				t.Log("the first of each kind between the NATs:\n" + trace)
			})
		}
	}
}

var classic = []string{"full-cone", "address-restricted", "port-restricted", "symmetric"}

// traversable says whether two NATs can be traversed with a STUN server and
// without a relay.
func traversable(a, b string) bool {
	return !(a == "symmetric" && (b == "symmetric" || b == "port-restricted") || a == "port-restricted" && b == "symmetric")
}

// dataChannel says whether a data channel opened between peers on two networks
// and carried a message each way. It did not if ICE failed.
func dataChannel(netA, netB transport.Net) (opened bool, err error) {
	a, err := newPeer(netA)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	b, err := newPeer(netB)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()

	channel, err := a.CreateDataChannel("chat", nil)
	if err != nil {
		return false, err
	}
	answers, states := make(chan string, 1), make(chan webrtc.PeerConnectionState, 16)
	channel.OnOpen(func() { _ = channel.SendText("hello") })
	channel.OnMessage(func(m webrtc.DataChannelMessage) { answers <- string(m.Data) })
	b.OnDataChannel(func(c *webrtc.DataChannel) {
		c.OnMessage(func(m webrtc.DataChannelMessage) { _ = c.SendText(string(m.Data) + " yourself") })
	})
	a.OnConnectionStateChange(func(s webrtc.PeerConnectionState) { states <- s })
	if err := introduce(a, b); err != nil {
		return false, err
	}

	deadline := time.After(2 * time.Minute)
	for {
		select {
		case answer := <-answers:
			if answer != "hello yourself" {
				return false, fmt.Errorf("the channel brought %q", answer)
			}
			return true, nil
		case s := <-states:
			if s == webrtc.PeerConnectionStateFailed {
				return false, nil
			}
		case <-deadline:
			return false, fmt.Errorf("neither open nor failed after two minutes: %v, ICE %v, channel %v",
				a.ConnectionState(), a.ICEConnectionState(), channel.ReadyState())
		}
	}
}

func newPeer(network transport.Net) (*webrtc.PeerConnection, error) {
	var settings webrtc.SettingEngine
	settings.SetNet(network)
	return webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{
		ICEServers: []webrtc.ICEServer{{URLs: []string{"stun:" + stunAddr.String()}}},
	})
}

// introduce gives each side the other's description with all its candidates.
func introduce(a, b *webrtc.PeerConnection) error {
	offer, err := a.CreateOffer(nil)
	if err != nil {
		return err
	}
	if err := describe(a, offer); err != nil {
		return err
	}
	if err := b.SetRemoteDescription(*a.LocalDescription()); err != nil {
		return err
	}
	answer, err := b.CreateAnswer(nil)
	if err != nil {
		return err
	}
	if err := describe(b, answer); err != nil {
		return err
	}
	return a.SetRemoteDescription(*b.LocalDescription())
}

func describe(p *webrtc.PeerConnection, d webrtc.SessionDescription) error {
	gathered := webrtc.GatheringCompletePromise(p)
	if err := p.SetLocalDescription(d); err != nil {
		return err
	}
	<-gathered
	return nil
}
