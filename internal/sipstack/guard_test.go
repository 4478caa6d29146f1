package sipstack

import (
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
)

// A panic over one datagram, or over a timer, is told of, and the rest is served.
func TestAPanicEndsOneTransaction(t *testing.T) {
	var l *lab
	guarded := func(c *Config) {
		c.OnPanic = func(v any, b []byte, from netip.AddrPort) {
			line, _, _ := cutLine(b)
			l.note("panic %v over %q from %v", v, line, from)
		}
		c.OnSTUN = func(*Socket, []byte, netip.AddrPort) { panic("stun") }
	}
	inLab(t, func(lab *lab) {
		l = lab
		request := func(branch string) {
			l.w.in <- crlf("OPTIONS sip:a@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK" + branch + "\nFrom: <sip:b@c>;tag=t\nTo: <sip:a@b>\nCall-ID: d\nCSeq: 1 OPTIONS\n\n")
		}
		l.answer = func(*ServerTx, *sipmsg.Request) { panic("user") }
		request("1")
		l.want("0 500 Server Internal Error", `OPTIONS, panic user over "OPTIONS sip:a@192.0.2.1 SIP/2.0" from 192.0.2.9:5060`)
		request("1") // it was answered
		l.want("0 500 Server Internal Error", "")

		stun := make([]byte, 20)
		stun[1], stun[4], stun[5], stun[6], stun[7] = 1, 0x21, 0x12, 0xA4, 0x42
		l.w.in <- stun
		l.want("", `panic stun over "`+"\\x00\\x01\\x00\\x00!\\x12\\xa4B"+`\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" from 192.0.2.9:5060`)

		l.Stack.After(time.Second, func() { panic("told") })
		l.Stack.mu.Lock()
		l.Stack.timers.after(time.Second, func() { panic("timer") })
		l.Stack.timers.after(time.Second, func() { l.note("due") })
		l.Stack.mu.Unlock()
		time.Sleep(2 * time.Second)
		l.want("", `panic timer over "" from invalid AddrPort, due, panic told over "" from invalid AddrPort`)

		l.answer = func(tx *ServerTx, req *sipmsg.Request) { _ = tx.Respond(200, req.Respond(200, "OK", tx.Tag, nil)) }
		request("2")
		l.want("2 200 OK", "OPTIONS")
		if st := l.Stats(); st.Panics != 4 || st.Panicked != 0 || st.Requests != 2 || st.STUN != 1 {
			t.Errorf("%+v", st)
		}
	}, guarded)
}

// One before a datagram is anything is its outcome.
func TestAPanicIsAnOutcome(t *testing.T) {
	var l *lab
	inLab(t, func(lab *lab) {
		l = lab
		l.cfg.Tag = func(*sipmsg.Request) string { panic("tag") }
		l.w.in <- crlf("OPTIONS sip:a@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1\nFrom: <sip:b@c>;tag=t\nTo: <sip:a@b>\nCall-ID: d\nCSeq: 1 INVITE\n\n")
		l.want("", "panic tag")
		if st := l.Stats(); st.Panics != 1 || st.Datagrams != 1 {
			t.Errorf("%+v", st)
		}
	}, func(c *Config) {
		c.OnPanic = func(v any, _ []byte, _ netip.AddrPort) { l.note("panic %v", v) }
	})
}

func cutLine(b []byte) (line, rest string, ok bool) {
	for i, c := range b {
		if c == '\r' {
			return string(b[:i]), string(b[i:]), true
		}
	}
	return string(b), "", false
}
