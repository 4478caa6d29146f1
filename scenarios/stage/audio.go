package stage

import (
	"net/netip"
	"sync"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/vnet"
)

// Audio is the media of a phone that brings none of its own: G.711 silence and RTCP by package
// media, from the ports of the setup, announced as they are. It neither latches nor checks.
type Audio struct {
	at     netip.AddrPort
	conns  [2]*vnet.Conn
	silent bool
	seed   uint64

	mu      sync.Mutex
	stream  *media.Stream
	held    bool   // by its end
	version uint64 // of its last description but the first
}

// Audio opens the two sockets.
func (s Setup) Audio() (*Audio, error) {
	a := &Audio{at: netip.AddrPortFrom(s.Host.Addr(), s.RTPPort), silent: !s.Media, seed: s.Seed}
	for i, port := range []uint16{s.RTPPort, s.RTPPort + 1} {
		conn, err := s.Host.Listen(netip.AddrPortFrom(a.at.Addr(), port))
		if err != nil {
			return nil, err
		}
		a.conns[i] = conn
	}
	return a, nil
}

// Describe is the session description of its end, an offer or an answer.
func (a *Audio) Describe() []byte { return media.Marshal(media.Description{RTP: a.at}) }

// Talk sends to, and listens to, whoever wrote the session description, from now to Close or
// the next Talk.
func (a *Audio) Talk(description []byte) error {
	there, err := media.Parse(description)
	if err != nil {
		return err
	}
	agreed, err := media.Agree(media.Description{RTP: a.at}, there)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hush()
	a.held = false
	a.stream, err = media.New(media.Config{RTP: a.conns[0], RTCP: a.conns[1], Seed: a.seed, Silent: a.silent, Events: agreed.Events})
	if err != nil {
		return err
	}
	return a.stream.Start(there.RTP, there.RTCP)
}

// Close ends it, if it runs. The lab closes the sockets.
func (a *Audio) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hush()
}

func (a *Audio) hush() {
	if a.stream != nil {
		a.stream.Close()
		a.stream = nil
	}
}
