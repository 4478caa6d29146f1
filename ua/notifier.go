package ua

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// Notifier says which subscriptions of others are taken (RFC 6665 section 4.2). The zero value
// takes none: SUBSCRIBE is answered 405.
type Notifier struct {
	// Packages are the event packages that may be subscribed to; others are answered 489.
	Packages []EventPackage
	// Subscribe is asked about each SUBSCRIBE that would begin a subscription. Nil lets all in.
	// It is called as Service.Admit is, and must neither block nor call the client.
	Subscribe func(SubscribeArrival) Admission
	// MinExpires is the shortest time below an hour that may be asked for; less is answered 423.
	// 0 is any.
	MinExpires time.Duration
	// MaxExpires is the longest time that is granted; 0 is an hour.
	MaxExpires time.Duration
}

// EventPackage is one that may be subscribed to.
type EventPackage struct {
	Event       string // such as "presence"
	ContentType string // of its bodies
	// State is what a NOTIFY tells unless ServerSubscription.Notify or an Admission has given a
	// body; nil is nothing. It is called with the number of the NOTIFY in its subscription, from
	// 0 up.
	State func(s *ServerSubscription, version uint32) []byte

	ofCalls bool // what changes with a session's state
}

// SubscribeArrival is a SUBSCRIBE that Notifier.Subscribe decides about.
type SubscribeArrival struct {
	Arrival
	Event   string // the package
	ID      string
	Expires time.Duration // as it would be granted; 0 asks for the state of the present only
	Body    []byte
}

// Admission is the answer to a SUBSCRIBE.
type Admission struct {
	// Refusal, if it is not nil, turns it down.
	Refusal *Refusal
	// Pending says that it is not decided yet; ServerSubscription.Notify and Terminate do.
	Pending bool
	// Body is what the first NOTIFY tells.
	Body []byte
}

func (n Notifier) check() error {
	seen := map[string]bool{}
	for _, p := range n.Packages {
		switch {
		case !sipmsg.IsToken(p.Event) || seen[p.Event]:
			return fmt.Errorf("%w: event package %q", ErrConfig, p.Event)
		case !strings.Contains(p.ContentType, "/") || strings.ContainsAny(p.ContentType, "\r\n"):
			return fmt.Errorf("%w: content type %q of event package %q", ErrConfig, p.ContentType, p.Event)
		}
		seen[p.Event] = true
	}
	if n.MinExpires < 0 || n.MaxExpires < 0 || n.MinExpires > time.Hour || n.MaxExpires > 0 && n.MaxExpires < n.MinExpires {
		return fmt.Errorf("%w: MinExpires %v, MaxExpires %v", ErrConfig, n.MinExpires, n.MaxExpires)
	}
	if len(n.Packages) == 0 && (n.Subscribe != nil || n.MinExpires != 0 || n.MaxExpires != 0) {
		return fmt.Errorf("%w: a Notifier without packages", ErrConfig)
	}
	return nil
}

// find is the package of a name, or nil.
func (n Notifier) find(event string) *EventPackage {
	if i := slices.IndexFunc(n.Packages, func(p EventPackage) bool { return p.Event == event }); i >= 0 {
		return &n.Packages[i]
	}
	return nil
}

// names are those of Allow-Events.
func (n Notifier) names() string {
	var list []string
	for _, p := range n.Packages {
		list = append(list, p.Event)
	}
	return strings.Join(list, ", ")
}

// expires is what is granted of what was asked for.
func (n Notifier) grant(req *sipmsg.Request) (time.Duration, *Refusal) {
	most := n.MaxExpires
	if most == 0 {
		most = time.Hour
	}
	v, given := req.Value("expires")
	if !given {
		return most, nil
	}
	asked, ok := sipmsg.DeltaSeconds(v)
	d := time.Duration(asked) * time.Second
	switch {
	case !ok:
		return 0, &Refusal{Code: sip.StatusBadRequest, Reason: "Bad Expires"}
	case d > 0 && d < time.Hour && d < n.MinExpires: // RFC 6665 section 4.2.1.1
		return 0, &Refusal{Code: sip.StatusIntervalToBrief, Reason: "Interval Too Brief", Headers: []Header{{"Min-Expires", wholeSeconds(n.MinExpires + time.Second - 1)}}}
	}
	return min(d, most), nil
}

// gotSubscribe inspects a SUBSCRIBE (RFC 6665 section 4.2.1.1).
func (c *Client) gotSubscribe(tx *serverTx) {
	req, n := tx.req, c.cfg.Notifier
	v, given := req.Value("event")
	event, ok := parseEvent(v)
	if tx.inDialog {
		s := c.watcher(sessionKey(req.CallID, tx.Tag))
		if s == nil || !ok || !s.is(req, event) {
			c.noSubscription(tx)
			return
		}
		s.resubscribed(tx)
		return
	}
	pkg := n.find(event.name)
	target, contact := firstContact(req)
	expires, refusal := n.grant(req)
	_, choosy := req.Value("accept")
	switch {
	case !given || !ok:
		c.refuse(tx, Refusal{Code: sip.StatusBadRequest, Reason: "Missing Event"})
		return
	case pkg == nil:
		c.decline(tx, Refusal{Code: statusBadEvent, Headers: []Header{{"Allow-Events", n.names()}}})
		return
	case !contact: // RFC 3261 section 8.1.1.8
		c.refuse(tx, Refusal{Code: sip.StatusBadRequest, Reason: "Missing Contact"})
		return
	case choosy && !req.Accepts(pkg.ContentType):
		c.refuse(tx, Refusal{Code: sip.StatusNotAcceptable})
		return
	case refusal != nil && refusal.Code == sip.StatusBadRequest:
		c.refuse(tx, *refusal)
		return
	case refusal != nil:
		c.decline(tx, *refusal)
		return
	}
	a := c.admitWatcher(tx, event, expires)
	if a.Refusal != nil {
		c.decline(tx, *a.Refusal)
		return
	}
	c.newWatcher(tx, pkg, event, target, expires, a)
}

// admitWatcher asks Notifier.Subscribe.
func (c *Client) admitWatcher(tx *serverTx, event eventName, expires time.Duration) Admission {
	if c.cfg.Notifier.Subscribe == nil {
		return Admission{}
	}
	from, _ := sipmsg.ParseAddress(tx.req.From)
	a := c.cfg.Notifier.Subscribe(SubscribeArrival{
		Arrival: Arrival{
			Method: string(tx.req.Method), CallID: tx.req.CallID, From: from.URI.String(),
			Called: called(&tx.req.Recipient), Source: tx.req.Source,
		},
		Event: event.name, ID: event.id, Expires: expires, Body: tx.req.Body(),
	})
	if r := a.Refusal; r != nil && (r.Code < 300 || r.Code > 699) {
		c.log.Error("Notifier.Subscribe refuses with a code that refuses nothing", "code", r.Code)
		a.Refusal = &Refusal{Code: sip.StatusInternalServerError}
	}
	return a
}

func (c *Client) watcher(key string) *ServerSubscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.watchers[key]
}

// Watchers are the subscriptions of others to an event package, in the order in which they
// were made; an empty name is all of them.
func (c *Client) Watchers(event string) []*ServerSubscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(c.listWatchers(), func(s *ServerSubscription) bool { return event != "" && s.event.name != event })
}

// listWatchers is in the order in which they were made. c.mu is held.
func (c *Client) listWatchers() []*ServerSubscription {
	list := make([]*ServerSubscription, 0, len(c.watchers))
	for _, s := range c.watchers {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *ServerSubscription) int { return cmp.Compare(a.made, b.made) })
	return list
}
