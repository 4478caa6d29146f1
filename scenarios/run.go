package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/internal/roomy"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/wire"
	"github.com/natproof/natproof/vnet"
)

// RunOptions say how a cell is played. The zero value is fine.
type RunOptions struct {
	Seed      uint64
	MediaTime time.Duration    // how long calls talk; 0 is flows.DefaultMediaTime
	Brief     bool             // calls talk no longer than they must for RTP to be judged; not with MediaTime
	Access    *vnet.LinkConfig // the access link of each side; nil is stage.DefaultLink
	Phones    stage.Phones     // who is at the ends; nil is this project's user agent
	Trace     bool             // keep Events and Boxes in the Result
	// Proxy runs a registrar and proxy in the place of this project's own, until stop is called: one that
	// brings a host of its own and joins it to the seat. Cells are played on the real clock then. It is
	// predicted to do what the cell says that a proxy does.
	Proxy func(stage.Seat) (stop func() error, err error)
	// Setup changes the world when it is built and nothing runs in it yet: its links, say.
	Setup func(*stage.World) error
}

// Run plays one cell under virtual time and judges it. A context that has ended
// keeps it from starting; a cell takes milliseconds. With a phone or a proxy that
// brings a host of its own it is played on the real clock.
func Run(ctx context.Context, c cell.Cell, opts RunOptions) Result {
	opts = opts.withDefaults(c)
	predicted, err := predict(c, opts.Phones, opts.MediaTime)
	if err == nil && opts.MediaTime < 0 {
		err = fmt.Errorf("scenarios: run: %v of media is less than nothing", opts.MediaTime)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return Result{Cell: c, Seed: opts.Seed, Predicted: predicted, Err: err}
	}
	c = c.Canonical()
	p := &production{cell: c, flow: flows.Of(c), opts: opts, tape: wire.NewTape()}
	leak := p.opts.clock(ctx, func(ctx context.Context) { err = p.run(ctx) })
	if err = errors.Join(err, leak); err != nil {
		return Result{Cell: c, Seed: opts.Seed, Predicted: predicted, Err: fmt.Errorf("scenarios: run %s: %w", c.ID(), err)}
	}
	r := Judge(c, opts.Seed, predicted, p.observe(predicted))
	r.Brief = opts.Brief
	if opts.Trace {
		r.Events, r.Boxes, r.Told = p.events, p.boxes, p.everythingTold()
	}
	p.tape.Done() // nothing of the bubble is left
	return r
}

func (o RunOptions) withDefaults(c cell.Cell) RunOptions {
	if o.Brief && o.MediaTime == 0 && flows.Check(c) == nil {
		o.MediaTime = flows.Of(c).Briefly(c)
	}
	if o.MediaTime == 0 {
		o.MediaTime = flows.DefaultMediaTime
	}
	if o.Access == nil {
		o.Access = &stage.DefaultLink
	}
	return o
}

// clock has a cell played in a bubble, or, for who brings a host, on the real clock. Nothing of the
// outer context goes into the bubble: a goroutine that waits for something outside of it would stop
// virtual time.
func (o RunOptions) clock(ctx context.Context, play func(context.Context)) (leak error) {
	if len(o.bringing()) == 0 {
		return bubble.Run(func() { play(context.Background()) })
	}
	play(ctx)
	return nil
}

// bringing are those who bring a host of their own.
func (o RunOptions) bringing() []cell.Side {
	all := o.Phones.Bringing()
	if o.Proxy != nil {
		all = append(all, stage.Proxy)
	}
	return all
}

// serveProxy runs the registrar and proxy.
func (p *production) serveProxy() (stop func() error, err error) {
	if p.opts.Proxy != nil {
		return p.opts.Proxy(p.world.Seat(stage.Proxy))
	}
	return p.world.ServeProxy(p.cell, p.opts.Seed)
}

// production is one cell being played.
type production struct {
	cell cell.Cell
	flow *flows.Flow
	opts RunOptions

	world *stage.World
	play  *flows.Play
	stops []func() error
	boxes []stage.Box

	mu     sync.Mutex
	tape   *wire.Tape   // what the core of the lab tells, in order, until the flow is over
	events []vnet.Event // with RunOptions.Trace
	told   []wire.Told
	done   bool
}

// record keeps the trace. It is called by the core of the lab.
func (p *production) record(e vnet.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return
	}
	p.tape.Add(e)
	if p.opts.Trace {
		p.events = append(p.events, e)
	}
}

// tell takes what an endpoint tells.
func (p *production) tell(t wire.Told) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.done {
		p.told = append(p.told, t)
	}
}

func (p *production) reached(method, box string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tape.Reached(method, box)
}

func (p *production) calls(method, box string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tape.Calls(method, box)
}

