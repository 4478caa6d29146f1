package lab

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/natproof/natproof/ua"
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

func (s *Idle) begin(*play) (string, work) {
	return fmt.Sprintf("nobody does anything for %v", time.Duration(s.For)), nil
}
