package gateway_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/ua"
)

// A caller that has gone without a BYE is noticed when its refresh does not come.
func TestSessionTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{Silent: true, SessionTimer: ua.SessionTimer{Expires: 10 * time.Minute}})
		p := newPhone(t, n, phoneAt)
		p.extra = "Supported: timer\r\nSession-Expires: 60\r\n"
		p.invite(offer(phoneRTP))
		if v := p.next(422).GetHeader("Min-SE").Value(); v != "90" {
			t.Errorf("Min-SE: %s", v)
		}
		p.write(p.request("ACK", number, "")) // of the 422
		p.cseq++
		p.extra = "Supported: timer\r\nSession-Expires: 90\r\n"
		p.to = "<sip:1234567@example.com;user=phone>"
		p.invite(offer(phoneRTP))
		p.next(100)
		p.next(180)
		if v := p.next(200).GetHeader("Session-Expires").Value(); v != "90;refresher=uac" {
			t.Errorf("Session-Expires: %s", v)
		}
		p.ack("")
		time.Sleep(59 * time.Second)
		if c := s.Calls()[0]; c.State != gateway.Talking {
			t.Errorf("%+v", c)
		}
		time.Sleep(34 * time.Second)
		if c := s.Calls()[0]; c.State != gateway.Ended || c.Cause != gateway.SessionExpired {
			t.Errorf("%+v", c)
		}
	})
}
