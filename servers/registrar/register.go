package registrar

import (
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// register handles REGISTER for the domain (RFC 3261 §10.3; the numbers are its steps).
func (s *Server) register(tx *sipstack.ServerTx, req *request) {
	if opts := req.Unsupported("require", s.extensions()...); len(opts) > 0 { // step 2
		s.refuse(tx, req, fail(420, "Bad Extension", "", header("Unsupported", strings.Join(opts, ", "))))
		return
	}
	if req.Repeats("expires") != "" { // §7.3.1
		s.refuse(tx, req, fail(400, "Repeated Expires", ""))
		return
	}
	text, _, _, _ := sipmsg.SplitAddress(req.To)
	aor, ok := sipmsg.ParseURI(text)
	if ok && aor.Scheme != "sip" && aor.Scheme != "sips" { // §10.2
		s.refuse(tx, req, fail(400, "To Is No SIP URI", ""))
		return
	}
	if !ok || aor.User == "" || !s.isSelf(&aor) { // step 5
		s.refuse(tx, req, fail(404, "Not Found", text+" is no address of this domain"))
		return
	}
	user := strings.Clone(sipmsg.Unescape(aor.User))
	f := s.authorizeRegister(req, user) // steps 3, 4
	if f == nil {
		f = s.update(req, user)
	}
	if f != nil {
		s.refuse(tx, req, f)
		return
	}
	s.answer(tx, req, 200, "OK", s.registered(req, user)...)
}

// update applies the Contacts of a REGISTER, all of them or none.
func (s *Server) update(req *request, user string) *failure {
	contacts, f := s.contacts(req)
	if f == nil {
		f = s.outbound(req, contacts)
	}
	if f != nil {
		return f
	}
	if len(contacts) == 0 && !req.has("contact") { // step 6: only a question
		s.stats.Queries++
		return nil
	}
	now := s.now()
	before := s.lookup(user, now)
	after := slices.Clone(before)
	var moved []netip.AddrPort // flows that others take the place of
	newer := func(b Binding) bool { return b.CallID == req.CallID && b.CSeq >= req.CSeq.Number }
	if req.star() {
		if slices.ContainsFunc(before, newer) {
			return outOfOrder
		}
		after = nil
	}
	for _, c := range contacts { // step 7
		same := func(b Binding) bool { return c.names(&b) }
		if slices.ContainsFunc(before, func(b Binding) bool { return same(b) && newer(b) }) {
			return outOfOrder
		}
		i := slices.IndexFunc(after, same)
		switch {
		case c.expires == 0 && i >= 0:
			after = slices.Delete(after, i, i+1)
		case c.expires == 0:
		case i >= 0:
			if after[i].Outbound && after[i].Received != req.Source {
				moved = append(moved, after[i].Received)
			}
			after[i] = s.binding(req, user, c, now)
		default:
			after = append(after, s.binding(req, user, c, now))
		}
	}
	if len(after) > s.location.max && len(after) > len(before) {
		return fail(403, "Too Many Contacts", "")
	}
	if f := s.keep(user, after); f != nil {
		return f
	}
	for _, old := range moved {
		s.flows.close(old)
	}
	if req.outbound && len(req.Vias) == 1 {
		s.flows.open(req.Source, now)
	}
	s.stats.Registrations++
	s.commit(user, before, after)
	return nil
}

// outOfOrder answers an update older than what it would change: step 7 has it abort and fail.
var outOfOrder = fail(500, "CSeq Out Of Order", "a newer REGISTER of this Call-ID was seen")

// commit stores the new bindings and says what changed.
func (s *Server) commit(user string, before, after []Binding) {
	report := func(k EventKind, b *Binding) {
		s.emit(Event{Kind: k, Method: "REGISTER", User: user, CallID: b.CallID, Source: b.Received, URI: b.Contact})
	}
	has := func(list []Binding, b *Binding) bool {
		return slices.ContainsFunc(list, func(x Binding) bool {
			return sipmsg.EqualURI(x.Contact, b.Contact) && x.CallID == b.CallID && x.CSeq == b.CSeq
		})
	}
	if s.cfg.OnEvent != nil || s.log != nil {
		for i := range before {
			b := &before[i]
			if !slices.ContainsFunc(after, func(x Binding) bool { return sipmsg.EqualURI(x.Contact, b.Contact) }) {
				report(Unregistered, b)
			}
		}
		for i := range after {
			if !has(before, &after[i]) {
				report(Registered, &after[i])
			}
		}
	}
	s.put(user, before, after)
}

// put makes these the bindings of a user.
func (s *Server) put(user string, before, after []Binding) {
	s.pingThese(before, after)
	r := s.location.users[user]
	if r == nil {
		if len(after) == 0 {
			return
		}
		r = &record{}
		s.location.users[user] = r
	}
	r.bindings = after
}

// registered lists what is bound now (step 8).
func (s *Server) registered(req *request, user string) []sipmsg.Header {
	now := s.now()
	headers := s.outboundHeaders(req)
	gruu := s.cfg.GRUU && slices.Contains(req.Values("supported"), "gruu")
	for _, b := range s.lookup(user, now) {
		// Rounded up, so that a client that trusts it is never early by its own clock.
		left := int(math.Ceil(b.Expires.Sub(now).Seconds()))
		v := "<" + b.Contact + ">;expires=" + strconv.Itoa(left)
		if b.Q != 1 {
			v += ";q=" + strconv.FormatFloat(b.Q, 'g', 3, 64)
		}
		if b.Instance != "" {
			v += `;+sip.instance="` + b.Instance + `"`
		}
		if b.RegID > 0 {
			v += ";reg-id=" + strconv.Itoa(b.RegID)
		}
		if s.policy.by == ByReceived && !names(b.Contact, b.Received) {
			v += `;received="sip:` + b.Received.String() + `"`
		}
		if g := ""; gruu {
			if g = s.gruu(req.To, &b); g != "" {
				v += `;pub-gruu="` + g + `"`
			}
		}
		headers = append(headers, header("Contact", v))
	}
	if slices.Contains(req.Values("supported"), "path") { // RFC 3327 §5.3
		for _, p := range req.Values("path") {
			headers = append(headers, header("Path", p))
		}
	}
	return append(headers, header("Date", now.UTC().Format(http.TimeFormat)))
}

// A contact is one parsed Contact value of a REGISTER.
type contact struct {
	uri      string
	expires  time.Duration
	q        float64
	instance string
	regID    int
	outbound bool // a flow (RFC 5626)
}

// names says whether a binding is the one of the contact: by the URI (RFC 3261 §10.3 step 7),
// or by instance and reg-id (RFC 5626 §6).
func (c *contact) names(b *Binding) bool {
	if c.outbound || b.Outbound {
		return c.outbound == b.Outbound && c.instance == b.Instance && c.regID == b.RegID
	}
	return sipmsg.EqualURI(b.Contact, c.uri)
}

func (r *request) has(name string) bool { _, ok := r.Value(name); return ok }

func (r *request) star() bool { return slices.Equal(r.Values("contact"), []string{"*"}) }

// contacts reads the Contact values of a REGISTER; none for "*".
func (s *Server) contacts(req *request) ([]contact, *failure) {
	values := req.Values("contact")
	if slices.Contains(values, "*") {
		e, _ := req.Value("expires")
		if n, err := strconv.ParseUint(e, 10, 32); len(values) > 1 || err != nil || n != 0 { // step 6
			return nil, fail(400, "Contact * Needs Expires 0", "")
		}
		return nil, nil
	}
	contacts := make([]contact, 0, len(values))
	for _, v := range values {
		uri, params, _, ok := sipmsg.SplitAddress(v)
		u, valid := sipmsg.ParseURI(uri)
		if !ok || !valid || !sipmsg.IsSIP(&u) {
			return nil, fail(400, "Bad Contact", v)
		}
		c := contact{uri: strings.Clone(uri), expires: s.expires(req, params), q: 1}
		if c.expires > 0 && c.expires < s.cfg.MinExpires {
			return nil, fail(423, "Interval Too Brief", c.expires.String(),
				header("Min-Expires", seconds(s.cfg.MinExpires)))
		}
		if q, ok := sipmsg.Param(params, "q"); ok {
			n, err := strconv.ParseFloat(q, 64)
			if err != nil || !(n >= 0 && n <= 1) {
				return nil, fail(400, "Bad q", v)
			}
			c.q = n
		}
		instance, _ := sipmsg.Param(params, "+sip.instance")
		c.instance = strings.Clone(instance)
		if id, ok := sipmsg.Param(params, "reg-id"); ok {
			n, err := strconv.ParseUint(id, 10, 31) // RFC 5626 §4.2: 1 to 2^31 - 1
			if err != nil || n == 0 {
				return nil, fail(400, "Bad reg-id", v)
			}
			c.regID = int(n)
		}
		contacts = append(contacts, c)
	}
	return contacts, nil
}

// expires is the lifetime a Contact gets: its own parameter, else the Expires field, else
// the default; what is not a number counts as an hour (RFC 3261 §20.10).
func (s *Server) expires(req *request, params string) time.Duration {
	text, ok := sipmsg.Param(params, "expires")
	if !ok {
		text, ok = req.Value("expires")
	}
	d := s.cfg.DefaultExpires
	if ok {
		d = time.Hour
		if n, err := strconv.ParseUint(text, 10, 32); err == nil {
			d = time.Duration(n) * time.Second
		}
	}
	return min(d, s.cfg.MaxExpires)
}

func (s *Server) binding(req *request, user string, c contact, now time.Time) Binding {
	b := Binding{
		User: user, Contact: c.uri, Received: req.Source, Expires: now.Add(c.expires), Q: c.q,
		CallID: strings.Clone(req.CallID), CSeq: req.CSeq.Number, Instance: c.instance, RegID: c.regID, Outbound: c.outbound,
	}
	for _, p := range req.Values("path") {
		b.Path = append(b.Path, strings.Clone(p))
	}
	return b
}

// names reports whether a URI is that of an address.
func names(uri string, a netip.AddrPort) bool {
	u, ok := sipmsg.ParseURI(uri)
	return ok && sipmsg.Resolve(&u) == a
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
