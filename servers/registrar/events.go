package registrar

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// Agents are the event packages that the server is the notifier of for its users (RFC
// 6665). With one of them on it answers every SUBSCRIBE and PUBLISH for a user itself: 489
// where the package is none of these. With none it sends them on to the user.
type Agents struct {
	Presence bool // RFC 3856; users publish by RFC 3903
	Messages bool // message-summary of RFC 3842
	// Unsolicited tells registered users who have not subscribed of their messages all the same,
	// as many servers do: by a NOTIFY outside of any dialog to each binding.
	Unsolicited bool

	// The least time between two NOTIFYs of changes in one subscription.
	PresenceInterval time.Duration // default 5 s (RFC 3856 §6.10)
	MessagesInterval time.Duration // default 1 s

	MaxSubscriptions int // to one user's state in one package; default 100
}

func (a Agents) any() bool { return a.Presence || a.Messages }

func (a *Agents) setDefaults() error {
	if a.Unsolicited && !a.Messages {
		return fmt.Errorf("%w: agents: Unsolicited without Messages", ErrConfig)
	}
	setDefault(&a.PresenceInterval, 5*time.Second)
	setDefault(&a.MessagesInterval, time.Second)
	setDefault(&a.MaxSubscriptions, 100)
	if a.PresenceInterval < 0 || a.MessagesInterval < 0 || a.MaxSubscriptions < 0 {
		return fmt.Errorf("%w: agents %+v", ErrConfig, *a)
	}
	return nil
}

// A resource is what can be subscribed to: one user's state in one package.
type resource struct{ event, user string }

// An eventPackage is what the notifier has to know of one.
type eventPackage struct {
	mediaType string
	private   bool // for nobody but the user
	interval  time.Duration
	body      func(user string) []byte
}

// agents is the notifier's state.
type agents struct {
	packages map[string]*eventPackage
	allow    string                       // for Allow-Events
	subs     map[resource][]*subscription // in the order they were made
	dialogs  map[string]*subscription     // by dialogKey
	presence map[string]*presence
	messages map[string]messages
}

func (s *Server) newAgents() agents {
	a := agents{packages: map[string]*eventPackage{}, subs: map[resource][]*subscription{},
		dialogs: map[string]*subscription{}, presence: map[string]*presence{}, messages: map[string]messages{}}
	var names []string
	add := func(name string, p *eventPackage) {
		a.packages[name] = p
		names = append(names, name)
	}
	if s.cfg.Agents.Presence {
		add(presenceEvent, s.presencePackage())
	}
	if s.cfg.Agents.Messages {
		add(messagesEvent, s.messagesPackage())
	}
	a.allow = strings.Join(names, ", ")
	return a
}

// agentsServe says whether a request is the agents' to answer.
func (s *Server) agentsServe(req *request) bool {
	if !s.cfg.Agents.any() || req.Method != sip.SUBSCRIBE && req.Method != sip.PUBLISH ||
		len(req.routes) > 0 || !s.isSelf(&req.uri) || req.uri.User == "" {
		return false
	}
	return s.knows(sipmsg.Unescape(req.uri.User)) || s.peerRoute(&req.uri) == nil
}

func (s *Server) serveAgents(tx *sipstack.ServerTx, req *request) {
	if s.drain.begun {
		s.refuse(tx, req, fail(503, "Service Unavailable", "shutting down"))
		return
	}
	if req.Method == sip.PUBLISH {
		s.publish(tx, req)
		return
	}
	s.subscribe(tx, req)
}

// A subscription is one, as it is kept over a restart, and what is going on in it.
type subscription struct {
	subscriber
	expiry *sipstack.Timer
	due    *sipstack.Timer // of a NOTIFY that waits for next
	next   time.Time       // no NOTIFY of a change before this
	tx     *sipstack.ClientTx
	sentTo target // where tx goes
	dirty  bool   // there is more to tell once tx is over
	kept   uint32 // CSeqs up to this are safe to use: after a restart they are not used again
	told   []byte // the body of the last NOTIFY; nil has the next one sent whatever it says
	over   bool
}

