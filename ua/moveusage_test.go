package ua

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"
)

// The host of a watcher gets another address, then that of who is watched: each is told by the
// other, and what follows reaches both.
func TestMoveSubscriptions(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b := watched(t, n)
		a, alice := watcher(t, n)
		s := must(alice.Subscribe(t.Context(), SubscribeConfig{Target: "sip:bob@10.0.0.2", Event: "presence"}))(t)
		time.Sleep(time.Second)
		w, sockets := b.Watchers("presence")[0], n.open()
		check(t, a.Move(t.Context(), netip.MustParseAddr("10.0.0.5")))
		equal(t, "bound", s.Mapping().Internal, addr("10.0.0.5:5060"))
		time.Sleep(time.Second)
		check(t, b.Move(t.Context(), netip.MustParseAddr("10.0.0.6")))
		time.Sleep(time.Second)
		check(t, w.Notify(t.Context(), PhaseActive, []byte("away")))
		check(t, s.Refresh(t.Context())) // to the new Contact
		time.Sleep(time.Second)
		equal(t, "events", a.subscriptions(), "subscribing/notify_wait, subscribed/active, NOTIFY state 0, NOTIFY state 1, NOTIFY state 2, NOTIFY away, NOTIFY away")
		equal(t, "told", b.watches(), "active")
		equal(t, "sockets", n.open(), sockets)
		check(t, s.Unsubscribe(t.Context()))
		<-w.Done()
	})
}

// Without a mapping for the new address there is no subscription any more.
func TestMoveSubscriptionsUnmapped(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		watched(t, n)
		a, alice := watcher(t, n)
		pm := &funcManager{}
		check(t, alice.SetPortManager(pm))
		s := must(alice.Subscribe(t.Context(), SubscribeConfig{Target: "sip:bob@10.0.0.2", Event: "presence"}))(t)
		time.Sleep(time.Second)
		pm.get = func(context.Context, MappingRequest) (Mapping, error) { return Mapping{}, ErrPortMappingFailed }
		if err := a.Move(t.Context(), netip.MustParseAddr("10.0.0.5")); !errors.Is(err, ErrPortMappingFailed) {
			t.Errorf("got %v", err)
		}
		<-s.Done()
		state, phase := s.State()
		equal(t, "state", state, SubscriptionFailed)
		equal(t, "phase", phase, PhaseTerminated)
	})
}
