package scenarios

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// DefaultMediaTime is how long an established call talks: long enough for both
// ends to have sent RTCP a few times (RFC 3550 §6.2: every five seconds).
const DefaultMediaTime = 12 * time.Second

const (
	// steadyRTP is the end of the call in which RTP is counted.
	steadyRTP = time.Second
	// steadyRTCP is the end of the call in which RTCP is counted. It is longer than
	// the longest interval, 5 s * 1.5 / (e - 3/2) = 6.2 s (RFC 3550 §6.3.1).
	steadyRTCP = 6500 * time.Millisecond
	// offBeat keeps what the flow does away from the instants at which media is
	// sent, every 20 ms from the answer on: of two things that one host does at one
	// instant, neither is first.
	offBeat = 7 * time.Millisecond
	// ackPoll is how often it is looked whether the ACK has arrived; a multiple of
	// 20 ms, so that it stays off the beat.
	ackPoll = 20 * time.Millisecond
	// patience is how long a caller waits for an answer: longer than a proxy does (RFC
	// 3261 §16.6, timer C, and the CANCEL after it). Its final response may be lost, and
	// then nobody else ends an INVITE that got a provisional one (§17.1.1.2).
	patience = 4 * time.Minute
	// beforeRTCP is how long a call must have lasted before that, so that the
	// first reports of both ends have opened what they open.
	beforeRTCP = 4 * time.Second
)

// RunOptions say how a cell is played. The zero value is fine.
type RunOptions struct {
	Seed      uint64
	MediaTime time.Duration    // how long calls talk; 0 is DefaultMediaTime
	Access    *vnet.LinkConfig // the access link of each side; nil is DefaultLink
	Trace     bool             // keep Events and Boxes in the Result
	// Setup changes the world when it is built and nothing runs in it yet: its links, say.
	Setup func(*World) error
}

// Run plays one cell under virtual time and judges it. A context that has ended
// keeps it from starting; a cell takes milliseconds.
func Run(ctx context.Context, cell Cell, opts RunOptions) Result {
	cell = cell.Canonical()
	predicted, err := Predict(cell)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return Result{Cell: cell, Seed: opts.Seed, Predicted: predicted, Err: err}
	}
	p := &play{cell: cell, callee: cell.Host(cell.Caller().Other()), opts: opts.withDefaults(), media: map[Side]mediaCount{}, tape: newTape()}
	// Nothing of the outer context goes into the bubble: a goroutine that waits for
	// something outside of it would stop virtual time.
	leak := bubble.Run(func() { err = p.run() })
	if err = errors.Join(err, leak); err != nil {
		return Result{Cell: cell, Seed: opts.Seed, Predicted: predicted, Err: fmt.Errorf("scenarios: run %s: %w", cell.ID(), err)}
	}
	r := Judge(cell, opts.Seed, predicted, Conclude(p.observe()))
	if opts.Trace {
		r.Events, r.Boxes = p.events, p.boxes
	}
	return r
}

func (o RunOptions) withDefaults() RunOptions {
	if o.MediaTime == 0 {
		o.MediaTime = DefaultMediaTime
	}
	if o.Access == nil {
		o.Access = &DefaultLink
	}
	return o
}

// play is one cell being played.
type play struct {
	cell   Cell
	callee string // the box that is called
	opts   RunOptions

	world  *World
	agents map[Side]*agent
	far    func() (media.Stats, bool) // what the called end counts
	stops  []func() error

	talked bool
	media  map[Side]mediaCount
	boxes  []Box

	// What the core of the lab tells, in order, until the flow is over.
	tape   *tape
	events []vnet.Event // with RunOptions.Trace
	acked  atomic.Bool  // the callee got the ACK: both ends talk
	done   atomic.Bool
}

// record keeps the trace. It is called by the core of the lab.
func (p *play) record(e vnet.Event) {
	if p.done.Load() {
		return
	}
	if e.Kind == vnet.Delivered && e.Box == p.callee && bytes.HasPrefix(e.Payload, []byte("ACK ")) {
		p.acked.Store(true)
	}
	p.tape.add(e)
	if p.opts.Trace {
		p.events = append(p.events, e)
	}
}

// run is everything that happens inside the bubble.
func (p *play) run() error {
	lab, err := vnet.New(vnet.Config{Seed: p.opts.Seed, DiscardTrace: true, OnEvent: p.record})
	if err != nil {
		return err
	}
	p.stops = append(p.stops, lab.Close)
	err = p.build(lab)
	if err == nil {
		err = p.steps()
	}
	time.Sleep(time.Second) // what is still on its way arrives
	p.done.Store(true)
	for i := len(p.stops) - 1; i >= 0; i-- {
		err = errors.Join(err, p.stops[i]())
	}
	return err
}