// subscriber is the dialog of a subscription (RFC 6665 §4.4.1) and who has it.
type subscriber struct {
	User, Event, ID string
	CallID          string
	Local, Remote   string // From and To of NOTIFY, with tags
	Contact         string
	Routes          []string
	Received        netip.AddrPort // where its last SUBSCRIBE came from, by the rules of a REGISTER
	Flow            bool           // that was a flow, and its Contact has ob (RFC 5626 §4.3)
	CSeq            uint32         // of its last SUBSCRIBE
	Notify          uint32         // CSeq of the last NOTIFY; what is kept is ahead of it
	Expires         time.Time
}

// cseqAhead is how far a kept CSeq is ahead: so many NOTIFYs need not be kept one by one.
const cseqAhead = 1000

func (b *subscriber) resource() resource { return resource{b.Event, b.User} }

func (b *subscriber) key() string {
	return dialogKey(b.CallID, sipmsg.TagOf(b.Local), sipmsg.TagOf(b.Remote))
}

// dialogKey names a dialog by lengths, since any of the three may have anything in it.
func dialogKey(callID, local, remote string) string {
	return fmt.Sprintf("%d %d %s%s%s", len(callID), len(local), callID, local, remote)
}

// subscribe handles SUBSCRIBE (RFC 6665 §4.2.1).
func (s *Server) subscribe(tx *sipstack.ServerTx, req *request) {
	sub, lifetime, f := s.admit(req)
	if f == nil && sub != nil {
		f = s.refreshSubscription(sub, req, lifetime)
	} else if f == nil {
		sub, f = s.newSubscription(tx, req, lifetime)
	}
	if f != nil {
		s.refuse(tx, req, f)
		return
	}
	s.answer(tx, req, 200, "OK", header("Expires", seconds(lifetime)), header("Contact", s.agentContact(sub.User)))
	if lifetime == 0 { // a fetch, or the end (§4.1.2.3, §4.4.3)
		s.end(sub, "timeout")
		return
	}
	sub.due.Stop()
	s.notify(sub) // §4.2.1.2: at once
}

// admit judges a SUBSCRIBE. The subscription is the one that it refreshes, nil for a new one.
func (s *Server) admit(req *request) (*subscription, time.Duration, *failure) {
	event, id, p, f := s.eventOf(req)
	if f != nil {
		return nil, 0, f
	}
	if opts := req.Unsupported("require"); len(opts) > 0 {
		return nil, 0, fail(420, "Bad Extension", "", header("Unsupported", strings.Join(opts, ", ")))
	}
	user := sipmsg.Unescape(req.uri.User)
	if f := s.authorizeSubscribe(req, user, p.private); f != nil {
		return nil, 0, f
	}
	var sub *subscription
	if tag := sipmsg.TagOf(req.To); tag != "" {
		sub = s.agents.dialogs[dialogKey(req.CallID, tag, sipmsg.TagOf(req.From))]
		switch {
		case sub == nil || sub.Event != event || sub.ID != id || sub.User != user:
			return nil, 0, fail(481, "Subscription Does Not Exist", "")
		case req.CSeq.Number <= sub.CSeq: // RFC 3261 §12.2.2
			return nil, 0, fail(500, "CSeq Out Of Order", "")
		}
	} else if !s.knows(user) {
		return nil, 0, fail(404, "Not Found", "")
	}
	if req.has("accept") && !req.Accepts(p.mediaType) {
		return nil, 0, fail(406, "Not Acceptable", "", header("Accept", p.mediaType))
	}
	lifetime, f := s.lifetime(req)
	return sub, lifetime, f
}

// eventOf reads the Event field (RFC 6665 §8.2.1).
func (s *Server) eventOf(req *request) (event, id string, p *eventPackage, f *failure) {
	v, _ := req.Value("event")
	event, params, _ := sipmsg.Cut(v, ';')
	event = strings.Trim(event, sipmsg.LWS)
	id, _ = sipmsg.Param(params, "id")
	if req.Repeats("event") != "" || strings.ContainsAny(id, sipmsg.LWS+`";,<>`) {
		return event, id, nil, fail(400, "Bad Event", v)
	}
	p = s.agents.packages[event]
	if p == nil {
		return event, id, nil, fail(489, "Bad Event", v, header("Allow-Events", s.agents.allow))
	}
	return strings.Clone(event), strings.Clone(id), p, nil
}

