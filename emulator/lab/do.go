package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// What the steps do.

// subject is who or what a step is about: the value of its first key.
func subject(s Action) string {
	v := reflect.ValueOf(s).Elem()
	f := fieldsOf(v.Type())[0]
	if l, ok := s.(*Lose); ok {
		return l.On
	}
	if f.ref == "" {
		return ""
	}
	return v.FieldByIndex(f.index).String()
}

// target is the URI or number that somebody calls.
func (p *play) target(to string) string {
	e := p.file.Endpoints.Find(to)
	if e == nil {
		return to
	}
	if x, ok := e.Is.(*UA); ok {
		return x.URI
	}
	return "sip:" + to + "@" + p.file.Domain
}

// callerName is the name of the endpoint that has a URI, or the URI.
func (p *play) callerName(uri string) string {
	bare, _, _ := strings.Cut(uri, ";")
	for i := range p.file.Endpoints {
		if name := p.file.Endpoints[i].Name; p.target(name) == bare {
			return name
		}
	}
	return uri
}

func (s *Register) begin(p *play) (string, work) {
	p.record.end(s.Who, func(e *ended) {
		if e.asked == nil {
			now := p.record.time()
			e.asked = &now
		}
	})
	return "registers", func(ctx context.Context) (string, error) {
		err := p.phones[s.Who].register(ctx)
		if _, tells := p.agents[s.Who]; tells {
			return "", told(err)
		}
		p.record.end(s.Who, func(e *ended) {
			n := registration{at: p.record.time(), holds: err == nil}
			if err != nil {
				n.why = brief(err)
			}
			e.registrations = append(e.registrations, n)
		})
		return "is registered", err
	}
}

// told leaves out what a user agent tells by its events, but for what it cannot do.
func told(err error) error {
	for _, is := range []error{ua.ErrState, ua.ErrEnabled, ua.ErrNotIdle, ua.ErrPortManagerAlreadySet} {
		if errors.Is(err, is) {
			return fmt.Errorf("%w: %w", errCannot, err)
		}
	}
	if errors.Is(err, errCannot) {
		return err
	}
	return nil
}

func (s *Unregister) begin(p *play) (string, work) {
	return "unregisters", func(ctx context.Context) (string, error) { return "", told(p.agents[s.Who].profile.Disable(ctx)) }
}

func (s *Call) begin(p *play) (string, work) {
	return "calls " + s.To, func(ctx context.Context) (string, error) {
		err := p.phones[s.Who].call(ctx, p.target(s.To))
		if _, tells := p.agents[s.Who]; tells {
			err = told(err)
		}
		return "", err
	}
}

func (s *Hangup) begin(p *play) (string, work) {
	return "hangs up", func(ctx context.Context) (string, error) { return "", p.phones[s.Who].hangup(ctx) }
}

func (s *Hold) begin(p *play) (string, work) {
	return "puts its call on hold", func(ctx context.Context) (string, error) { return "", p.agents[s.Who].in(ctx, (*ua.Session).Hold) }
}

func (s *Resume) begin(p *play) (string, work) {
	return "resumes its call", func(ctx context.Context) (string, error) {
		return "", p.agents[s.Who].in(ctx, (*ua.Session).Resume)
	}
}

func (s *Renew) begin(p *play) (string, work) {
	return "tells the other end its addresses anew", func(ctx context.Context) (string, error) {
		return "has told them", p.agents[s.Who].in(ctx, (*ua.Session).Renew)
	}
}

func (s *Transfer) begin(p *play) (string, work) {
	return "transfers its call to " + s.To, func(ctx context.Context) (string, error) {
		return "has transferred its call", p.agents[s.Who].in(ctx, func(c *ua.Session, ctx context.Context) error { return c.Transfer(ctx, p.target(s.To)) })
	}
}

func (s *Press) begin(p *play) (string, work) {
	return "presses " + s.Digits, func(ctx context.Context) (string, error) {
		return "", p.agents[s.Who].in(ctx, func(c *ua.Session, ctx context.Context) error { return c.SendDTMF(ctx, s.Digits, 0) })
	}
}

