package flows

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/wire"
)

const (
	// offBeat keeps what the flow does away from the instants at which media is
	// sent, every 20 ms from the answer on: of two things that one host does at one
	// instant, neither is first.
	offBeat = 7 * time.Millisecond
	// ackPoll is how often it is looked whether the ACK has arrived; a multiple of
	// 20 ms, so that it stays off the beat.
	ackPoll = 20 * time.Millisecond
	// ackWait is how long that may take: if the first ACK is lost, the callee repeats its
	// 200 after 0.5, 1.5 and 3.5 s (RFC 3261 §13.3.1.4) and gets another.
	ackWait = 4 * time.Second
	// givingUp is more than a callee waits for an ACK, which is 64*T1 (RFC 3261 §13.3.1.4).
	givingUp = 40 * time.Second
	// patience is how long an endpoint may take over a request. A caller waits longer than a
	// proxy does (RFC 3261 §16.6, timer C, and the CANCEL after it): its final response may be
	// lost, and then nobody else ends an INVITE that got a provisional one (§17.1.1.2).
	patience = 4 * time.Minute
)

var errNoCall = errors.New("no call, and no error either")

// Play is a flow being played.
type Play struct {
	Flow      *Flow
	Cell      cell.Cell
	World     *stage.World
	Ends      map[cell.Side]stage.Endpoint
	Beside    stage.Endpoint   // the phone beside a, or nil
	Crowd     []stage.Endpoint // the others behind the NAT of a
	Seed      uint64
	MediaTime time.Duration
	// Reached says whether a request of that method has reached a box.
	Reached func(method, box string) bool
	// Calls says in how many calls one has.
	Calls func(method, box string) int

	inTalk func(within time.Duration) // what happens in the first part of a talk, or nil
	err    error
	told   []wire.Told
	said   map[string][]string // by box, what endpoints answered that the network does not explain
}

// Register lets an end register. What does not work is seen on the wire.
func (p *Play) Register(ctx context.Context, side cell.Side) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if side == cell.A && p.Beside != nil {
		if err := p.Beside.Register(ctx); err != nil && !errors.Is(err, stage.ErrUnanswered) {
			p.fails(err)
		}
	}
	p.note(side, "register", p.Ends[side].Register(ctx))
}

// crowdTime is the time in which a crowd registers first, each phone at some instant of it.
const crowdTime = 10 * time.Second

// RegisterCrowd lets all others behind the NAT of a register, and returns when each has been answered
// or has given up.
func (p *Play) RegisterCrowd(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	dice := rand.New(rand.NewPCG(p.Seed, uint64(len(p.Crowd))))
	var all sync.WaitGroup
	for _, e := range p.Crowd {
		wait := time.Duration(dice.Int64N(int64(crowdTime)))
		all.Go(func() {
			time.Sleep(wait)
			_ = e.Register(ctx) // what does not work is seen on the wire
		})
	}
	all.Wait()
}

// Idle is the time in which nothing is asked of anybody, with what the cell wants to happen in the
// midst of it.
func (p *Play) Idle() {
	idle := p.Cell.Idle.Time()
	time.Sleep(cell.BeforeChange(idle) + offBeat)
	if p.Cell.When == cell.WhenIdle {
		p.change()
	}
	time.Sleep(idle - cell.BeforeChange(idle) + cell.BesideTheHour)
}

// Before is what the cell wants to happen when all have registered.
func (p *Play) Before() {
	if p.Cell.When == cell.WhenIdle {
		p.change()
	}
}

// change does to the NAT in front of a, or has a do, what the cell wants.
func (p *Play) change() {
	if p.Cell.Change == cell.ChangeRoam {
		p.roam()
		return
	}
	p.fails(p.World.Change(p.Cell.Change))
}

// fails takes note of what could not be played.
func (p *Play) fails(err error) { p.err = errors.Join(p.err, err) }

// Err is what could not be played.
func (p *Play) Err() error { return p.err }

// Converse lets an end call, talk, if the flow has media, and one of them hang up.
func (p *Play) Converse(ctx context.Context, caller cell.Side, target string) {
	p.converse(ctx, caller, target, p.talk)
}