// lifetime is how long a SUBSCRIBE or PUBLISH asks for, within the server's bounds.
func (s *Server) lifetime(req *request) (time.Duration, *failure) {
	v, ok := req.Value("expires")
	if !ok {
		return s.cfg.DefaultExpires, nil
	}
	n, valid := sipmsg.DeltaSeconds(v)
	d := time.Duration(n) * time.Second
	switch {
	case !valid || req.Repeats("expires") != "":
		return 0, fail(400, "Bad Expires", v)
	case d > 0 && d < s.cfg.MinExpires && d < time.Hour: // RFC 6665 §4.2.1.1
		return 0, fail(423, "Interval Too Brief", d.String(), header("Min-Expires", seconds(s.cfg.MinExpires)))
	}
	return min(d, s.cfg.MaxExpires), nil
}

// authorizeSubscribe decides who may watch a user. Peers are trusted, as with calls.
func (s *Server) authorizeSubscribe(req *request, user string, private bool) *failure {
	if s.cfg.Users == nil || s.isPeer(req.Source) {
		return nil
	}
	who, f := s.authorize(req, "authorization", "WWW-Authenticate", 401, "Unauthorized")
	if f != nil {
		return f
	}
	text, _, _, _ := sipmsg.SplitAddress(req.From)
	if u, ok := sipmsg.ParseURI(text); ok && s.isSelf(&u) && sipmsg.Unescape(u.User) != who {
		return fail(403, "Forbidden", who+" may not subscribe as "+u.User)
	}
	if private && who != user {
		return fail(403, "Forbidden", who+" may not watch "+user)
	}
	return nil
}

// newSubscription makes the dialog of a SUBSCRIBE without a To tag (RFC 3261 §12.1.1).
func (s *Server) newSubscription(tx *sipstack.ServerTx, req *request, lifetime time.Duration) (*subscription, *failure) {
	event, id, _, _ := s.eventOf(req)
	sub := &subscription{subscriber: subscriber{
		User: strings.Clone(sipmsg.Unescape(req.uri.User)), Event: event, ID: id, CallID: strings.Clone(req.CallID),
		Local: strings.Clone(req.To) + ";tag=" + tx.Tag, Remote: strings.Clone(req.From),
	}}
	for _, r := range req.Values("record-route") {
		sub.Routes = append(sub.Routes, strings.Clone(r))
	}
	if len(s.agents.subs[sub.resource()]) >= s.cfg.Agents.MaxSubscriptions {
		return nil, fail(403, "Too Many Subscriptions", "")
	}
	if s.agents.dialogs[sub.key()] != nil { // it came by two ways (RFC 3261 §8.2.2.2)
		return nil, fail(482, "Loop Detected", "merged")
	}
	if f := s.refreshSubscription(sub, req, lifetime); f != nil {
		return nil, f
	}
	s.agents.dialogs[sub.key()] = sub
	s.agents.subs[sub.resource()] = append(s.agents.subs[sub.resource()], sub)
	return sub, nil
}

// refreshSubscription takes over what a SUBSCRIBE says anew, and has it kept.
func (s *Server) refreshSubscription(sub *subscription, req *request, lifetime time.Duration) *failure {
	next := sub.subscriber
	contacts := req.Values("contact")
	if len(contacts) != 1 || req.Malformed("contact") != "" || contacts[0] == "*" {
		return fail(400, "Bad Contact", "")
	}
	text, _, _, _ := sipmsg.SplitAddress(contacts[0])
	u, _ := sipmsg.ParseURI(text)
	if !sipmsg.IsSIP(&u) {
		return fail(400, "Bad Contact", text)
	}
	next.Contact, next.Received = strings.Clone(text), req.Source
	next.CSeq, next.Expires = req.CSeq.Number, s.now().Add(lifetime)
	next.Flow = s.ownFlow(req).IsValid()
	direct := len(req.Vias) == 1
	if !direct { // the source is a proxy
		next.Received = sipmsg.Resolve(&u)
	}
	t := s.subscriberTarget(&next)
	switch {
	case !t.to.IsValid():
		return fail(400, "Cannot Reach Contact", t.rule)
	case t.to.Addr() != req.Source.Addr() && !s.mayReach(req, t.to) && (!direct || len(next.Routes) > 0):
		return fail(403, "Relaying Denied", "NOTIFY to "+t.to.String())
	}
	var f *failure
	if lifetime > 0 {
		f = s.keepSubscription(sub, next)
	} else {
		f = s.dropSubscription(sub)
	}
	if f != nil {
		return f
	}
	sub.subscriber = next
	if lifetime > 0 {
		s.expireLater(sub)
		s.emit(Event{Kind: Subscribed, Method: "SUBSCRIBE", CallID: sub.CallID, User: sub.User, Source: req.Source,
			URI: sub.Contact, Detail: fmt.Sprintf("%s for %v", sub.Event, lifetime)})
	}
	return nil
}

