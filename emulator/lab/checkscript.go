package lab

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
)

// script checks what only steps in their order show.
func (c *checker) script() {
	var now time.Duration
	free := c.f.freeHosts()
	for i := range c.f.Script {
		path := fmt.Sprintf("script.%d", i)
		s := c.f.Script[i].Action
		w := s.when()
		if w.At != nil && w.After != nil {
			c.conflict(path, "at and after are two ways to say when")
		}
		at := c.f.times()[i]
		if at > maxTime {
			c.say(path, fmt.Errorf("%w: that is after %v", ErrValue, maxTime))
		}
		now = max(now, at)
		c.step(s, at, path, free)
	}
	c.links()
	if f := c.f; f.Lasts != 0 && time.Duration(f.Lasts) < now {
		c.conflict("lasts", "the script goes on until %v", now)
	}
}

// links are changed for a time by one step at a time.
func (c *checker) links() {
	times := c.f.times()
	for i := range c.f.Script {
		a, ok := c.f.Script[i].Action.(*SetLink)
		if !ok || a.Until == nil {
			continue
		}
		for j := range c.f.Script {
			b, ok := c.f.Script[j].Action.(*SetLink)
			if ok && i != j && a.Box == b.Box && times[j] >= times[i] && times[j] < time.Duration(*a.Until) {
				c.conflict(fmt.Sprintf("script.%d", j), "the step of line %d changes that link until %v", c.at(fmt.Sprintf("script.%d", i)).line, time.Duration(*a.Until))
			}
		}
	}
}

// freeHosts are the hosts on which nobody is.
func (f *File) freeHosts() map[string]bool {
	free := map[string]bool{}
	for _, h := range f.hostNames() {
		free[h] = true
	}
	for i := range f.Servers {
		delete(free, f.Servers[i].Value.host())
	}
	for i := range f.Endpoints {
		delete(free, f.Endpoints[i].Value.host())
	}
	return free
}

func (c *checker) step(s Action, at time.Duration, path string, free map[string]bool) {
	until := func(d *Duration) {
		if d != nil && time.Duration(*d) <= at {
			c.conflict(path+".until", "it is not after the moment of the step, %v", at)
		}
	}
	switch s := s.(type) {
	case *Roam:
		if !free[s.To] {
			c.conflict(path+".to", "somebody is on the host %s already", s.To)
		}
		if c.f.host(s.To).Addrs[0] == c.f.host(c.f.Endpoints.Find(s.Who).host()).Addrs[0] {
			c.conflict(path+".to", "%s has the address that %s has already: it would not notice", s.To, s.Who)
		}
		delete(free, s.To) // its sockets there come and go: nobody follows
	case *Attack:
		if !free[s.By] {
			c.conflict(path+".by", "somebody is on the host %s already", s.By)
		}
		if s.Every != 0 && time.Duration(s.Every) < time.Millisecond {
			c.say(path+".every", fmt.Errorf("%w: less than a millisecond", ErrValue))
		}
	case *Renumber:
		c.renumber(s, path)
	case *Change:
		m, err := c.f.model(c.f.NATs.Find(s.NAT))
		if err == nil {
			if _, err = catalogue.Vary(m, string(s.Settings)); err != nil {
				c.settings(path+".settings", err)
			}
		}
	case *SetLink:
		until(s.Until)
		if base, err := c.f.linkOf(s.Box); err == nil && !s.Is.down() {
			if _, _, err := s.Is.over(base); err != nil {
				c.say(path+".is", fmt.Errorf("%w: %w", ErrValue, err))
			}
		}
	case *Lose:
		until(s.Until)
		if _, err := parseKind(s.What); err != nil {
			c.say(path+".lose", err)
		}
	case *Press:
		if strings.Trim(s.Digits, "0123456789*#ABCD") != "" || s.Digits == "" {
			c.say(path+".digits", fmt.Errorf("%w: %q: want 0 to 9, *, #, A to D", ErrValue, s.Digits))
		}
	case *Start:
		if p, ok := c.f.Endpoints.Find(s.Who).Is.(*Program); ok && !p.OnRequest {
			c.conflict(path+".start", "%s starts by itself: say on-request: true", s.Who)
		}
	}
}