// run is everything that happens.
func (p *production) run(ctx context.Context) (err error) {
	roomy.Stack()
	lab, err := vnet.New(vnet.Config{Seed: p.opts.Seed, DiscardTrace: true, OnEvent: p.record})
	if err != nil {
		return err
	}
	p.stops = append(p.stops, lab.Close)
	defer func() { // also when an endpoint panics: what it left running would hide why
		for i := len(p.stops) - 1; i >= 0; i-- {
			err = errors.Join(err, p.stops[i]())
		}
	}()
	if err = p.build(lab); err == nil {
		p.flow.Play(ctx, p.play)
		err = errors.Join(p.play.Err(), ctx.Err())
	}
	time.Sleep(time.Second) // what is still on its way arrives
	lab.CatchUp()
	p.mu.Lock()
	p.done = true
	p.mu.Unlock()
	return err
}

// build makes the world and starts everything in it.
func (p *production) build(lab *vnet.Lab) error {
	var err error
	if p.world, err = stage.NewWorld(lab, p.cell, p.opts.Seed, *p.opts.Access, p.opts.bringing()...); err != nil {
		return err
	}
	p.boxes = p.world.Boxes()
	if p.opts.Setup != nil {
		if err := p.opts.Setup(p.world); err != nil {
			return err
		}
	}
	for _, serve := range []func() (func() error, error){
		p.world.ServeSTUN,
		p.serveProxy,
	} {
		stop, err := serve()
		if err != nil {
			return err
		}
		p.stops = append(p.stops, stop)
	}
	p.play = &flows.Play{Flow: p.flow, Cell: p.cell, World: p.world, MediaTime: p.opts.MediaTime, Seed: p.opts.Seed, Reached: p.reached, Calls: p.calls, Ends: map[cell.Side]stage.Endpoint{}}
	for _, side := range []cell.Side{cell.B, cell.A} {
		if p.world.Peopled(side) {
			continue
		}
		if err := p.keep(side, func() (stage.Endpoint, error) { return p.world.ServeGateway(p.cell, p.opts.Seed) }); err != nil {
			return err
		}
	}
	for _, side := range []cell.Side{cell.A, cell.B, cell.C} {
		if !p.world.Peopled(side) {
			continue
		}
		if err := p.keep(side, func() (stage.Endpoint, error) {
			return p.world.Endpoint(p.cell, side, p.opts.Phones.Of(side), p.opts.Seed, p.tell)
		}); err != nil {
			return err
		}
	}
	for i := range p.world.Crowd {
		e, err := p.world.CrowdEndpoint(p.cell, i, p.opts.Phones.Of(cell.A), p.opts.Seed)
		if err != nil {
			return fmt.Errorf("%s: %w", p.world.Crowd[i].Name(), err)
		}
		p.play.Crowd = append(p.play.Crowd, e)
		p.stops = append(p.stops, e.Close)
	}
	if p.world.Beside != nil {
		e, err := p.world.Endpoint(p.cell, stage.Beside, p.opts.Phones.Of(cell.A), p.opts.Seed, func(wire.Told) {})
		if err != nil {
			return fmt.Errorf("%s: %w", cell.BoxBeside, err)
		}
		p.play.Beside = e
		p.stops = append(p.stops, e.Close)
	}
	return nil
}

// keep starts an end, and closes it when the play is over.
func (p *production) keep(side cell.Side, start func() (stage.Endpoint, error)) error {
	e, err := start()
	if err == nil && e == nil {
		err = errors.New("no endpoint, and no error either")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.flow.Host(side), err)
	}
	p.play.Ends[side] = e
	p.stops = append(p.stops, e.Close)
	return nil
}

func (p *production) everythingTold() []wire.Told {
	return slices.Concat(p.told, p.play.Told(), p.world.Told())
}

// observe says what happened. What an endpoint says is the better reason for what it did not
// send, and of what only it could know nothing is said if it does not tell.
func (p *production) observe(predicted cell.Outcome) cell.Outcome {
	o := p.flow.Observe(p.cell, p.tape, p.everythingTold())
	steps := slices.DeleteFunc(o.Steps, func(s cell.StepOutcome) bool {
		expected, _ := predicted.Step(s.Step)
		return s.Fate == cell.Arrived && p.wouldNotTell(expected.Cause)
	})
	for i, s := range steps {
		if said := p.play.Said(s.Cause.Box); s.Fate == cell.NotSent && len(said) > 0 && s.Cause.Why == "" {
			steps[i].Cause.Why = strings.Join(said, "; ")
		}
	}
	return cell.Conclude(steps)
}

// wouldNotTell says whether the cause is one that only an endpoint knows, of one that does
// not tell.
func (p *production) wouldNotTell(c cell.Cause) bool {
	if !c.Rule.OnlyTold() {
		return false
	}
	for _, side := range []cell.Side{cell.A, cell.B, cell.C} {
		if p.flow.Host(side) == c.Box && p.world.Peopled(side) {
			return !p.opts.Phones.Of(side).Tells
		}
	}
	return false
}
