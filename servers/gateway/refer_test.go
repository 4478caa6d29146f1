package gateway_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/servers/gateway"
)

// The gateway calls nobody, in a call or outside of one; what it says to a REFER is its
// configuration's choice, and the call goes on.
func TestRefer(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   gateway.Config
		code  int
		allow bool
	}{
		"by default": {gateway.Config{}, 405, false},
		"declined":   {gateway.Config{DeclineRefer: true}, 603, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New()
				s := start(t, n, c.cfg)
				p := newPhone(t, n, phoneAt)
				to := p.to
				p.write(p.request("REFER", number, "", "Refer-To: <sip:carol@example.com>"))
				p.next(c.code)
				p.to = to
				p.branch++
				p.write(p.request("OPTIONS", number, ""))
				if allow := p.next(200).GetHeader("Allow").Value(); strings.Contains(allow, "REFER") != c.allow {
					t.Errorf("Allow: %s", allow)
				}
				p.to = to
				p.call(offer(phoneRTP))
				time.Sleep(time.Second)
				p.in("REFER", "", "Refer-To: <sip:carol@example.com>")
				p.next(c.code)
				if got := s.Stats().Answered[c.code]; got != 2 {
					t.Errorf("%d refusals counted", got)
				}
				p.in("BYE", "")
				p.next(200)
			})
		})
	}
}
