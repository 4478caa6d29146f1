package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/natproof/natproof/internal/eventbody"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/ua"
)

// Watcher subscribes to somebody's state (RFC 6665), once. It does not subscribe again when that
// has failed, but it does refresh a subscription when its address is another.
type Watcher interface {
	// Watch subscribes to a package of a SIP URI and returns when that was answered.
	Watch(ctx context.Context, target, event string) error
	// Unwatch ends the subscription.
	Unwatch(ctx context.Context) error
}

// Publisher publishes its own presence (RFC 3903).
type Publisher interface {
	Publish(ctx context.Context) error
}

// The words for them.
const (
	Watches   = "watches"
	Publishes = "publishes"
	Unasked   = "unasked" // takes a NOTIFY of its mailbox that it has not asked for
)

// Packages of events.
const (
	Presence = "presence"
	Mailbox  = "message-summary"
)

// agents are those of the proxy, if somebody in the cell wants them.
func agents(c cell.Cell) registrar.Agents {
	for _, side := range []cell.Side{cell.A, cell.B} {
		switch {
		case slices.Contains(wants(c, side), Watches):
			return registrar.Agents{Presence: true, Messages: true}
		case slices.Contains(wants(c, side), Unasked):
			return registrar.Agents{Messages: true, Unsolicited: true}
		}
	}
	return registrar.Agents{}
}

// Mail puts a new message into the mailbox of a side.
func (w *World) Mail(side cell.Side) error {
	if w.registrar == nil {
		return errors.New("stage: mail: there is no proxy")
	}
	if err := w.registrar.SetMessages("sip:"+string(side)+"@"+cell.Domain, 1, 0); err != nil {
		return fmt.Errorf("stage: mail: %w", err)
	}
	return nil
}

// Watch subscribes.
func (a *agent) Watch(ctx context.Context, target, event string) error {
	s, err := a.profile.Subscribe(ctx, ua.SubscribeConfig{Target: target, Event: event, NoRetry: true})
	if err != nil {
		return unanswered(err)
	}
	a.mu.Lock()
	a.watch = s
	a.mu.Unlock()
	return nil
}

// Unwatch ends the subscription, if there is one.
func (a *agent) Unwatch(ctx context.Context) error {
	a.mu.Lock()
	s := a.watch
	a.mu.Unlock()
	if s == nil {
		return ErrUnanswered
	}
	return unanswered(s.Unsubscribe(ctx))
}

// Publish says that somebody is there.
func (a *agent) Publish(ctx context.Context) error {
	body, err := eventbody.Presence{Entity: a.setup.URI, Tuples: []eventbody.Tuple{{ID: "phone", Basic: eventbody.Open}}}.Write()
	if err != nil {
		return err
	}
	_, err = a.profile.Publish(ctx, ua.PublishConfig{Event: Presence, ContentType: eventbody.PresenceType, Body: body, NoRetry: true})
	return unanswered(err)
}
