package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/internal/roomy"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/vnet"
)

// Clock is the time that a lab plays in.
type Clock uint8

// The clocks.
const (
	Either  Clock = iota // virtual, or real if there is a program
	Virtual              // a bubble: an hour takes a moment, and the same seed gives the same
	Real                 // that of the machine
)

// Options say how a lab is played. The zero value is fine.
type Options struct {
	Clock    Clock
	Seed     uint64                     // instead of the file's, if it is not 0
	Trace    bool                       // keep the events of the network in the result
	Programs Programs                   // what runs real programs; without it there can be none
	OnLine   func(Line)                 // told of what happens while it happens, in real time; drops come at the end
	OnStart  func(look func() Snapshot) // called when the script begins; look may be called until Play returns
}

// ErrClock is the error of a lab that cannot play on a clock.
var ErrClock = errors.New("lab: not on this clock")

// ErrNoPrograms is the error of a lab with programs that nobody can run.
var ErrNoPrograms = errors.New("lab: real programs cannot be run here")

// Play plays the lab and judges what was expected. The error is of what could not be played at all;
// [Problems] if the file is to blame.
// When ctx ends before the lab does the result is of what has happened, nothing is judged, and the error
// is that of ctx.
func (f *File) Play(ctx context.Context, o Options) (*Result, error) {
	if o.Clock == Either {
		o.Clock = Virtual
		if f.Programs() {
			o.Clock = Real
		}
	}
	switch {
	case o.Clock == Virtual && f.Programs():
		return nil, fmt.Errorf("%w: %s is a real program, which needs the real clock", ErrClock, f.programHosts()[0])
	case f.Programs() && o.Programs == nil:
		return nil, ErrNoPrograms
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	p := newPlay(f, o)
	p.outer = ctx
	var err error
	if o.Clock == Real {
		err = p.run()
	} else {
		leak := bubble.Run(func() { err = p.run() })
		err = errors.Join(err, leak)
	}
	var wrong Problems
	switch {
	case errors.As(err, &wrong):
		return nil, wrong
	case err != nil && (ctx.Err() == nil || !errors.Is(err, ctx.Err())):
		return nil, fmt.Errorf("lab: %w", err)
	}
	return p.result(err != nil), err
}

// Try builds the lab and takes it down again, for what is wrong with it that only shows then. Programs are
// not started.
func (f *File) Try() error {
	p := newPlay(f, Options{Clock: Virtual})
	p.outer, p.trial = context.Background(), true
	var err error
	leak := bubble.Run(func() { err = p.run() })
	return errors.Join(err, leak)
}

// play is a lab being played.
type play struct {
	file   *File
	opts   Options
	seed   uint64
	record *record

	lab      *vnet.Lab
	gateways map[string]*vnet.Gateway
	models   map[string]natmodels.Model
	sites    map[string]*vnet.Site
	hosts    map[string]*vnet.Host
	links    map[string]*link
	boxes    []stage.Box
	agents   map[string]*agent
	phones   map[string]phone
	running  map[string]*running
	samplers map[string]func() counts
	stops    []func() error

	trial bool            // it is built, and not played
	outer context.Context // of who plays; in a bubble it is looked at, and not waited for
	ctx   context.Context // ends with the lab
	work  sync.WaitGroup  // what the script began
	wg    sync.WaitGroup  // what goes on by itself
}

func newPlay(f *File, o Options) *play {
	p := &play{
		file: f, opts: o, seed: cmp.Or(o.Seed, f.Seed),
		gateways: map[string]*vnet.Gateway{}, models: map[string]natmodels.Model{}, sites: map[string]*vnet.Site{}, hosts: map[string]*vnet.Host{}, links: map[string]*link{},
		agents: map[string]*agent{}, phones: map[string]phone{}, running: map[string]*running{}, samplers: map[string]func() counts{},
	}
	p.record = &record{onLine: o.OnLine, trace: o.Trace, flights: newFlights(), ends: map[string]*ended{}}
	for i := range f.Endpoints {
		e := &f.Endpoints[i]
		p.record.ends[e.Name] = &ended{name: e.Name, kind: e.Value.kind(), rank: len(p.record.ends) + 1, boxes: []string{e.Value.host()}, samples: map[time.Duration]counts{}}
	}
	for host := range f.freeHosts() {
		p.record.ends[host] = &ended{name: host, kind: "host", boxes: []string{host}, samples: map[time.Duration]counts{}}
	}
	for i := range f.Servers {
		if s := &f.Servers[i]; isGateway(&s.Value) {
			p.record.ends[s.Name] = &ended{name: s.Name, kind: "gateway", rank: len(p.record.ends) + 1, boxes: []string{s.Value.host()}, samples: map[time.Duration]counts{}}
		}
	}
	return p
}

// run is everything that happens, in a bubble or outside.
func (p *play) run() (err error) {
	roomy.Stack()
	parent := p.outer
	if p.opts.Clock == Virtual { // nothing in the bubble may wait for something outside of it
		parent = context.Background()
	}
	ctx, cancel := context.WithCancel(parent)
	p.ctx = ctx
	p.lab, err = vnet.New(vnet.Config{Seed: p.seed, DiscardTrace: true, OnEvent: p.record.event})
	if err != nil {
		cancel()
		return err
	}
	p.record.now = p.lab.Now
	p.stops = append(p.stops, p.lab.Close)
	defer func() {
		p.record.close()
		cancel()
		for _, stop := range slices.Backward(p.stops) {
			err = errors.Join(err, stop())
		}
		p.work.Wait()
		p.wg.Wait()
	}()
	if err = p.build(); err != nil {
		return err
	}
	if p.trial {
		return nil
	}
	if err = p.startPrograms(ctx); err != nil {
		return err
	}
	p.settle()
	p.record.begin()
	if p.opts.OnStart != nil {
		p.opts.OnStart(p.snapshot)
	}
	return p.follow()
}

// begin says that the script begins now.
func (r *record) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.zero = r.now()
}

