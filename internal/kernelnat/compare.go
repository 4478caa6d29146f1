package kernelnat

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Runner puts sequences through boxes of one kind.
type Runner interface {
	// Name is what its traces are called in a report.
	Name() string
	// Run puts each sequence through, none of which sees anything of the others.
	Run(seqs []Sequence) ([]*Run, error)
}

// Maker makes a box for one sequence. The boxes it makes draw different random
// numbers.
type Maker func() (Box, error)

// Virtual runs sequences through models, with pauses that take no time.
type Virtual struct {
	Label string
	Make  Maker
}

// Name implements Runner.
func (v Virtual) Name() string { return v.Label }

// Run implements Runner.
func (v Virtual) Run(seqs []Sequence) ([]*Run, error) {
	runs := make([]*Run, len(seqs))
	for i, s := range seqs {
		box, err := v.Make()
		if err != nil {
			return nil, err
		}
		runs[i] = NewRun(s, Place(i%Places), box)
		at := time.Duration(0)
		for !runs[i].Done() {
			at += runs[i].Next().Pause
			if err := runs[i].Step(at); err != nil {
				return nil, err
			}
		}
	}
	return runs, nil
}

// Divergence is a sequence that two boxes answer differently.
type Divergence struct {
	Seq         Sequence
	Step        int // the first step that differs, counted from 1
	Left, Right []string
	Names       [2]string
}

// Compare returns how two runs of the same sequence differ, or nil.
func Compare(left, right *Run, names [2]string) *Divergence {
	l, r := left.Trace(), right.Trace()
	for i := range l {
		if l[i] != r[i] {
			return &Divergence{Seq: left.Seq, Step: i + 1, Left: l, Right: r, Names: names}
		}
	}
	return nil
}

// same reports whether two divergences of a sequence are the same one.
func (d *Divergence) same(o *Divergence) bool {
	return d.Step == o.Step && d.Left[d.Step-1] == o.Left[d.Step-1] && d.Right[d.Step-1] == o.Right[d.Step-1]
}

// upToStep leaves out what came after the divergence.
func (d *Divergence) upToStep() {
	d.Seq, d.Left, d.Right = d.Seq[:d.Step], d.Left[:d.Step], d.Right[:d.Step]
}

// String prints both traces, the difference marked.
func (d *Divergence) String() string {
	var b strings.Builder
	for i, s := range d.Seq {
		if d.Left[i] == d.Right[i] {
			fmt.Fprintf(&b, "  %2d  %-44v %s\n", i+1, s, d.Left[i])
			continue
		}
		fmt.Fprintf(&b, "! %2d  %-44v %s: %s\n", i+1, s, d.Names[0], d.Left[i])
		fmt.Fprintf(&b, "!     %-44s %s: %s\n", "", d.Names[1], d.Right[i])
	}
	return b.String()
}

// Difference compares what one runner makes of sequences with what the boxes of a
// Maker do.
type Difference struct {
	Runner Runner
	Model  Maker
}

// Find runs the sequences and returns the divergences that are none of chance.
func (d Difference) Find(seqs []Sequence) ([]*Divergence, error) {
	runs, err := d.Runner.Run(seqs)
	if err != nil {
		return nil, err
	}
	return d.Judge(runs)
}

// repeats is how often a divergence is repeated to tell it from a coincidence, such
// as two random ports that are equal.
const repeats = 3

// Judge compares runs with the model, and repeats those that diverge: it returns the
// ones that do the same each time.
func (d Difference) Judge(runs []*Run) ([]*Divergence, error) {
	found, err := d.against(runs)
	for range repeats {
		found = slices.DeleteFunc(found, func(f *Divergence) bool { return f == nil })
		if err != nil || len(found) == 0 {
			return nil, err
		}
		if runs, err = d.Runner.Run(sequencesOf(found)); err != nil {
			return nil, err
		}
		var again []*Divergence
		again, err = d.against(runs)
		for i, a := range again {
			if a != nil && !a.same(found[i]) {
				again[i] = nil
			}
		}
		found = again
	}
	return slices.DeleteFunc(found, func(f *Divergence) bool { return f == nil }), err
}

func sequencesOf(found []*Divergence) []Sequence {
	seqs := make([]Sequence, len(found))
	for i, f := range found {
		seqs[i] = f.Seq
	}
	return seqs
}

// against repeats runs, at the same times, each with a box of its own. Where they
// agree the divergence is nil.
func (d Difference) against(runs []*Run) ([]*Divergence, error) {
	found := make([]*Divergence, len(runs))
	for i, run := range runs {
		box, err := d.Model()
		if err != nil {
			return nil, err
		}
		twin := NewRun(run.Seq, run.Place, box)
		for _, at := range run.At {
			if err := twin.Step(at); err != nil {
				return nil, err
			}
		}
		found[i] = Compare(run, twin, [2]string{d.Runner.Name(), "model"})
	}
	return found, nil
}

// Shrink makes a divergence as short as it can, leaving out steps one by one.
func (d Difference) Shrink(f *Divergence) (*Divergence, error) {
	for {
		f.upToStep()
		candidates := make([]Sequence, 0, len(f.Seq))
		for i := range f.Seq {
			if shorter := f.Seq.Without(i); len(shorter) > 0 {
				candidates = append(candidates, shorter)
			}
		}
		found, err := d.Find(candidates)
		if err != nil || len(found) == 0 {
			return f, err
		}
		f = slices.MinFunc(found, func(a, b *Divergence) int { return a.Step - b.Step })
	}
}

// Without returns the sequence without one step (counted from 0) and without the
// steps that refer to it.
func (s Sequence) Without(at int) Sequence {
	number := make([]int, len(s)+1) // old number to new one, 0 if gone
	var out Sequence
	for i, step := range s {
		gone := i == at
		for _, ref := range step.refersTo() {
			gone = gone || ref != 0 && number[ref] == 0
		}
		if gone {
			continue
		}
		for _, ref := range []*int{&step.From.Seen, &step.To.Seen, &step.About} {
			*ref = number[*ref]
		}
		step.Data = renumber(step.Data, number)
		out = append(out, step)
		number[i+1] = len(out)
	}
	return out
}
