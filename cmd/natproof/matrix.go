package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

// part is a titled piece of the report before it is played.
type part struct {
	title, note string
	cells       []cell.Cell
}

// show is what natproof matrix plays when no axis is given.
func show() []part {
	return []part{
		{
			title: "1. \"STUN works in three of four NATs\": registration and an incoming call",
			note:  "Plain RFC 3261: the user agent writes the address a STUN server told it into Via and Contact, without rport, and the registrar routes to the Contact.",
			cells: scenarios.Claim(),
		},
		{
			title: "2. The same with rport and a registrar that routes to where the REGISTER came from",
			cells: scenarios.Remedied(),
		},
		{
			title: "3. On that base, media between every two NATs: plain, then with both sides latching",
			cells: scenarios.Media(),
		},
	}
}

// matrixFlags are those of natproof matrix beside the axes.
type matrixFlags struct {
	seed           uint64
	jobs           int
	json, markdown string
	requireTheory  bool
	all            bool
	every          int
}

func newMatrix(s streams) *cobra.Command {
	var f matrixFlags
	cmd := &cobra.Command{
		Use:   "matrix",
		Short: "Play every combination of flows, NATs and remedies and show what works",
		Long: `matrix plays the product of the given values and prints one table for each
combination of options, with the cause of every failure below it.

With none of the product's flags it shows three things: that STUN alone is
enough for registrations and incoming calls through three classic NATs of four;
that with rport and a registrar that routes to where the REGISTER came from it
is enough for all; and which calls then have media, plain and with both sides
latching.

With --all it plays every flow through every pair of NATs, with each axis and each
two axes varied, and shows sums instead of tables. What it varies is told by
'go doc ./scenarios Everything'; --every 100 plays each hundredth of it.`,
		Example: `  natproof matrix
  natproof matrix --flow call --a rfc4787 --b rfc4787 --registrar received --rport --latch none,both
  natproof matrix --flow register --port-manager local,static,stun --json results.json`,
		Args: noArgs,
	}
	x := addAxes(cmd)
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "the seed of everything random; the same seed gives the same bytes")
	cmd.Flags().IntVar(&f.jobs, "jobs", 0, "cells played at a time; 0 is one for each processor")
	cmd.Flags().StringVar(&f.json, "json", "", "write the results as JSON to this `file`; - is stdout, and the tables then go to stderr")
	cmd.Flags().StringVar(&f.markdown, "markdown", "", "write the tables as Markdown to this `file`, as for the summary of a CI job; - is stdout")
	cmd.Flags().BoolVar(&f.requireTheory, "require-theory", false, "exit with 1 if there is a cell of which there is no theory")
	cmd.Flags().BoolVar(&f.all, "all", false, "play everything there is: more than 100,000 cells")
	cmd.Flags().IntVar(&f.every, "every", 1, "with --all: play every n-th cell, from the first on")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.check(x); err != nil {
			return err
		}
		if f.all {
			return everything(cmd.Context(), f, s)
		}
		parts := show()
		if x.given() {
			cells, err := x.plan()
			if err != nil {
				return err
			}
			parts = []part{{cells: cells}}
		}
		return matrix(cmd.Context(), parts, f, s)
	}
	return cmd
}

// check refuses flags that mean nothing, or nothing together.
func (f matrixFlags) check(x *axes) error {
	switch {
	case f.jobs < 0:
		return fmt.Errorf("--jobs %d is less than nothing", f.jobs)
	case f.every < 1:
		return fmt.Errorf("--every %d: there is no such cell", f.every)
	case f.every > 1 && !f.all:
		return errors.New("--every is for --all")
	case f.all && x.given():
		return errors.New("--all is every flow and every axis: no other may be given with it")
	case f.all && f.markdown != "":
		return errors.New("--markdown has tables, and --all has none")
	}
	return nil
}

// matrix plays the parts and reports them.
func matrix(ctx context.Context, parts []part, f matrixFlags, s streams) error {
	cells := 0
	for _, p := range parts {
		cells += len(p.cells)
	}
	if cells == 0 {
		return &exitError{exitNothing, errors.New("no cell matches")}
	}
	// Files are opened before the work, so that it is not done in vain.
	files, err := outputs(s.out, f.json, f.markdown)
	if err != nil {
		return err
	}
	defer discard(files)
	jsonFile, mdFile, text := files[0], files[1], s.out
	if jsonFile.File == s.out || mdFile.File == s.out {
		text = s.err
	}

	all := reports{{report.Text(text, looks(text)), output{}}}
	if jsonFile.File != nil {
		all = append(all, reportTo{results{scenarios.NewDocumentWriter(jsonFile, f.seed)}, jsonFile})
	}
	if mdFile.File != nil {
		all = append(all, reportTo{report.Markdown(mdFile, report.Options{}), mdFile})
	}
	p := newProgress(s.err, cells)
	if text == s.err && terminal(s.out) {
		p = newProgress(nil, cells) // the cells are seen as they come
	}
	return ended(ctx, cells, play(ctx, parts, f, all, p), all, f)
}

// ended closes the reports, and is the exit code that the results call for.
func ended(ctx context.Context, cells int, count tally, all reports, f matrixFlags) error {
	if err := all.close(); err != nil {
		return &exitError{exitCannotRun, err}
	}
	if played := count.total(); played < cells && ctx.Err() != nil {
		return &exitError{exitInterrupted, fmt.Errorf("interrupted: %d of %d cells were played", played, cells)}
	}
	return count.verdict(f.requireTheory)
}

// play gives every result to the reports as it comes, and keeps none.
func play(ctx context.Context, parts []part, f matrixFlags, to reports, p *progress) tally {
	defer p.done()
	count := tally{}
	for _, part := range parts {
		for _, x := range to {
			x.Section(part.title, part.note)
		}
		for r := range scenarios.RunAll(ctx, part.cells, options(f.seed, false), f.jobs) {
			p.step()
			count[r.Status()]++
			for _, x := range to {
				x.Add(r)
			}
		}
	}
	return count
}

// reports are those of one run.
type reports []reportTo

// reportTo is a report and the file to be kept when it is whole.
type reportTo struct {
	report.Report
	file output
}

// close ends every report, whatever becomes of the others.
func (all reports) close() error {
	var errs []error
	for _, x := range all {
		err := x.Close()
		if err == nil {
			err = x.file.keep()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// results are the report in JSON, which has no sections.
type results struct{ *scenarios.DocumentWriter }

func (results) Section(string, string) {}

// tally counts results by their status.
type tally map[scenarios.Status]int

func (t tally) total() int {
	n := 0
	for _, x := range t {
		n += x
	}
	return n
}

// verdict is the exit code that the results call for. The report has said why. Cells of
// which there is no theory are neither good nor bad, unless one is required of all of them;
// a run of nothing else has shown nothing.
func (t tally) verdict(requireTheory bool) error {
	switch {
	case t[scenarios.Broken] > 0:
		return &exitError{code: exitCannotRun}
	case t[scenarios.Fail] > 0:
		return &exitError{code: exitUnexpected}
	case t[scenarios.NotCovered] > 0 && requireTheory:
		return &exitError{exitUnexpected, fmt.Errorf("there is no theory of %d of %d cells, and --require-theory", t[scenarios.NotCovered], t.total())}
	case t[scenarios.Pass] == 0:
		return &exitError{exitNothing, errors.New("there is no theory of any of the cells")}
	}
	return nil
}