// subscriberTarget says where NOTIFY goes: as a request to a binding of that Contact and source,
// by the flow of its SUBSCRIBE, or to the user agent of a GRUU.
func (s *Server) subscriberTarget(b *subscriber) *target {
	t := s.contactTarget(&Binding{Contact: b.Contact, Received: b.Received})
	switch {
	case len(b.Routes) > 0:
	case b.Flow:
		t.to, t.by, t.flow = b.Received, ByFlow, b.Received
		return t
	case s.isGRUU("<" + b.Contact + ">"):
		return s.gruuTarget(b.Contact)
	default:
		return t
	}
	text, _, _, _ := sipmsg.SplitAddress(b.Routes[0])
	u, ok := sipmsg.ParseURI(text)
	if !ok {
		return &target{by: ByRoute, rule: text}
	}
	t.to, t.by, t.rule, t.routes = sipmsg.Resolve(&u), ByRoute, text, b.Routes
	if _, lr := sipmsg.URIParam(&u, "lr"); !lr { // RFC 3261 §12.2.1.1: a strict router
		t.routes = append(slices.Clone(b.Routes[1:]), "<"+t.uri+">")
		t.uri = requestURI(text)
	}
	return t
}

func (s *Server) agentContact(user string) string {
	return "<sip:" + escapeUser(user) + "@" + s.cfg.Advertise.String() + ">"
}

func (s *Server) expireLater(sub *subscription) {
	sub.expiry.Stop()
	sub.expiry = s.stack.After(sub.Expires.Sub(s.now()), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !sub.over {
			s.end(sub, "timeout")
		}
	})
}

// changed has the subscribers of a resource told, as fast as the package allows.
func (s *Server) changed(r resource) {
	for _, sub := range slices.Clone(s.agents.subs[r]) {
		s.notifySoon(sub)
	}
}

func (s *Server) notifySoon(sub *subscription) {
	if sub.over || !s.now().Before(sub.Expires) { // the last NOTIFY is about to tell
		return
	}
	if sub.tx != nil {
		sub.dirty = true
		return
	}
	sub.due.Stop()
	wait := sub.next.Sub(s.now())
	if wait <= 0 {
		s.notifyNews(sub)
		return
	}
	sub.due = s.stack.After(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !sub.over {
			s.notifyNews(sub)
		}
	})
}

// notifyNews tells a subscriber the state, unless it knows.
func (s *Server) notifyNews(sub *subscription) {
	if sub.told == nil || !bytes.Equal(sub.told, s.agents.packages[sub.Event].body(sub.User)) {
		s.notify(sub)
	}
}

// notify tells a subscriber the state (RFC 6665 §4.2.2), after the answer to what it was
// told before. If it is elsewhere now there will be none.
func (s *Server) notify(sub *subscription) {
	if t := s.subscriberTarget(&sub.subscriber); sub.tx != nil && (t.to != sub.sentTo.to || t.uri != sub.sentTo.uri) {
		sub.tx.Terminate()
		sub.tx = nil
	}
	if sub.tx != nil {
		sub.dirty, sub.next, sub.told = true, time.Time{}, nil
		return
	}
	left := sub.Expires.Sub(s.now())
	s.sendNotify(sub, "active;expires="+seconds(left))
}

// end tells a subscriber the state for the last time, and forgets the subscription.
func (s *Server) end(sub *subscription, reason string) (sent bool) {
	if sub.tx != nil {
		sub.tx.Terminate() // its answer tells nothing any more
		sub.tx = nil
	}
	s.forget(sub, reason)
	return s.sendNotify(sub, "terminated;reason="+reason)
}

