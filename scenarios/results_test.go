package scenarios

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/natproof/natproof/vnet"
)

// observedAs is what a run would see if theory were right, as packets tell it.
func observedAs(o Outcome) Outcome {
	var steps []StepOutcome
	for _, s := range o.Steps {
		if s.Fate == Lost {
			s.Cause.Src = netip.MustParseAddrPort("203.0.113.30:5060")
			s.Cause.Dst = netip.MustParseAddrPort("198.51.100.1:40001")
			s.Cause.Why = "admits only 203.0.113.20:3478"
		}
		steps = append(steps, s)
	}
	return Conclude(steps)
}

func TestJudge(t *testing.T) {
	cell := DefaultCell(FlowRegister, "symmetric", NoNAT)
	predicted, err := Predict(cell)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a predicted failure for the predicted reason is expected", func(t *testing.T) {
		r := Judge(cell, 1, predicted, observedAs(predicted))
		if !r.Expected || len(r.Surprises()) != 0 {
			t.Errorf("surprises: %+v", r.Surprises())
		}
		want := "register response a: nat-a dropped 200 to REGISTER 203.0.113.30:5060 -> 198.51.100.1:40001: filtered: admits only 203.0.113.20:3478; " +
			"invite: nat-a dropped INVITE 203.0.113.30:5060 -> 198.51.100.1:40001: filtered: admits only 203.0.113.20:3478"
		if r.Cause != want {
			t.Errorf("cause:\n%s\nwant\n%s", r.Cause, want)
		}
	})
	t.Run("the same failure for another reason is a surprise", func(t *testing.T) {
		o := observedAs(predicted)
		for i := range o.Steps {
			if o.Steps[i].Step == Invite {
				o.Steps[i].Cause.Rule = "expired"
			}
		}
		r := Judge(cell, 1, predicted, o)
		if r.Expected || len(r.Surprises()) != 1 || r.Surprises()[0].Step != Invite {
			t.Errorf("expected %v, surprises %+v", r.Expected, r.Surprises())
		}
	})
	t.Run("an unpredicted success is a surprise", func(t *testing.T) {
		o := observedAs(predicted)
		for i := range o.Steps {
			o.Steps[i].Fate, o.Steps[i].Cause = Arrived, Cause{}
		}
		r := Judge(cell, 1, predicted, Conclude(o.Steps))
		if r.Expected || r.Observed.Register != OK || r.Cause != "" {
			t.Errorf("expected %v, observed %+v, cause %q", r.Expected, r.Observed, r.Cause)
		}
	})
	t.Run("RTCP that was not judged is no surprise", func(t *testing.T) {
		cell := mediaCell("none", "none")
		predicted, err := Predict(cell)
		if err != nil {
			t.Fatal(err)
		}
		var steps []StepOutcome
		for _, s := range predicted.Steps {
			if s.Step != RTCPAToB && s.Step != RTCPBToA {
				steps = append(steps, s)
			}
		}
		r := Judge(cell, 1, predicted, Conclude(steps))
		if !r.Expected || r.Observed.RTCP != "" || r.Predicted.RTCP != TwoWay {
			t.Errorf("expected %v, RTCP %q", r.Expected, r.Observed.RTCP)
		}
	})
	t.Run("what was not sent is told when nothing was lost", func(t *testing.T) {
		cell := mediaCell("none", "none")
		cell.Silent = SideA
		predicted, err := Predict(cell)
		if err != nil {
			t.Fatal(err)
		}
		r := Judge(cell, 1, predicted, predicted)
		if !r.Expected || r.Cause != "rtp a>b: a sent no RTP: it is silent" {
			t.Errorf("expected %v, cause %q", r.Expected, r.Cause)
		}
	})
}

func TestDropCause(t *testing.T) {
	e := vnet.Event{
		Kind: vnet.Dropped, Box: BoxInternet, Reason: vnet.NoRoute,
		Src: netip.MustParseAddrPort("203.0.113.30:5060"), Dst: netip.MustParseAddrPort("10.0.0.2:5060"),
		Detail: "no-route: 10.0.0.2 is a private address",
	}
	got := DropCause("INVITE", e).String()
	if want := "internet dropped INVITE 203.0.113.30:5060 -> 10.0.0.2:5060: no-route: 10.0.0.2 is a private address"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDocument(t *testing.T) {
	cell := DefaultCell(FlowRegister, "symmetric", NoNAT)
	predicted, err := Predict(cell)
	if err != nil {
		t.Fatal(err)
	}
	results := []Result{
		Judge(cell, 7, predicted, observedAs(predicted)),
		{Cell: mediaCell("none", "sym"), Seed: 7, Err: errors.New("lab: cannot be built")},
	}
	var first, second bytes.Buffer
	if err := NewDocument(7, results).Encode(&first); err != nil {
		t.Fatal(err)
	}
	if err := NewDocument(7, results).Encode(&second); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Error("the same results gave different bytes")
	}
	var back Document
	if err := json.Unmarshal(first.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(NewDocument(7, results), back); diff != "" {
		t.Errorf("read back (-wrote +read):\n%s", diff)
	}
	c := back.Cells[0]
	if c.ID != "register/stun[a=symmetric]" || !c.Expected || c.Observed.Register != Failed || c.Observed.Media != NoWay {
		t.Errorf("first cell: %+v", c)
	}
	if c := back.Cells[1]; c.Expected || c.Observed != nil || c.Error != "lab: cannot be built" {
		t.Errorf("cell that could not be played: %+v", c)
	}
	if !strings.Contains(first.String(), `"step": "register response a"`) {
		t.Error("no steps in the document")
	}
}

func TestRunAllKeepsOrder(t *testing.T) {
	cells := Media()
	for _, jobs := range []int{0, 1, 3, 100} {
		var told []Cell
		results := runAll(context.Background(), cells, jobs,
			func(r Result) { told = append(told, r.Cell) },
			func(_ context.Context, c Cell) Result { return Result{Cell: c} })
		if len(results) != len(cells) || len(told) != len(cells) {
			t.Fatalf("jobs %d: %d results, %d told", jobs, len(results), len(told))
		}
		for i := range cells {
			if results[i].Cell != cells[i] || told[i] != cells[i] {
				t.Fatalf("jobs %d: place %d has %s, told %s, want %s", jobs, i, results[i].Cell, told[i], cells[i])
			}
		}
	}
}

func TestRunAllKeepsWhatWasFinished(t *testing.T) {
	cells := Media()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var started atomic.Int32
	results := runAll(ctx, cells, 2, nil, func(ctx context.Context, c Cell) Result {
		if started.Add(1) > 5 {
			cancel()
			return Result{Cell: c, Err: ctx.Err()}
		}
		return Result{Cell: c}
	})
	if len(results) != 5 {
		t.Errorf("%d results, want the 5 that were finished", len(results))
	}
	place := -1
	for _, r := range results {
		i := slices.Index(cells, r.Cell)
		if r.Err != nil || i <= place {
			t.Errorf("place %d after %d: %s, %v", i, place, r.Cell, r.Err)
		}
		place = i
	}
}

func TestRunAllOfNothing(t *testing.T) {
	if r := RunAll(context.Background(), nil, RunOptions{}, 0, nil); len(r) != 0 {
		t.Errorf("results of nothing: %v", r)
	}
}
