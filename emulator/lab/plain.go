package lab

import (
	"context"
	"sync"

	"github.com/natproof/natproof/examples/plain"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/wire"
)

// simple is a phone of package stage.
type simple struct {
	play     *play
	name     string
	endpoint stage.Endpoint

	mu   sync.Mutex
	last stage.Call
}

func (p *play) newPlain(name string, x *Plain) (*simple, error) {
	e, err := plain.Phone.New(stage.Setup{
		Side: cell.Side(name), Host: p.hosts[x.Host], URI: "sip:" + name + "@" + p.file.Domain, Proxy: p.file.proxyOf(&x.Account),
		SIPPort: sipPort, RTPPort: firstMediaPort, Lines: 1, Media: true, Seed: seedFor(p.seed, name),
		Tell: func(wire.Told) {},
	})
	return &simple{play: p, name: name, endpoint: e}, err
}

func (s *simple) register(ctx context.Context) error { return s.endpoint.Register(ctx) }

func (s *simple) call(ctx context.Context, target string) error {
	c := &call{out: true, peer: target}
	r := s.play.record
	r.end(s.name, func(e *ended) {
		c.made = r.time()
		e.calls = append(e.calls, c)
	})
	up, err := s.endpoint.Call(ctx, target)
	r.end(s.name, func(*ended) {
		now := r.time()
		if c.err = err; err == nil {
			c.answered = &now
		} else {
			c.ended = &now
		}
	})
	if err != nil {
		return err
	}
	r.tell(LineTold, s.name, "is in a call with %s", s.play.callerName(target))
	s.mu.Lock()
	s.last = up
	s.mu.Unlock()
	return nil
}

func (s *simple) hangup(ctx context.Context) error {
	s.mu.Lock()
	up := s.last
	s.last = nil
	s.mu.Unlock()
	if up == nil {
		return errNoCall
	}
	return up.Hangup(ctx)
}

func (s *simple) message(ctx context.Context, target, text string) error {
	return s.endpoint.(stage.Messenger).Message(ctx, target, text)
}

func (s *simple) close() error { return s.endpoint.Close() }