// converse is Converse, with what passes in the call.
func (p *Play) converse(ctx context.Context, caller cell.Side, target string, talk func()) {
	call := p.call(ctx, caller, target)
	if call == nil {
		if p.Cell.Hangup == cell.Callee {
			time.Sleep(givingUp) // it may have answered
		}
		return
	}
	if p.awaitACK(caller.Other()) && p.Flow.Media() {
		talk()
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if p.Cell.Hangup == cell.Callee {
		p.note(caller.Other(), "hang up", p.Ends[caller.Other()].(stage.Hanger).Hangup(ctx))
		return
	}
	p.note(caller, "hang up", call.Hangup(ctx))
}

func (p *Play) call(ctx context.Context, caller cell.Side, target string) stage.Call {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	happened := p.whileRinging(caller)
	call, err := p.Ends[caller].Call(ctx, target)
	happened()
	if call == nil && err == nil {
		err = errNoCall
	}
	p.note(caller, "call", err)
	if err != nil {
		return nil
	}
	return call
}

// whileRinging does what the cell wants to happen while the callee rings, and returns how to wait for
// the end of that, when the call has been answered or not.
func (p *Play) whileRinging(caller cell.Side) (wait func()) {
	ring := p.Cell.Rings()
	if ring == 0 {
		return func() {}
	}
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		poll := time.NewTicker(ackPoll)
		defer poll.Stop()
		for !p.Reached("INVITE", p.Flow.Host(caller.Other())) {
			select {
			case <-over:
				return
			case <-poll.C:
			}
		}
		time.Sleep(cell.BeforeChange(ring))
		p.change()
	}()
	return func() {
		close(over)
		<-done
	}
}

// awaitACK waits until the callee has the ACK: from then on both ends talk.
func (p *Play) awaitACK(callee cell.Side) bool {
	time.Sleep(offBeat)
	reached := func() bool { return p.Reached("ACK", p.Flow.Host(callee)) }
	enough := ackWait
	if p.Cell.Rings() > 0 { // its 200 may be a late one, of which the next copy takes T2 = 4 s (RFC 3261 §13.3.1.4)
		enough += time.Second
	}
	for waited := time.Duration(0); waited < enough && !reached(); waited += ackPoll {
		time.Sleep(ackPoll)
	}
	return reached()
}

// talk lets media run, and takes note of what the ends discard once it is steady.
func (p *Play) talk() {
	calm, all := p.Flow.talkTime(p.Cell, p.MediaTime)
	p.inCall(calm)
	p.steady(all - calm)
}

// inCall is the time of a call until the change in the midst of it, if there is one.
func (p *Play) inCall(calm time.Duration) {
	time.Sleep(calm)
	if p.Cell.When == cell.WhenInCall {
		p.change()
	}
}

// steady lets media run for the last part of a call.
func (p *Play) steady(last time.Duration) {
	rtp, rtcp, _ := wire.Windows(last)
	longest := max(rtp, rtcp)
	if p.inTalk != nil {
		p.inTalk(last - longest)
	} else {
		time.Sleep(last - longest)
	}
	early := p.counts()
	time.Sleep(longest - rtp)
	late := p.counts()
	time.Sleep(rtp)
	p.discarded(map[cell.Part]tally{cell.RTP: late, cell.RTCP: early}, p.counts())
}

// again is how long it may take until media is steady that something has happened to: the longest
// time between two reports of RTCP, beside that in which they are counted (RFC 3550 §6.3.1).
const again = 13 * time.Second

// talkTime is how long a call talks, and how much of that passes before what happens in it.
func (f *Flow) talkTime(c cell.Cell, media time.Duration) (calm, all time.Duration) {
	calm = cell.BeforeChange(media)
	switch {
	case f.Longer > 0:
		return calm, calm + f.Longer + max(media, again)
	case c.When == cell.WhenInCall && c.Change != cell.ChangeNone:
		return calm, calm + max(media, again)
	}
	return 0, media
}

// pause is the time between what is done in a call.
const pause = time.Second

// tally is what each end has counted.
type tally map[cell.Side]map[cell.Part]stage.Count

func (p *Play) counts() tally {
	all := tally{}
	for side, e := range p.Ends {
		all[side] = map[cell.Part]stage.Count{}
		if c, ok := e.(stage.Counter); ok {
			for _, x := range c.Counts() {
				all[side][x.Part] = x
			}
		}
	}
	return all
}

// discarded tells of ends that used nothing of what they got.
func (p *Play) discarded(before map[cell.Part]tally, after tally) {
	for _, side := range p.Flow.sides() {
		for _, part := range []cell.Part{cell.RTP, cell.RTCP} {
			was, is := before[part][side][part], after[side][part]
			if is.Discarded > was.Discarded && is.Used == was.Used {
				p.told = append(p.told, wire.Told{Box: p.Flow.Host(side), Rule: cell.RuleStrict, Part: part, Src: is.From, Why: is.Why})
			}
		}
	}
}

// Told is what the ends told of media.
func (p *Play) Told() []wire.Told { return p.told }

// Said is what the endpoint of a box answered that the network does not explain.
func (p *Play) Said(box string) []string { return p.said[box] }

func (p *Play) note(side cell.Side, what string, err error) {
	if err == nil || errors.Is(err, stage.ErrUnanswered) {
		return
	}
	if p.said == nil {
		p.said = map[string][]string{}
	}
	box := p.Flow.Host(side)
	p.said[box] = append(p.said[box], fmt.Sprintf("%s: %v", what, err))
}
