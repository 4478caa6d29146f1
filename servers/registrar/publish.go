package registrar

import (
	"fmt"
	"slices"
	"time"

	"github.com/natproof/natproof/internal/eventbody"
	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// publish handles PUBLISH (RFC 3903 §6).
func (s *Server) publish(tx *sipstack.ServerTx, req *request) {
	x, lifetime, f := s.published(req)
	if f != nil {
		s.refuse(tx, req, f)
		return
	}
	s.answer(tx, req, 200, "OK", header("SIP-ETag", x.ETag), header("Expires", seconds(lifetime)))
	if x.changed {
		s.changed(resource{presenceEvent, x.User})
	}
}

// A publishing is what came of a PUBLISH.
type publishing struct {
	*publication
	changed bool // the state, not just how long it holds
}

// published judges a PUBLISH and does what it says (RFC 3903 §4.1, table 1: initial, refresh,
// modify, remove).
func (s *Server) published(req *request) (p publishing, lifetime time.Duration, f *failure) {
	event, _, _, f := s.eventOf(req)
	if f != nil {
		return p, 0, f
	}
	if event != presenceEvent { // what is in a mailbox nobody publishes
		return p, 0, fail(489, "Bad Event", event, header("Allow-Events", presenceEvent))
	}
	user := sipmsg.Unescape(req.uri.User)
	if f := s.authorizePublish(req, user); f != nil {
		return p, 0, f
	}
	if !s.knows(user) {
		return p, 0, fail(404, "Not Found", "")
	}
	if lifetime, f = s.lifetime(req); f != nil {
		return p, 0, f
	}
	old, f := s.publicationOf(req, user)
	if f != nil {
		return p, 0, f
	}
	body, f := s.publishedBody(req, old == nil)
	if f != nil {
		return p, 0, f
	}
	x := &publication{User: user, ETag: s.newETag(user), Body: body, Expires: s.now().Add(lifetime)}
	if old == nil {
		if len(s.publications(user)) >= s.cfg.MaxContacts && lifetime > 0 {
			return p, 0, fail(403, "Too Many Publications", "")
		}
		x.Serial = s.nextSerial(user)
	} else {
		x.Serial = old.Serial
		if body == nil {
			x.Body = old.Body
		}
	}
	if f := s.keepPublication(old, x, lifetime > 0); f != nil {
		return p, 0, f
	}
	s.replacePublication(old, x, lifetime > 0)
	s.emit(Event{Kind: Published, Method: "PUBLISH", CallID: req.CallID, User: user, Source: req.Source, Detail: fmt.Sprintf("for %v", lifetime)})
	return publishing{x, lifetime > 0 && body != nil || lifetime == 0 && old != nil}, lifetime, nil
}

// authorizePublish: nobody publishes for another.
func (s *Server) authorizePublish(req *request, user string) *failure {
	if s.cfg.Users == nil {
		return nil
	}
	who, f := s.authorize(req, "authorization", "WWW-Authenticate", 401, "Unauthorized")
	if f == nil && who != user {
		f = fail(403, "Forbidden", who+" may not publish for "+user)
	}
	return f
}

// publicationOf is what SIP-If-Match names, nil without one.
func (s *Server) publicationOf(req *request, user string) (*publication, *failure) {
	tag, ok := req.Value("sip-if-match")
	if !ok {
		return nil, nil
	}
	if req.Repeats("sip-if-match") != "" {
		return nil, fail(400, "Repeated SIP-If-Match", "")
	}
	for _, x := range s.publications(user) {
		if x.ETag == tag && s.now().Before(x.Expires) {
			return x, nil
		}
	}
	return nil, fail(412, "Conditional Request Failed", tag)
}

// publishedBody is the document in a PUBLISH, nil in a refresh and a removal.
func (s *Server) publishedBody(req *request, initial bool) ([]byte, *failure) {
	body := req.Body()
	switch {
	case len(body) == 0 && !initial:
		return nil, nil
	case len(body) == 0:
		return nil, fail(400, "Missing Body", "")
	case len(body) > s.cfg.MTU-200: // no NOTIFY could carry it
		return nil, fail(413, "Request Entity Too Large", "")
	case req.Encoded():
		return nil, fail(415, "Unsupported Media Type", "encoded", header("Accept-Encoding", "identity"))
	case req.MediaType() != eventbody.PresenceType:
		return nil, fail(415, "Unsupported Media Type", req.MediaType(), header("Accept", eventbody.PresenceType))
	}
	if _, err := eventbody.ReadPresence(body); err != nil {
		return nil, fail(400, "Bad Presence Document", err.Error())
	}
	return slices.Clone(body), nil
}

func (s *Server) publications(user string) []*publication {
	if p := s.agents.presence[user]; p != nil {
		return p.published
	}
	return nil
}

// newETag makes an entity-tag, a new one for each PUBLISH (RFC 3903 §6).
func (s *Server) newETag(user string) string {
	for {
		tag := s.token()
		if !slices.ContainsFunc(s.publications(user), func(x *publication) bool { return x.ETag == tag }) {
			return tag
		}
	}
}

func (s *Server) nextSerial(user string) uint64 {
	list := s.publications(user)
	if len(list) == 0 {
		return 1
	}
	return list[len(list)-1].Serial + 1
}

func (x *publication) key() string { return x.ETag + " " + x.User }

func (s *Server) keepPublication(old, x *publication, live bool) *failure {
	var c Changes
	if old != nil {
		c.Delete = []Record{{Kind: kindPublication, Key: old.key()}}
	}
	if live {
		c.Put = []Record{s.record(kindPublication, x.key(), x.Expires, x)}
	}
	return s.save(c)
}

// replacePublication puts one into the place of another. Either may be missing.
func (s *Server) replacePublication(old, x *publication, live bool) {
	p := s.presenceOf(x.User)
	i := slices.Index(p.published, old)
	switch {
	case i >= 0 && live:
		p.published[i] = x
	case i >= 0:
		p.published = slices.Delete(p.published, i, i+1)
	case live:
		p.published = append(p.published, x)
	}
	if old != nil {
		old.expiry.Stop()
	}
	if live {
		s.unpublishLater(x.User, x)
	}
	if len(p.published) == 0 && p.set == nil {
		delete(s.agents.presence, x.User)
	}
}

// unpublishLater removes a publication when its time is up.
func (s *Server) unpublishLater(user string, x *publication) {
	x.expiry = s.stack.After(x.Expires.Sub(s.now()), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if slices.Contains(s.publications(user), x) {
			s.replacePublication(x, &publication{User: user}, false)
			s.emit(Event{Kind: Expired, Method: "PUBLISH", User: user})
			s.changed(resource{presenceEvent, user})
		}
	})
}
