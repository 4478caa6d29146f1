package vnet

import (
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/bubble"
)

// What waits for a busy host is put into the core's queue once.
func TestABacklogIsHeldOnce(t *testing.T) {
	const n = 1000
	var held uint64
	err := bubble.Run(func() {
		lab, _ := New(Config{DiscardTrace: true})
		defer lab.Close()
		site, _ := lab.Internet().AddSite("s", SiteConfig{Prefix: netip.MustParsePrefix("192.0.2.0/24")})
		h, _ := site.AddHost("h")
		from, _ := h.Listen(netip.AddrPort{})
		to, _ := h.Listen(netip.AddrPort{})
		for range n {
			from.WriteTo(nil, to.LocalAddr())
		}
		time.Sleep(time.Second)
		lab.core.Lock()
		held = lab.nextWait
		lab.core.Unlock()
	})
	if err != nil || held != n-1 {
		t.Errorf("%d packets to one host were held %d times: %v", n, held, err)
	}
}