func (s *Message) begin(p *play) (string, work) {
	return fmt.Sprintf("sends the text %.60q to %s", s.Text, s.To), func(ctx context.Context) (string, error) {
		return "its text was taken", p.phones[s.Who].message(ctx, p.target(s.To), s.Text)
	}
}

func (s *Roam) begin(p *play) (string, work) {
	p.record.end(s.Who, func(e *ended) { e.boxes = append(e.boxes, s.To) })
	to := p.hosts[s.To]
	return fmt.Sprintf("moves to %s (%v)", s.To, to.Addr()), func(ctx context.Context) (string, error) {
		return "has moved", p.agents[s.Who].move(ctx, to)
	}
}

func (s *Attack) begin(p *play) (string, work) {
	to, err := p.agents[s.Who].announced()
	does := fmt.Sprintf("is sent RTP by a stranger, from %s", s.By)
	return does, func(ctx context.Context) (string, error) {
		if err != nil {
			return "", err
		}
		return "", attack(ctx, p.hosts[s.By], to, time.Duration(s.Every), time.Duration(s.Lasts))
	}
}

// attack sends RTP from a host to an address for some time, and hears what comes back.
func attack(ctx context.Context, host *vnet.Host, to netip.AddrPort, every, lasts time.Duration) error {
	conn, err := host.Listen(netip.AddrPortFrom(host.Addr(), firstMediaPort))
	if err != nil {
		return fmt.Errorf("%w: %w", errCannot, err)
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		b := make([]byte, 2048)
		for {
			if _, _, err := conn.ReadFromUDPAddrPort(b); err != nil {
				return
			}
		}
	}()
	defer func() { conn.Close(); <-heard }()
	if every == 0 {
		every = 20 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; time.Duration(n)*every < lasts; n++ {
		if _, err := conn.WriteToUDPAddrPort(rtp(n), to); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// rtp is the n-th packet of a stream of PCMU, 20 ms each (RFC 3550 §5.1).
func rtp(n int) []byte {
	const version, ssrc, samples = 2 << 6, 0xbadc0de, 160
	b := binary.BigEndian.AppendUint16([]byte{version, media.PCMU}, uint16(n))
	b = binary.BigEndian.AppendUint32(b, uint32(n*samples))
	b = binary.BigEndian.AppendUint32(b, ssrc)
	return append(b, make([]byte, samples)...)
}

func (s *Restart) begin(p *play) (string, work) {
	gw := p.gateways[s.NAT]
	gw.Flush()
	if s.For == 0 {
		return "restarts", nil
	}
	gw.Link().SetUp(false)
	return fmt.Sprintf("restarts, and is down for %v", time.Duration(s.For)), nil
}

func (s *Restart) until(at time.Duration) time.Duration {
	if s.For == 0 {
		return 0
	}
	return at + time.Duration(s.For)
}

func (s *Restart) undo(p *play) {
	p.gateways[s.NAT].Flush()
	p.gateways[s.NAT].Link().SetUp(true)
	p.record.tell(LineStep, s.NAT, "is up again")
}

func (s *Renumber) begin(p *play) (string, work) {
	return fmt.Sprintf("gets the address %s", join(s.To)), func(context.Context) (string, error) {
		return "", cannot(p.gateways[s.NAT].Renumber(s.To...))
	}
}

func cannot(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errCannot, err)
}

func join(all []netip.Addr) string {
	words := make([]string, len(all))
	for i, a := range all {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}

func (s *Change) begin(p *play) (string, work) {
	does := "behaves in another way: " + strings.Join(strings.FieldsFunc(string(s.Settings), func(r rune) bool { return r == '\n' }), ", ")
	return does, func(context.Context) (string, error) {
		m, err := catalogue.Vary(p.models[s.NAT], string(s.Settings))
		if err == nil {
			err = p.gateways[s.NAT].SetBehavior(m)
		}
		if err == nil {
			p.models[s.NAT] = m
		}
		return "", cannot(err)
	}
}

func (s *SetALG) begin(p *play) (string, work) {
	does := fmt.Sprintf("has the SIP ALG %s now", s.Is)
	if s.Is == algOff {
		does = "has no SIP ALG any more"
	}
	return does, func(context.Context) (string, error) {
		a, err := alg(s.Is)
		if err == nil {
			err = p.gateways[s.NAT].SetALG(a)
		}
		return "", cannot(err)
	}
}

// link is a link, what it is now, out and in, and what is lost on it.
type link struct {
	*vnet.Link
	now    [2]vnet.LinkConfig
	before map[*SetLink][2]vnet.LinkConfig // what it was when a step began that ends
	rules  []*losing
}

func newLink(l *vnet.Link, now [2]vnet.LinkConfig) *link {
	return &link{Link: l, now: now, before: map[*SetLink][2]vnet.LinkConfig{}}
}

// become sets both directions.
func (l *link) become(c [2]vnet.LinkConfig) error {
	l.now = c
	return errors.Join(l.SetOutbound(c[0]), l.SetInbound(c[1]))
}

func (s *SetLink) begin(p *play) (string, work) {
	l := p.links[s.Box]
	if s.Is.down() {
		l.SetUp(false)
		return "its link goes down", nil
	}
	does := "its link is now: " + s.Is.Up
	if s.Is.Up != s.Is.Down {
		does += " out, " + s.Is.Down + " in"
	}
	l.before[s] = l.now
	up, down, err := s.Is.over(l.now)
	if err == nil {
		err = l.become([2]vnet.LinkConfig{up, down})
	}
	return does, func(context.Context) (string, error) { return "", cannot(err) }
}

func (s *SetLink) until(time.Duration) time.Duration { return orZero(s.Until) }

func orZero(d *Duration) time.Duration {
	if d == nil {
		return 0
	}
	return time.Duration(*d)
}

func (s *SetLink) undo(p *play) {
	l := p.links[s.Box]
	if s.Is.down() {
		l.SetUp(true)
	} else if err := l.become(l.before[s]); err != nil {
		p.record.failed(s.Box, "its link", cannot(err))
		return
	}
	p.record.tell(LineStep, s.Box, "its link is as before")
}

// losing is a step that takes messages off a link. It is asked by the core of the lab alone.
type losing struct {
	step *Lose
	is   func(label) bool
	left int // how many more; -1 is all
}

// rule drops what one of the losing steps of a link wants to be lost.
func rule(all []*losing) vnet.Rule {
	return func(p vnet.Packet) vnet.Verdict {
		for _, x := range all {
			if x.left == 0 || !x.is(labelOf(p.Protocol, p.Payload)) {
				continue
			}
			if x.left > 0 {
				x.left--
			}
			return vnet.Drop(lostByRule, "the script loses "+x.step.What+" here")
		}
		return vnet.Pass
	}
}

// lose has a link lose what its steps say. Both directions share what is left.
func (l *link) lose() error {
	if len(l.rules) == 0 {
		return errors.Join(l.SetOutboundRules(), l.SetInboundRules())
	}
	r := rule(slices.Clone(l.rules))
	return errors.Join(l.SetOutboundRules(r), l.SetInboundRules(r))
}

func (s *Lose) begin(p *play) (string, work) {
	is, _ := parseKind(s.What) // checked
	x := &losing{step: s, is: is, left: -1}
	does := "its link loses " + s.What
	if s.Count > 0 {
		x.left = int(s.Count)
		does = fmt.Sprintf("its link loses %s, %d times", s.What, s.Count)
	}
	l := p.links[s.On]
	l.rules = append(l.rules, x)
	err := l.lose()
	return does, func(context.Context) (string, error) { return "", cannot(err) }
}

func (s *Lose) until(time.Duration) time.Duration { return orZero(s.Until) }

func (s *Lose) undo(p *play) {
	l := p.links[s.On]
	l.rules = slices.DeleteFunc(l.rules, func(x *losing) bool { return x.step == s })
	if err := l.lose(); err != nil {
		p.record.failed(s.On, "its link", cannot(err))
		return
	}
	p.record.tell(LineStep, s.On, "its link loses %s no more", s.What)
}

func (s *Idle) begin(*play) (string, work) {
	return fmt.Sprintf("nobody does anything for %v", time.Duration(s.For)), nil
}
