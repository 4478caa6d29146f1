package scenarios

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

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
	want := Document{Schema: Schema, Seed: 7}
	for _, b := range []*bytes.Buffer{&first, &second} {
		doc := NewDocumentWriter(b, 7)
		for _, r := range results {
			doc.Add(r)
		}
		if err := doc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range results {
		want.Cells = append(want.Cells, documentCell(r))
	}
	if first.String() != second.String() {
		t.Error("the same results gave different bytes")
	}
	var back Document
	if err := json.Unmarshal(first.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	sameAxes := cmp.Comparer(func(a, b Axes) bool { return a == b })
	if diff := cmp.Diff(want, back, sameAxes); diff != "" {
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
		i := 0
		for r := range runAll(context.Background(), takes(cells, RunOptions{}), jobs, func(_ context.Context, x Take) Result {
			c := x.Cell
			return Result{Cell: c}
		}) {
			if i == len(cells) || r.Cell != cells[i] {
				t.Fatalf("jobs %d: place %d has %s", jobs, i, r.Cell)
			}
			i++
		}
		if i != len(cells) {
			t.Fatalf("jobs %d: %d results of %d", jobs, i, len(cells))
		}
	}
}

func TestRunAllYieldsWhatWasFinished(t *testing.T) {
	cells := Media()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var started atomic.Int32
	place, count := -1, 0
	for r := range runAll(ctx, takes(cells, RunOptions{}), 2, func(ctx context.Context, x Take) Result {
		c := x.Cell
		if started.Add(1) > 5 {
			cancel()
			return Result{Cell: c, Err: ctx.Err()}
		}
		return Result{Cell: c}
	}) {
		i := slices.Index(cells, r.Cell)
		if r.Err != nil || i <= place {
			t.Errorf("place %d after %d: %s, %v", i, place, r.Cell, r.Err)
		}
		place = i
		count++
	}
	if count != 5 {
		t.Errorf("%d results, want the 5 that were finished", count)
	}
}

// Who breaks off ends the run: no cell is being played any more.
func TestRunAllBreaksOff(t *testing.T) {
	defer goleak.VerifyNone(t)
	var playing atomic.Int32
	count := 0
	for range runAll(context.Background(), takes(Media(), RunOptions{}), 3, func(_ context.Context, x Take) Result {
		c := x.Cell
		defer playing.Add(-1)
		playing.Add(1)
		return Result{Cell: c}
	}) {
		if count++; count == 4 {
			break
		}
	}
	if n := playing.Load(); n != 0 {
		t.Errorf("%d cells are still being played", n)
	}
}

// While one cell takes its time no more than a fixed number of others are finished ahead of it.
func TestRunAllKeepsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const jobs = 3
		cells := make([]cell.Cell, 1000)
		slow := make(chan bool)
		var started atomic.Int32
		next, stop := iter.Pull(runAll(context.Background(), takes(cells, RunOptions{}), jobs, func(_ context.Context, x Take) Result {
			c := x.Cell
			if started.Add(1) == 1 {
				<-slow
			}
			return Result{Cell: c}
		}))
		defer stop()
		go func() {
			time.Sleep(time.Second) // nothing moves but what the slow cell does not hold up
			if n := started.Load(); n > jobs*(ahead+1)+1 {
				t.Errorf("%d cells were started while the first of them was played", n)
			}
			close(slow)
		}()
		count := 0
		for _, ok := next(); ok; _, ok = next() {
			count++
		}
		if count != len(cells) {
			t.Errorf("%d results of %d", count, len(cells))
		}
	})
}

func TestRunAllOfNothing(t *testing.T) {
	for r := range RunAll(context.Background(), nil, RunOptions{}, 0) {
		t.Errorf("a result of nothing: %v", r)
	}
}

// What a run recorded is in its result only if it was asked for.
func TestResultsKeepNoTrace(t *testing.T) {
	c := mediaCell("symmetric", "full-cone")
	for _, trace := range []bool{false, true} {
		for r := range RunAll(t.Context(), []cell.Cell{c}, RunOptions{Seed: 1, Trace: trace}, 1) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			if kept := r.Events != nil || r.Boxes != nil || r.Told != nil; kept != trace {
				t.Errorf("trace %v: %d events, %d boxes, %d told", trace, len(r.Events), len(r.Boxes), len(r.Told))
			}
		}
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
	var b bytes.Buffer
	doc := NewDocumentWriter(&b, 1)
	doc.Add(Result{Cell: c, Err: errors.New("not < played & > so")})
	if err := doc.Close(); err != nil {
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
