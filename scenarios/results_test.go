package scenarios

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// observedAs is what a run would see if theory were right, as packets tell it.
func observedAs(o cell.Outcome) cell.Outcome {
	var steps []cell.StepOutcome
	for _, s := range o.Steps {
		if s.Fate == cell.Lost {
			s.Cause.Src = netip.MustParseAddrPort("203.0.113.30:5060")
			s.Cause.Dst = netip.MustParseAddrPort("198.51.100.1:40001")
			s.Cause.Why = "admits only 203.0.113.20:3478"
		}
		steps = append(steps, s)
	}
	return cell.Conclude(steps)
}

func TestJudge(t *testing.T) {
	c := cell.Default(flows.Register, "symmetric", cell.NoNAT)
	predicted, err := Predict(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a predicted failure for the predicted reason is expected", func(t *testing.T) {
		r := Judge(c, 1, predicted, observedAs(predicted))
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
			if o.Steps[i].Step == flows.Invite {
				o.Steps[i].Cause.Rule = "expired"
			}
		}
		r := Judge(c, 1, predicted, o)
		if r.Expected || len(r.Surprises()) != 1 || r.Surprises()[0].Step != flows.Invite {
			t.Errorf("expected %v, surprises %+v", r.Expected, r.Surprises())
		}
	})
	t.Run("an unpredicted success is a surprise", func(t *testing.T) {
		o := observedAs(predicted)
		for i := range o.Steps {
			o.Steps[i].Fate, o.Steps[i].Cause = cell.Arrived, cell.Cause{}
		}
		r := Judge(c, 1, predicted, cell.Conclude(o.Steps))
		if r.Expected || r.Observed.Register != cell.OK || r.Cause != "" {
			t.Errorf("expected %v, observed %+v, cause %q", r.Expected, r.Observed, r.Cause)
		}
	})
	t.Run("RTCP that was not judged is no surprise", func(t *testing.T) {
		c := mediaCell(cell.NoNAT, cell.NoNAT)
		predicted, err := Predict(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		var steps []cell.StepOutcome
		for _, s := range predicted.Steps {
			if s.Step != flows.RTCPAToB && s.Step != flows.RTCPBToA {
				steps = append(steps, s)
			}
		}
		r := Judge(c, 1, predicted, cell.Conclude(steps))
		if !r.Expected || r.Observed.RTCP != "" || r.Predicted.RTCP != cell.TwoWay {
			t.Errorf("expected %v, RTCP %q", r.Expected, r.Observed.RTCP)
		}
	})
	t.Run("what was not sent is told when nothing was lost", func(t *testing.T) {
		c := mediaCell(cell.NoNAT, cell.NoNAT)
		c.Silent = cell.SideA
		predicted, err := Predict(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := Judge(c, 1, predicted, predicted)
		if !r.Expected || r.Cause != "rtp a>b: a sent no RTP: it is silent" {
			t.Errorf("expected %v, cause %q", r.Expected, r.Cause)
		}
	})
}

func TestDocument(t *testing.T) {
	c := cell.Default(flows.Register, "symmetric", cell.NoNAT)
	predicted, err := Predict(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	results := []Result{
		Judge(c, 7, predicted, observedAs(predicted)),
		{Cell: mediaCell(cell.NoNAT, "symmetric"), Seed: 7, Err: errors.New("lab: cannot be built")},
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
	sameAxes := cmp.Comparer(func(a, b Axes) bool { return a == b })
	if diff := cmp.Diff(NewDocument(7, results), back, sameAxes); diff != "" {
		t.Errorf("read back (-wrote +read):\n%s", diff)
	}
	if c := back.Cells[0]; c.ID != "register/stun[a=symmetric]" || c.Status != Pass || !*c.Expected || c.Observed.Register != cell.Failed || c.Observed.Media != cell.NoWay {
		t.Errorf("first cell: %+v", c)
	}
	if c := back.Cells[1]; c.Status != Broken || c.Expected != nil || c.Observed != nil || c.Error != "lab: cannot be built" {
		t.Errorf("cell that could not be played: %+v", c)
	}
	if !strings.Contains(first.String(), `"step": "register response a"`) {
		t.Error("no steps in the document")
	}
}

func TestRunAllKeepsOrder(t *testing.T) {
	cells := Media()
	for _, jobs := range []int{0, 1, 3, 100} {
		var told []cell.Cell
		results := runAll(context.Background(), cells, jobs,
			func(r Result) { told = append(told, r.Cell) },
			func(_ context.Context, c cell.Cell) Result { return Result{Cell: c} })
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
	results := runAll(ctx, cells, 2, nil, func(ctx context.Context, c cell.Cell) Result {
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

// mediaCell is a call whose signalling works everywhere.
func mediaCell(a, b string) cell.Cell {
	c := cell.Default(flows.Call, a, b)
	c.Registrar, c.Rport = cell.RegistrarReceived, true
	return c
}

// The flow and the axes are fields of a cell, right behind its id, in the order of their
// table; what is true or false is that in JSON too.
func TestDocumentAxes(t *testing.T) {
	c := mediaCell("symmetric", "full-cone")
	c.Latch, c.ALG = cell.BothSides, "full"
	doc := NewDocument(1, []Result{{Cell: c, Err: errors.New("not < played & > so")}})
	var b bytes.Buffer
	if err := doc.Encode(&b); err != nil {
		t.Fatal(err)
	}
	var axes strings.Builder
	for _, x := range cell.Axes {
		value := fmt.Sprintf("%q", x.Get(c))
		if x.Bool {
			value = x.Get(c)
		}
		fmt.Fprintf(&axes, "      %q: %s,\n", x.JSON, value)
	}
	for _, want := range []string{`
    {
      "id": "call/stun[a=symmetric,b=full-cone,registrar=received,rport=true,latch=both,alg=full]",
      "flow": "call",
` + axes.String() + `      "status": "error",
      "cause": "",
      "steps": [],
      "error": "not < played & > so"
    }
`, `"a": "symmetric",`, `"portManager": "stun",`, `"rport": true,`, `"silent": "none",`, `"alg": "full",`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got\n%s\nwithout\n%s", b.String(), want)
		}
	}
}