// settle waits until everybody has done what there is to do at this moment, so that what comes next
// comes after it. On the real clock nobody can tell.
func (p *play) settle() {
	if p.opts.Clock == Virtual {
		bubble.Wait()
	}
}

// moment is something that happens at a time.
type moment struct {
	at time.Duration
	do func()
}

// rest is how long a lab goes on when all is over: what is still on its way arrives.
const rest = time.Second

// patience is how long a lab that does not say how long it lasts waits for what its script began:
// more than the timers of an INVITE that is not answered take, 64*T1 twice (RFC 3261 §17.1.1.2).
const patience = 70 * time.Second

// follow plays the script. It ends when the lab does.
func (p *play) follow() error {
	agenda := p.agenda()
	var last time.Duration
	for _, m := range agenda {
		if err := p.sleepUntil(m.at); err != nil {
			return err
		}
		m.do()
		p.settle()
		last = m.at
	}
	if lasts := time.Duration(p.file.Lasts); lasts != 0 {
		return p.sleepUntil(lasts)
	}
	p.ends()
	if err := p.waitFor(last + patience); err != nil {
		return err
	}
	return p.sleepUntil(p.lab.Now() - p.record.zero + rest)
}

// agenda are the moments of a lab in their order: the script, the ends of what it changes for a
// time, and when media is counted.
func (p *play) agenda() []moment {
	var all []moment
	for i, at := range p.file.times() {
		s := p.file.Script[i].Action
		all = append(all, moment{at, func() { p.begin(s) }})
		if x, ok := s.(undoing); ok {
			if until := x.until(at); until > 0 {
				all = append(all, moment{until, func() { x.undo(p) }})
			}
		}
	}
	for i := range p.file.Expect {
		c := p.file.Expect[i].Claim
		if parties, ok := c.(hearing); ok {
			from, until := c.window()
			for _, at := range []Duration{from, until} {
				if at > 0 {
					all = append(all, moment{time.Duration(at), func() { p.sample(parties.parties(), time.Duration(at)) }})
				}
			}
		}
	}
	all = append(all, moment{p.file.Last(), func() {}})
	slices.SortStableFunc(all, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	return all
}

// undoing is a step that changes something for a time.
type undoing interface {
	until(at time.Duration) time.Duration // 0: for good
	undo(p *play)
}

// hearing is a claim about who hears whom.
type hearing interface{ parties() []string }

// sample counts the media of some.
func (p *play) sample(who []string, at time.Duration) {
	for _, name := range who {
		if of := p.samplers[name]; of != nil {
			n := of()
			p.record.end(name, func(e *ended) { e.samples[at] = n })
		}
	}
}

// look is how long, in virtual time, nobody looks whether the lab is to end.
const look = 10 * time.Second

// sleepUntil waits until a moment of the script.
func (p *play) sleepUntil(at time.Duration) error {
	for {
		wait := at - (p.lab.Now() - p.record.zero)
		if wait <= 0 {
			return p.outer.Err()
		}
		if err := p.sleep(wait); err != nil {
			return err
		}
	}
}

// sleep sleeps, or ends with the outer context: of which a bubble must not wait for anything.
func (p *play) sleep(wait time.Duration) error {
	if p.opts.Clock == Virtual {
		time.Sleep(min(wait, look))
		return p.outer.Err()
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-p.outer.Done():
		return p.outer.Err()
	}
}

// waitFor waits until what the script began is over, but no longer than until a moment.
func (p *play) waitFor(at time.Duration) error {
	over := make(chan struct{})
	go func() { p.work.Wait(); close(over) }()
	var done <-chan struct{}
	if p.opts.Clock == Real {
		done = p.outer.Done()
	}
	for {
		wait := at - (p.lab.Now() - p.record.zero)
		if wait <= 0 || p.outer.Err() != nil {
			return p.outer.Err()
		}
		t := time.NewTimer(min(wait, look))
		select {
		case <-over:
			t.Stop()
			return nil
		case <-t.C:
		case <-done:
			t.Stop()
		}
	}
}

// work is what goes on after a step has begun. It says what came of it, if that is not told anyway.
type work func(ctx context.Context) (done string, err error)

// begin does a step.
func (p *play) begin(s Action) {
	does, work := s.begin(p)
	who := subject(s)
	p.record.tell(LineStep, who, "%s", does)
	if work == nil {
		return
	}
	p.work.Go(func() {
		done, err := work(p.ctx)
		switch {
		case p.ctx.Err() != nil:
		case errors.Is(err, errCannot):
			p.record.failed(who, does, err)
		case err != nil:
			p.record.tell(LineTold, who, "%s: %s", does, brief(err))
		case done != "":
			p.record.tell(LineTold, who, "%s", done)
		}
	})
}

// failed notes a step that could not be done.
func (r *record) failed(who, does string, err error) {
	r.tell(LineTold, who, "%s: %s", does, brief(err))
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.done {
		r.cannot = append(r.cannot, Line{At: r.time(), Kind: LineTold, Who: who, Text: fmt.Sprintf("%s: %s", does, brief(err))})
	}
}
