package registrar

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestShutdownEndsSubscriptions(t *testing.T) {
	inLab(t, Config{Agents: both}, func(l *lab) {
		bob, amy := l.phone("bob", "198.51.100.2:5060"), l.phone("amy", "198.51.100.3:5060")
		bob.register()
		amy.register()
		for _, p := range []*phone{bob, amy} {
			p.subscribe("bob", "presence", "Expires: 600")
			p.notify("active;expires=600")
		}
		closed := make(chan error, 1)
		go func() { closed <- l.srv.Shutdown(l.Context()) }()
		bob.notify("terminated;reason=probation")
		l.settle()
		amy.ask("SUBSCRIBE", "sip:bob@example.com", "Event: presence")
		last := amy.request("NOTIFY")
		amy.response(503)
		amy.reply(last, 200, "OK")
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if st := l.srv.Stats(); st.Subscriptions != 0 || st.Bindings != 2 || st.NotifyFailed != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A subscriber that does not answer holds it up as long as the context lets it.
func TestShutdownDoesNotWaitForEver(t *testing.T) {
	inLab(t, Config{Agents: both}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		bob.register()
		bob.subscribe("bob", "presence", "Expires: 600")
		bob.notify("active;expires=600")
		ctx, cancel := context.WithTimeout(l.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		if err := l.srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Error(err, time.Since(start))
		}
	})
}
