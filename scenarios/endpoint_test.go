package scenarios

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/wire"
)

// odd is the project's user agent, changed.
func odd(change func(stage.Endpoint) stage.Endpoint) stage.Phones {
	x := stage.UA
	x.Name = "odd"
	x.New = func(s stage.Setup) (stage.Endpoint, error) {
		e, err := stage.UA.New(s)
		if err != nil {
			return nil, err
		}
		return change(e), nil
	}
	return stage.Phones{cell.A: x, cell.B: x}
}

func mustParse(t *testing.T, id string) cell.Cell {
	t.Helper()
	c, err := ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// An endpoint may tell what only it can know, and need not.
func TestAPhoneThatTellsNothing(t *testing.T) {
	mute := stage.UA
	mute.Tells = false
	mute.New = func(s stage.Setup) (stage.Endpoint, error) {
		s.Tell = func(wire.Told) {}
		e, err := stage.UA.New(s)
		return struct{ stage.Endpoint }{e}, err // no Counter
	}
	for _, id := range []string{
		"call/stun[a=symmetric,b=none,registrar=received,rport=true,strict=both]",
		"register/stun[a=port-restricted,registrar=received,rport=true,alg=full]",
		"call/stun[a=port-restricted,b=symmetric,registrar=received,rport=true]",
	} {
		c := mustParse(t, id)
		if r := Run(t.Context(), c, RunOptions{Seed: 1, Phones: stage.Phones{cell.A: mute, cell.B: mute}}); r.Err != nil || !r.Expected {
			t.Errorf("%s: %v %v", id, r.Err, r.Surprises())
		}
		liar := mute
		liar.Tells = true // and then tells nothing
		r := Run(t.Context(), c, RunOptions{Seed: 1, Phones: stage.Phones{cell.A: liar, cell.B: liar}})
		if onlyTold := strings.Contains(id, "strict=") || strings.Contains(id, "alg"); r.Err != nil || r.Expected == onlyTold {
			t.Errorf("%s, of a phone that says it tells: %v, expected %v", id, r.Err, r.Expected)
		}
	}
}

type waits struct{ stage.Endpoint }

func (waits) Register(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

type noCall struct{ stage.Endpoint }

func (noCall) Call(context.Context, string) (stage.Call, error) { return nil, nil }

type panics struct{ stage.Endpoint }

func (panics) Register(context.Context) error { panic("a bug of the phone") }

// Endpoints that misbehave are told, by what they did.
func TestOddEndpoints(t *testing.T) {
	c := mustParse(t, "call/stun[a=none,b=none]")
	said := func(r Result) string {
		if r.Err != nil {
			return r.Err.Error()
		}
		var all []string
		for _, s := range r.Observed.Steps {
			if s.Fate == cell.NotSent {
				all = append(all, s.Cause.String())
			}
		}
		return strings.Join(all, "; ")
	}
	for name, x := range map[string]struct {
		change func(stage.Endpoint) stage.Endpoint
		want   string
	}{
		"waits for ever":    {func(e stage.Endpoint) stage.Endpoint { return waits{e} }, "a sent no REGISTER: register: context deadline exceeded"},
		"makes no call":     {func(e stage.Endpoint) stage.Endpoint { return noCall{e} }, "a sent no INVITE: call: no call, and no error either"},
		"panics":            {func(e stage.Endpoint) stage.Endpoint { return panics{e} }, "a bug of the phone"},
		"is none":           {func(e stage.Endpoint) stage.Endpoint { e.Close(); return nil }, "a: no endpoint, and no error either"},
		"is as it shall be": {func(e stage.Endpoint) stage.Endpoint { return e }, ""},
	} {
		r := Run(t.Context(), c, RunOptions{Seed: 1, Phones: odd(x.change)})
		if got := said(r); !strings.Contains(got, x.want) || x.want == "" && (got != "" || !r.Expected) {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
		if strings.Contains(said(r), "left behind") {
			t.Errorf("%s: goroutines are left: %s", name, said(r))
		}
	}
}

type misdials struct{ stage.Endpoint }

func (m misdials) Call(ctx context.Context, _ string) (stage.Call, error) {
	return m.Endpoint.Call(ctx, "sip:nobody@"+cell.Domain)
}

type unregistered struct{ stage.Endpoint }

func (unregistered) Register(context.Context) error { return nil }

// A request that the proxy answers itself is told by its answer.
func TestRefusedByTheProxy(t *testing.T) {
	for name, change := range map[string]func(stage.Endpoint) stage.Endpoint{
		"calls nobody":         func(e stage.Endpoint) stage.Endpoint { return misdials{e} },
		"has never registered": func(e stage.Endpoint) stage.Endpoint { return unregistered{e} },
	} {
		r := Run(t.Context(), mustParse(t, "call/stun[a=port-restricted,b=docker]"), RunOptions{Seed: 1, Phones: odd(change)})
		invite, _ := r.Observed.Step(flows.Invite)
		if got, want := invite.Cause.String(), "proxy refused INVITE: 404 Not Found"; r.Err != nil || r.Expected || got != want {
			t.Errorf("%s: %v, expected %v: %q, want %q", name, r.Err, r.Expected, got, want)
		}
	}
}

// What is no cell, no phone or no time is an error and nothing else.
func TestOddInput(t *testing.T) {
	good := mustParse(t, "register/stun[a=none]")
	for name, r := range map[string]Result{
		"no cell":     Run(t.Context(), cell.Cell{}, RunOptions{}),
		"no phone":    Run(t.Context(), good, RunOptions{Phones: stage.Phones{cell.A: {Name: "empty"}}}),
		"no time":     Run(t.Context(), good, RunOptions{MediaTime: -time.Second}),
		"no such NAT": Run(t.Context(), cell.Default(flows.Call, "none", "conical"), RunOptions{}),
	} {
		if r.Err == nil || r.Status() != Broken {
			t.Errorf("%s: %v, %s", name, r.Err, r.Status())
		}
	}
	if o := Observe(cell.Cell{}, nil); len(o.Steps) != 0 {
		t.Errorf("%+v", o)
	}
	if _, err := Predict(cell.Cell{}, nil); !errors.Is(err, flows.ErrNoFlow) {
		t.Error(err)
	}
}

// Of a call that is over at once media is not judged.
func TestShortTalk(t *testing.T) {
	c := mustParse(t, "call/stun[a=port-restricted,b=none,registrar=received,rport=true]")
	for _, talk := range []time.Duration{time.Nanosecond, 20 * time.Millisecond, 400 * time.Millisecond, time.Second} {
		r := Run(t.Context(), c, RunOptions{Seed: 1, MediaTime: talk})
		if r.Err != nil || !r.Expected {
			t.Errorf("%v: %v %v", talk, r.Err, r.Surprises())
		}
		if _, judged := r.Observed.Step(flows.RTPAToB); judged != (talk == time.Second) {
			t.Errorf("%v: judged %v", talk, judged)
		}
	}
}
