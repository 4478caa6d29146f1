package certify

import (
	"context"
	"net/netip"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/ua"
)

// The probes by their names.
const (
	probeCall      = "a call without a NAT"
	probeCalled    = "being called without a NAT"
	probeNAT       = "a call through a NAT"
	probeForwards  = "a call through port forwards"
	probeMoved     = "media that moves"
	probeElsewhere = "media from elsewhere"
	probeVia       = "a foreign Via"
	probeChallenge = "a challenge"
	probeRefresh   = "a short registration"
	probeIdle      = "an idle time behind a NAT" // some hold no mapping unless they find that there is one
)

// The parts of the probes.
const (
	partTalk   = "talk"
	partHold   = "hold"
	partResume = "resume"
	partPort   = "another port"
	partLater  = "another port later"
	partHost   = "another address"
	partEnd    = "end"
	partIdle   = "idle"
)

// Where the far end's media leaves from once it has moved.
const (
	movedPort = 41000
	laterPort = 42000
	otherPort = 43000
)

const (
	early      = 2 * time.Second  // how long the far end rings, and is heard
	talkTime   = 13 * time.Second // time for two reports of RTCP at least (RFC 3550 §6.2)
	moveTime   = 6 * time.Second  // more than the window in which some latch
	holdTime   = 3 * time.Second
	grants     = time.Minute
	inTheHouse = "eim-eif"
)

// probes are all there are, in the order in which they are played.
var probes = []probe{
	{name: probeCall, nat: cell.NoNAT, ring: early, play: playCall},
	{name: probeCalled, nat: cell.NoNAT, play: playCalled},
	{name: probeNAT, nat: inTheHouse, play: playShort},
	{name: probeForwards, nat: inTheHouse, forwards: true, play: playShort},
	{name: probeMoved, nat: cell.NoNAT, play: playMoved},
	{name: probeElsewhere, nat: cell.NoNAT, play: playElsewhere},
	{name: probeVia, nat: cell.NoNAT, registrar: &responder{expires: time.Hour, foreign: true}, play: playRegister},
	{name: probeChallenge, nat: cell.NoNAT, registrar: &responder{expires: time.Hour, challenges: true}, play: playRegister},
	{name: probeRefresh, nat: cell.NoNAT, registrar: &responder{expires: grants}, waits: func(o Options) time.Duration { return min(o.Wait, grants+5*time.Second) }, play: playWait},
	{name: probeIdle, nat: inTheHouse, keepsPorts: true, waits: func(o Options) time.Duration { return o.Wait }, play: playWait},
}

// playCall is a call after a while of ringing, long enough for reports.
func playCall(ctx context.Context, b *bench, _ time.Duration) error {
	if err := b.meets(ctx); err != nil {
		return err
	}
	if err := b.strays(ctx, netip.AddrPortFrom(cell.PlaceIn(b.cell, cell.A).Host, cell.SIPPort)); err != nil {
		return err
	}
	hangup, ok := b.calls(ctx)
	if !ok {
		return nil
	}
	b.now(partTalk)
	b.pass(ctx, talkTime)
	b.now(partEnd)
	hangup()
	return nil
}

// playCalled is a call to the phone, in which the far end holds and resumes.
func playCalled(ctx context.Context, b *bench, _ time.Duration) error {
	if err := b.meets(ctx); err != nil {
		return err
	}
	hangup, ok := b.isCalled(ctx)
	if !ok {
		return nil
	}
	b.now(partTalk)
	b.pass(ctx, holdTime)
	b.asks(ctx, partHold, func(ctx context.Context) error { return b.far.in(ctx, (*ua.Session).Hold) })
	b.pass(ctx, time.Second)
	b.now(partHold)
	b.pass(ctx, holdTime)
	b.now(partResume)
	b.asks(ctx, partResume, func(ctx context.Context) error { return b.far.in(ctx, (*ua.Session).Resume) })
	b.pass(ctx, holdTime)
	b.now(partEnd)
	hangup()
	return nil
}

// playShort is a call that shows which addresses are written.
func playShort(ctx context.Context, b *bench, _ time.Duration) error {
	if err := b.meets(ctx); err != nil {
		return err
	}
	hangup, ok := b.calls(ctx)
	if !ok {
		return nil
	}
	b.now(partTalk)
	b.pass(ctx, holdTime)
	b.now(partEnd)
	hangup()
	return nil
}

// playMoved is a call in which the far end's media comes from another port, another one later, and
// another address at last.
func playMoved(ctx context.Context, b *bench, _ time.Duration) error {
	if err := b.meets(ctx); err != nil {
		return err
	}
	hangup, ok := b.calls(ctx)
	if !ok {
		return nil
	}
	b.now(partTalk)
	b.pass(ctx, early)
	for _, to := range []struct {
		part string
		host func() error
	}{
		{partPort, func() error { return b.far.move(b.world.B, movedPort) }},
		{partLater, func() error { return b.far.move(b.world.B, laterPort) }},
		{partHost, func() error { return b.far.move(b.world.Proxy, otherPort) }},
	} {
		b.now(to.part)
		if err := to.host(); err != nil {
			return err
		}
		b.pass(ctx, moveTime)
	}
	b.pass(ctx, talkTime-moveTime)
	b.now(partEnd)
	hangup()
	return nil
}

// playElsewhere is a call in which the far end's media never comes from where it says.
func playElsewhere(ctx context.Context, b *bench, _ time.Duration) error {
	if err := b.meets(ctx); err != nil {
		return err
	}
	if err := b.far.move(b.world.B, movedPort); err != nil {
		return err
	}
	hangup, ok := b.calls(ctx)
	if !ok {
		return nil
	}
	b.now(partTalk)
	b.pass(ctx, holdTime)
	b.now(partEnd)
	hangup()
	return nil
}

// playRegister is a registration alone.
func playRegister(ctx context.Context, b *bench, _ time.Duration) error {
	b.registers(ctx)
	return nil
}

// playWait is a registration, and a time in which nobody wants anything.
func playWait(ctx context.Context, b *bench, wait time.Duration) error {
	b.registers(ctx)
	b.now(partIdle)
	b.pass(ctx, wait)
	b.now(partEnd)
	return nil
}