// forget ends a subscription without a word.
func (s *Server) forget(sub *subscription, why string) {
	if sub.over {
		return
	}
	sub.over = true
	sub.expiry.Stop()
	sub.due.Stop()
	r := sub.resource()
	list := slices.DeleteFunc(s.agents.subs[r], func(x *subscription) bool { return x == sub })
	if s.agents.subs[r] = list; len(list) == 0 {
		delete(s.agents.subs, r)
	}
	delete(s.agents.dialogs, sub.key())
	s.emit(Event{Kind: Unsubscribed, CallID: sub.CallID, User: sub.User, URI: sub.Contact, Detail: sub.Event + ": " + why})
	s.dropSubscription(sub) // one that stays gets another NOTIFY after a restart, and ends then
}

func (s *Server) sendNotify(sub *subscription, state string) (sent bool) {
	p := s.agents.packages[sub.Event]
	s.nextNotify(sub)
	t, body := s.subscriberTarget(&sub.subscriber), p.body(sub.User)
	from := s.leaveUser(t)
	req := s.writeNotify(sub, t, from, state, p.mediaType, body)
	if len(req.Wire) > s.cfg.MTU-200 { // RFC 3261 §18.1.1: not over UDP
		s.forget(sub, fmt.Sprintf("NOTIFY of %d bytes is too large", len(req.Wire)))
		state = "terminated;reason=probation;retry-after=300" // when there may be less to tell
		req = s.writeNotify(sub, t, from, state, p.mediaType, nil)
	}
	sub.next, sub.dirty, sub.told = s.now().Add(p.interval), false, body
	s.emit(Event{Kind: Notified, Method: "NOTIFY", CallID: sub.CallID, User: sub.User, Target: t.to, By: t.by, URI: t.rule, Detail: state})
	tx, err := s.stack.Request(from.socket, t.to, req, notification{s, sub})
	switch {
	case errors.Is(err, sipstack.ErrClosed): // what is kept goes on after a restart
		return false
	case err != nil:
		s.forget(sub, "NOTIFY was not sent: "+err.Error())
		return false
	}
	s.stats.Notified++
	if !sub.over {
		sub.tx, sub.sentTo = tx, *t
	}
	return true
}

// nextNotify counts a NOTIFY. One that gets ahead of what is kept is kept.
func (s *Server) nextNotify(sub *subscription) {
	sub.Notify++
	if !sub.over && sub.Notify > sub.kept {
		s.keepSubscription(sub, sub.subscriber) // one that is not kept may end at a restart
	}
}

// keepSubscription has a subscription kept, with CSeqs ahead of those used so far.
func (s *Server) keepSubscription(sub *subscription, b subscriber) *failure {
	b.Notify += cseqAhead
	f := s.save(Changes{Put: []Record{s.record(kindSubscription, b.key(), b.Expires, &b)}})
	if f == nil {
		sub.kept = b.Notify
	}
	return f
}

func (s *Server) writeNotify(sub *subscription, t *target, from *side, state, mediaType string, body []byte) *sipmsg.Sent {
	event := sub.Event
	if sub.ID != "" {
		event += ";id=" + sub.ID
	}
	req := &sipmsg.Sent{Method: "NOTIFY", URI: t.uri, Via: "SIP/2.0/UDP " + from.addr.String() + ";branch=" + sipmsg.MagicCookie + s.token(),
		Routes: t.routes, From: sub.Local, To: sub.Remote, CallID: sub.CallID, CSeq: sub.Notify}
	w := &s.out
	w.Reset()
	w.WriteString(req.Method + " " + req.URI + " SIP/2.0\r\n")
	sipmsg.WriteHeader(w, "Via", req.Via)
	for _, r := range req.Routes {
		sipmsg.WriteHeader(w, "Route", r)
	}
	for _, h := range []sipmsg.Header{
		{Name: "Max-Forwards", Value: "70"}, {Name: "From", Value: req.From}, {Name: "To", Value: req.To},
		{Name: "Call-ID", Value: req.CallID}, {Name: "CSeq", Value: fmt.Sprintf("%d NOTIFY", req.CSeq)},
		{Name: "Contact", Value: s.agentContact(sub.User)}, {Name: "Event", Value: event}, {Name: "Subscription-State", Value: state},
	} {
		sipmsg.WriteHeader(w, h.Name, h.Value)
	}
	if len(body) > 0 {
		sipmsg.WriteHeader(w, "Content-Type", mediaType)
	}
	sipmsg.WriteHeader(w, "Content-Length", fmt.Sprint(len(body)))
	w.WriteString("\r\n")
	w.Write(body)
	req.Wire = slices.Clone(w.Bytes())
	return req
}

