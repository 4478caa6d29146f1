package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/natproof/natproof/vnet"
)

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
