package registrar

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// PingKind is what a registrar keeps the NATs of its users open with.
type PingKind uint8

const (
	PingNone PingKind = iota
	// PingZero sends four zero bytes, which nobody answers: a NAT that outbound packets
	// alone refresh closes all the same.
	PingZero
	// PingOptions sends OPTIONS, which the user agent answers.
	PingOptions
)

var pingNames = [...]string{PingNone: "none", PingZero: "zero", PingOptions: "options"}

func (k PingKind) String() string {
	if int(k) < len(pingNames) {
		return pingNames[k]
	}
	return fmt.Sprintf("PingKind(%d)", uint8(k))
}

// ParsePingKind is the inverse of PingKind.String.
func ParsePingKind(name string) (PingKind, error) {
	if i := slices.Index(pingNames[:], name); i >= 0 {
		return PingKind(i), nil
	}
	return 0, fmt.Errorf("%w: ping %q is none of %v", ErrConfig, name, pingNames)
}

// Ping says what is sent to each binding's Received address, from the socket it registered
// at: for the first time an Interval after it was made, refreshed or not. Bindings with a
// Path are for the first proxy of the Path to ping.
type Ping struct {
	Kind     PingKind
	Interval time.Duration // default 30 s
	// OnlyNATed spares bindings whose Contact names the Received address.
	OnlyNATed bool
	// MaxUnanswered pings in a row, of kind options, end a binding. A ping is unanswered
	// when the next one is due, or after 32 s (Timer F). 0 is never.
	MaxUnanswered int
}

func (p *Ping) withDefaults() error {
	switch {
	case int(p.Kind) >= len(pingNames):
		return fmt.Errorf("ping %v", p.Kind)
	case p.Kind == PingNone && *p != Ping{}:
		return errors.New("settings for pings of no kind")
	case p.MaxUnanswered < 0 || p.MaxUnanswered > 0 && p.Kind != PingOptions:
		return fmt.Errorf("MaxUnanswered %d of ping %v", p.MaxUnanswered, p.Kind)
	}
	if p.Kind != PingNone {
		setDefault(&p.Interval, 30*time.Second)
		if p.Interval < time.Second {
			return fmt.Errorf("ping interval %v is under a second", p.Interval)
		}
	}
	return nil
}

// zeroPing is what nathelper sends.
var zeroPing = make([]byte, 4)

// A pinged is the pings of one binding.
type pinged struct {
	s          *Server
	key        bindingKey
	timer      *sipstack.Timer
	last       *question // nil once it is decided
	callID     string
	cseq       uint32
	unanswered int // in a row
}

// pingThese sees that the bindings of a user are pinged, and no others of that user.
func (s *Server) pingThese(before, after []Binding) {
	if s.cfg.Ping.Kind == PingNone {
		return
	}
	for i := range before {
		if key := before[i].key(); find(after, key) == nil {
			s.unping(key)
		}
	}
	for i := range after {
		if key := after[i].key(); s.pings[key] == nil || find(before, key) == nil {
			s.unping(key) // of one that has run out meanwhile
			p := &pinged{s: s, key: key}
			s.pings[key] = p
			p.again()
		}
	}
}

// pingAll begins with the bindings that are there already.
func (s *Server) pingAll() {
	for _, user := range slices.Sorted(maps.Keys(s.location.users)) {
		s.pingThese(nil, s.location.users[user].bindings)
	}
}

func (s *Server) unping(key bindingKey) {
	if p := s.pings[key]; p != nil {
		p.timer.Stop()
		p.giveUp()
		delete(s.pings, key)
	}
}

func (p *pinged) again() { p.timer = p.s.stack.After(p.s.cfg.Ping.Interval, p.due) }

// due sends the next ping, unless the binding has gone, or goes because of it.
func (p *pinged) due() {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	b := find(s.lookup(p.key.user, s.now()), p.key)
	if b == nil {
		s.unping(p.key)
		return
	}
	if p.last != nil && p.missed() {
		return
	}
	p.again()
	if len(b.Path) > 0 || s.cfg.Ping.OnlyNATed && names(b.Contact, b.Received) {
		return
	}
	if s.cfg.Ping.Kind == PingZero {
		if s.stack.Write(s.socket, zeroPing, b.Received) == nil { // a failed write is counted and told by the stack
			s.stats.Pings++
		}
		return
	}
	p.ask(b)
}

