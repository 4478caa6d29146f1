package ua

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
)

// A panic over an event, or on a goroutine of the client's, is told of, and the next one comes.
func TestPanicsAreToldOf(t *testing.T) {
	var panics, events atomic.Int32
	c := must(New(Config{
		LocalAddr: netip.MustParseAddr("192.0.2.1"),
		OnEvent: func(Event) {
			events.Add(1)
			panic("event")
		},
		OnPanic: func(v any, b []byte, from netip.AddrPort) {
			if v != "event" && v != "goroutine" || b != nil || from.IsValid() {
				t.Errorf("%v %q %v", v, b, from)
			}
			panics.Add(1)
		},
	}))(t)
	c.emit(UnsentEvent{})
	c.emit(UnsentEvent{})
	c.spawn(func(context.Context) { panic("goroutine") })
	c.events.Wait()
	check(t, c.Close())
	if st := c.Stats(); events.Load() != 2 || panics.Load() != 3 || st.Panics != 3 {
		t.Errorf("%d events, %d panics, %+v", events.Load(), panics.Load(), st)
	}
}