// build makes the world and starts everything in it.
func (p *play) build(lab *vnet.Lab) error {
	var err error
	if p.world, err = NewWorld(lab, p.cell, p.opts.Seed, *p.opts.Access); err != nil {
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
		func() (func() error, error) { return p.world.ServeProxy(p.cell, p.opts.Seed) },
		p.serveGateway,
	} {
		stop, err := serve()
		if err != nil {
			return err
		}
		p.stops = append(p.stops, stop)
	}
	p.agents = map[Side]*agent{}
	for _, side := range []Side{A, B} {
		host := p.world.host(side)
		if host == nil {
			continue
		}
		if p.agents[side], err = newAgent(p.cell, side, host, p.opts.Seed); err != nil {
			return err
		}
		p.stops = append(p.stops, p.agents[side].client.Close)
	}
	return nil
}

// serveGateway runs the PSTN gateway where there is one.
func (p *play) serveGateway() (stop func() error, err error) {
	if p.world.Gateway == nil {
		return func() error { return nil }, nil
	}
	g, err := p.world.ServeGateway(p.cell, p.opts.Seed)
	if err != nil {
		return nil, err
	}
	p.far = g.Media
	return g.Stop, nil
}

// steps plays the flow. What does not work is seen in the trace; an error is
// something that should not happen at all.
func (p *play) steps() error {
	ctx := context.Background()
	for _, side := range []Side{A, B} {
		if a := p.agents[side]; a != nil && (side == A || p.cell.Flow == FlowCall) {
			if err := p.tolerate(a.profile.Enable(ctx)); err != nil {
				return fmt.Errorf("register %s: %w", side, err)
			}
		}
	}
	caller, target := p.agents[p.cell.Caller()], p.target()
	session, err := caller.client.NewSession(caller.profile)
	if err != nil {
		return err
	}
	if callee := p.agents[p.cell.Caller().Other()]; callee != nil {
		p.far = callee.media
	}
	if err := p.call(ctx, session, target); err != nil {
		return p.tolerate(err)
	}
	if p.talked = p.awaitACK(); p.talked && p.cell.HasMedia() {
		if err := p.talk(session); err != nil {
			return err
		}
	}
	if err := p.tolerate(session.Hangup(ctx)); err != nil {
		return fmt.Errorf("hang up: %w", err)
	}
	return nil
}

// call calls until there is an answer or the caller loses patience.
func (p *play) call(ctx context.Context, session *ua.Session, target string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return session.Call(ctx, target)
}

// awaitACK waits until the callee has the ACK. If the first is lost, the callee
// repeats its 200 after 0.5, 1.5 and 3.5 s (RFC 3261 §13.3.1.4) and gets another.
func (p *play) awaitACK() bool {
	time.Sleep(offBeat)
	for waited := time.Duration(0); waited < 4*time.Second && !p.acked.Load(); waited += ackPoll {
		time.Sleep(ackPoll)
	}
	return p.acked.Load()
}

// target is who is called.
func (p *play) target() string {
	switch p.cell.Flow {
	case FlowRegister:
		return "sip:a@" + Domain
	case FlowPCToPhone:
		return "sip:" + PhoneNumber + "@" + Domain + ";user=phone"
	}
	return "sip:b@" + Domain
}

// tolerate lets pass what the trace explains: no answer, or a refusal.
func (p *play) tolerate(err error) error {
	var refused *ua.ResponseError
	if errors.Is(err, ua.ErrTransactionTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &refused) {
		return nil
	}
	return err
}

// talk lets media run and counts it once it is steady.
func (p *play) talk(session *ua.Session) error {
	near := session.MediaStats
	time.Sleep(p.opts.MediaTime - p.rtcpWindow())
	early, err := p.count(near)
	if err != nil {
		return err
	}
	time.Sleep(p.rtcpWindow() - steadyRTP)
	late, err := p.count(near)
	if err != nil {
		return err
	}
	time.Sleep(steadyRTP)
	end, err := p.count(near)
	if err != nil {
		return err
	}
	for side := range end {
		p.media[side] = mediaCount{rtp: end[side].Sub(late[side]), rtcp: end[side].Sub(early[side])}
	}
	return nil
}

// rtcpWindow is how much of the call's end RTCP is counted in, if it is long
// enough to be judged.
func (p *play) rtcpWindow() time.Duration {
	if p.judgesRTCP() {
		return steadyRTCP
	}
	return min(steadyRTP, p.opts.MediaTime)
}

func (p *play) judgesRTCP() bool { return p.opts.MediaTime >= beforeRTCP+steadyRTCP }

// count takes a snapshot of both ends' counters.
func (p *play) count(near func() (media.Stats, bool)) (map[Side]media.Stats, error) {
	caller := p.cell.Caller()
	a, ok := near()
	if !ok {
		return nil, fmt.Errorf("%s has no media in an established call", p.cell.Host(caller))
	}
	b, ok := p.far()
	if !ok {
		return nil, fmt.Errorf("%s has no media in an established call", p.cell.Host(caller.Other()))
	}
	return map[Side]media.Stats{caller: a, caller.Other(): b}, nil
}

func (p *play) observe() []StepOutcome {
	discarded := map[string][]ua.DiscardEvent{}
	for side, a := range p.agents {
		discarded[p.cell.Host(side)] = a.discarded
	}
	return observe(observation{
		discarded: discarded, refused: p.world.refused,
		cell: p.cell, tape: p.tape, media: p.media, talked: p.talked, rtcp: p.judgesRTCP(),
	})
}