func (c *checker) renumber(s *Renumber, path string) {
	has := c.f.NATs.Find(s.NAT).External
	switch {
	case len(has) == 0:
		c.conflict(path+".renumber", "%s has no external address", s.NAT)
		return
	case len(s.To) == 0:
		c.say(path+".to", fmt.Errorf("an address %w", ErrMissing))
	}
	for _, a := range s.To {
		if a.Is4() != has[0].Is4() {
			c.conflict(path+".to", "%v is of another address family", a)
		}
	}
}

// settings points at the very line of the settings, where they are a block of lines.
func (c *checker) settings(path string, err error) {
	at := c.at(path)
	var wrong *catalogue.SyntaxError
	if errors.As(err, &wrong) {
		err = wrong.Err
		if line := at.line + wrong.Line; wrong.Line > 0 && line <= len(c.lines) && strings.HasSuffix(strings.TrimRight(c.lines[at.line-1], " -+0123456789"), "|") {
			text := c.lines[line-1]
			at = place{line, len(text) - len(strings.TrimLeft(text, " ")) + max(wrong.Column, 1)}
		}
	}
	c.add(at, err)
}

func (c *checker) expect() {
	for i := range c.f.Expect {
		path := fmt.Sprintf("expect.%d", i)
		claim := c.f.Expect[i].Claim
		if from, until := claim.window(); until != 0 && until <= from {
			c.conflict(path+".until", "it is not after from, %v", time.Duration(from))
		}
		switch x := claim.(type) {
		case *Drop:
			c.kind(x.Of, path)
		case *NoDrop:
			c.kind(x.Of, path)
		case *Registered:
			if x.At != 0 && x.Within != 0 {
				c.conflict(path, "at and within are two claims")
			}
		case *Media:
			c.two(x.Who, x.With, path+".with")
		case *Heard:
			c.two(x.Who, x.By, path+".by")
		case *Unheard:
			c.two(x.Who, x.By, path+".by")
		}
		if lasts := time.Duration(c.f.Lasts); lasts != 0 && claimEnds(claim) > lasts {
			c.conflict(path, "the lab lasts %v only", lasts)
		}
	}
}

func (c *checker) two(a, b, path string) {
	if a == b {
		c.conflict(path, "%s and itself", a)
	}
}

func (c *checker) kind(of, path string) {
	if of == "" {
		return
	}
	if _, err := parseKind(of); err != nil {
		c.say(path+".of", err)
	}
}

// claimEnds is until when the lab must last for a claim to be judged.
func claimEnds(c Claim) time.Duration {
	_, until := c.window()
	switch x := c.(type) {
	case *Registered:
		until = max(until, x.At)
	case *Unregistered:
		until = max(until, x.At)
	case *InCall:
		until = max(until, x.At)
	}
	return time.Duration(until)
}

// times are the moments of the steps.
func (f *File) times() []time.Duration {
	all := make([]time.Duration, len(f.Script))
	var now time.Duration
	for i := range f.Script {
		w := f.Script[i].when()
		switch {
		case w.At != nil:
			now = time.Duration(*w.At)
		case w.After != nil:
			now += time.Duration(*w.After)
		}
		all[i] = now
		if idle, ok := f.Script[i].Action.(*Idle); ok {
			now += time.Duration(idle.For)
		}
	}
	return all
}

// Last is when the last thing is that the file has a time for.
func (f *File) Last() time.Duration {
	last := time.Duration(f.Lasts)
	for i, at := range f.times() {
		last = max(last, at)
		switch s := f.Script[i].Action.(type) {
		case *Idle:
			last = max(last, at+time.Duration(s.For))
		case undoing:
			last = max(last, s.until(at))
		}
	}
	for i := range f.Expect {
		last = max(last, claimEnds(f.Expect[i].Claim))
	}
	return last
}

// unknownKind is the error of what no message is called.
func unknownKind(s string) error {
	return &natmodels.UnknownError{What: "message", Name: s, Valid: kindNames}
}
