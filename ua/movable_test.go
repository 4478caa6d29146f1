package ua

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/internal/push"
)

// pusher is a socket that pushes.
type pusher struct {
	net.PacketConn
	closed chan struct{}
}

func (p *pusher) Push(to push.Func) (<-chan struct{}, bool) {
	go func() {
		defer close(p.closed)
		for buf := make([]byte, 100); ; {
			n, from, err := p.ReadFrom(buf)
			if err != nil {
				return
			}
			to(buf[:n], from.(*net.UDPAddr).AddrPort(), nil)
		}
	}()
	return p.closed, true
}

// Whoever has a socket push gets what comes to the next one as well, whether that one can push
// or not, and whoever reads goes on reading.
func TestMovable(t *testing.T) {
	for name, pushes := range map[string][2]bool{"push, push": {true, true}, "push, read": {true, false}, "read, read": {}, "read, push": {false, true}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				conn := func(i int, at string) net.PacketConn {
					if c := n.mustListen(at); !pushes[i] {
						return c
					} else {
						return &pusher{c, make(chan struct{})}
					}
				}
				m := newMovable(conn(0, "10.0.0.1:4000"))
				got := make(chan string, 10)
				if _, ok := push.To(m, func(b []byte, _ netip.AddrPort, _ error) { got <- string(b) }); !ok {
					go func() {
						for buf := make([]byte, 100); ; {
							k, _, err := m.ReadFrom(buf)
							if err != nil {
								close(got)
								return
							}
							got <- string(buf[:k])
						}
					}()
				}
				peer := n.mustListen("10.0.0.9:4000")
				_, _ = peer.WriteTo([]byte("one"), netUDP("10.0.0.1:4000"))
				equal(t, "before", <-got, "one")
				m.move(conn(1, "10.0.0.1:4002"))
				_, _ = peer.WriteTo([]byte("two"), netUDP("10.0.0.1:4002"))
				equal(t, "after", <-got, "two")
				_, _ = peer.WriteTo([]byte("old"), netUDP("10.0.0.1:4000"))
				_ = m.Close()
				time.Sleep(time.Second)
				equal(t, "left", len(got), 0)
				_ = peer.Close()
			})
		})
	}
}