// ask sends an OPTIONS (RFC 3261 §11).
func (p *pinged) ask(b *Binding) {
	s := p.s
	if p.callID == "" {
		p.callID = s.token()
	}
	p.cseq++
	from := s.sides.of(s.socket, b.Received)
	self := "<sip:" + s.cfg.Domain + ">"
	r := &sipmsg.Sent{
		Method: "OPTIONS", URI: requestURI(b.Contact),
		Via:  "SIP/2.0/UDP " + from.addr.String() + ";rport;branch=" + sipmsg.MagicCookie + s.token(),
		From: self + ";tag=" + p.callID, To: "<" + b.Contact + ">", CallID: p.callID, CSeq: p.cseq,
	}
	w := &s.out
	w.Reset()
	w.WriteString(r.Method + " " + r.URI + " SIP/2.0\r\n")
	for _, h := range []sipmsg.Header{{Name: "Via", Value: r.Via}, {Name: "Max-Forwards", Value: "70"}, {Name: "From", Value: r.From},
		{Name: "To", Value: r.To}, {Name: "Call-ID", Value: r.CallID}, {Name: "CSeq", Value: strconv.Itoa(int(r.CSeq)) + " OPTIONS"},
		{Name: "Content-Length", Value: "0"}} {
		sipmsg.WriteHeader(w, h.Name, h.Value)
	}
	w.WriteString("\r\n")
	r.Wire = bytes.Clone(w.Bytes())
	q := &question{p: p}
	var err error
	if q.tx, err = s.stack.Request(from.socket, b.Received, r, q); err != nil {
		p.missed()
		return
	}
	s.stats.Pings++
	p.last = q
}

// A question is one OPTIONS, the client of its transaction.
type question struct {
	p  *pinged
	tx *sipstack.ClientTx
}

// Response is the answer to a ping. Whatever it says, the user agent is there.
func (q *question) Response(res *sipmsg.Response) {
	p := q.p
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.flows.hear(res.Source, p.s.now())
	if p.last == q && res.StatusCode >= 200 {
		p.last, p.unanswered = nil, 0
		p.s.stats.PingsAnswered++
	}
}

// Failed tells that nobody answered.
func (q *question) Failed(error) {
	q.p.s.mu.Lock()
	defer q.p.s.mu.Unlock()
	if q.p.last == q {
		q.p.missed()
	}
}

func (q *question) Canceled() {}

// missed counts a ping that was not answered, and says whether it was one too many.
func (p *pinged) missed() bool {
	p.giveUp()
	p.unanswered++
	s := p.s
	s.stats.PingsUnanswered++
	if s.cfg.Ping.MaxUnanswered == 0 || p.unanswered < s.cfg.Ping.MaxUnanswered {
		return false
	}
	before := s.lookup(p.key.user, s.now())
	if find(before, p.key) == nil {
		return true
	}
	after := slices.DeleteFunc(slices.Clone(before), func(b Binding) bool { return b.key() == p.key })
	s.unreachable(before, after, fmt.Sprintf("%d pings without an answer", p.unanswered))
	return true
}

func (p *pinged) giveUp() {
	if p.last != nil {
		p.last.tx.Terminate()
		p.last = nil
	}
}

// unreachable ends bindings of a user who does not answer.
func (s *Server) unreachable(before, after []Binding, why string) {
	user := before[0].User
	for i := range before {
		if b := &before[i]; find(after, b.key()) == nil {
			s.flows.close(b.Received)
			s.stats.Unreachable++
			s.emit(Event{Kind: Unreachable, User: user, CallID: b.CallID, URI: b.Contact, Detail: why})
		}
	}
	s.keep(user, after) // one that stays is pinged after a restart
	s.put(user, before, after)
}