// dropSubscription has a subscription kept no longer.
func (s *Server) dropSubscription(sub *subscription) *failure {
	if sub.kept == 0 {
		return nil
	}
	f := s.save(Changes{Delete: []Record{{Kind: kindSubscription, Key: sub.key()}}})
	if f == nil {
		sub.kept = 0
	}
	return f
}

// A notification is a NOTIFY under way, the client of its transaction.
type notification struct {
	s   *Server
	sub *subscription
}

func (n notification) Canceled() {}

func (n notification) Response(res *sipmsg.Response) {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	if res.StatusCode >= 200 {
		n.done(res, nil)
	}
}

func (n notification) Failed(err error) {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	n.done(nil, err)
}

// done goes on, or takes a failed NOTIFY for the end of the subscription (RFC 6665 §4.2.2).
func (n notification) done(res *sipmsg.Response, err error) {
	s, sub := n.s, n.sub
	failed := err != nil || res.StatusCode >= 300
	if failed {
		s.stats.NotifyFailed++
	}
	if sub.over {
		s.drain.ended(sub)
		return
	}
	sub.tx = nil
	switch {
	case errors.Is(err, sipstack.ErrTimeout):
		s.forget(sub, "NOTIFY was not answered")
	case err != nil:
		s.forget(sub, "NOTIFY was not sent: "+err.Error())
	case failed:
		v, _ := res.Value("retry-after")
		wait, ok := sipmsg.DeltaSeconds(v)
		if !ok || res.StatusCode == 481 {
			s.forget(sub, fmt.Sprintf("NOTIFY got %d", res.StatusCode))
			return
		}
		sub.told, sub.next = nil, s.now().Add(time.Duration(wait)*time.Second) // at its expiry it ends all the same
		s.notifySoon(sub)
	case sub.dirty:
		s.notifySoon(sub)
	}
}

func (s *Server) restoreSubscription(r Record) error {
	sub := &subscription{}
	if err := decode(r.Data, &sub.subscriber); err != nil {
		return err
	}
	if sub.key() != r.Key {
		return errors.New("no subscription")
	}
	if s.agents.packages[sub.Event] == nil || !s.subscriberTarget(&sub.subscriber).to.IsValid() {
		return nil // the configuration is another now: it runs out
	}
	sub.kept = sub.Notify
	s.agents.dialogs[r.Key] = sub
	s.agents.subs[sub.resource()] = append(s.agents.subs[sub.resource()], sub)
	return nil
}

// resume goes on with what was kept: timers, and a NOTIFY of how things are now.
func (s *Server) resume() {
	s.mu.Lock()
	kept := len(s.agents.dialogs)+len(s.agents.presence) > 0
	s.mu.Unlock()
	if !kept {
		return
	}
	s.stack.After(0, func() { // in its turn
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, user := range sortedKeys(s.agents.presence) {
			for _, p := range s.agents.presence[user].published {
				s.unpublishLater(user, p)
			}
		}
		for _, key := range sortedKeys(s.agents.dialogs) {
			sub := s.agents.dialogs[key]
			s.expireLater(sub)
			s.notifySoon(sub)
		}
	})
}

// A Subscription is one that the server's agents have.
type Subscription struct {
	User, Event, ID string
	CallID          string
	Contact         string         // URI, as the subscriber wrote it
	Received        netip.AddrPort // where its last SUBSCRIBE came from
	Expires         time.Time
}

// Subscriptions returns those to the state of a user, in the order of the packages' names
// and in which they were made. It takes "sip:bob@example.com" as well as "bob".
func (s *Server) Subscriptions(aor string) []Subscription {
	user, ok := s.userOf(aor)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Subscription
	for _, event := range sortedKeys(s.agents.packages) {
		for _, b := range s.agents.subs[resource{event, user}] {
			list = append(list, Subscription{User: b.User, Event: b.Event, ID: b.ID, CallID: b.CallID,
				Contact: b.Contact, Received: b.Received, Expires: b.Expires})
		}
	}
	return list
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
