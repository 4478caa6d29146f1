package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/emulator/lab"
	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios/cell"
)

// labFlags are those of natproof lab.
type labFlags struct {
	clock, json, ladder string
	seed                uint64
	check, watch        bool
}

// clocks are the words of --clock.
var clocks = map[string]lab.Clock{"virtual": lab.Virtual, "real": lab.Real}

func newLab(s streams) *cobra.Command {
	var f labFlags
	cmd := &cobra.Command{
		Use:   "lab FILE.yaml",
		Short: "Play a lab of your own from a file, and judge what you expected of it",
		Long: `lab builds the network of a file - sites, NATs to any depth, links, servers, phones -
plays its script, tells what happened, and says of each expectation whether it
holds, and if not why: which box dropped which packet under which rule.

A lab without real programs plays in virtual time: an hour takes a moment, and the
same seed gives the same text. docs/schema/lab-v1.json describes the file,
examples/labs has some.

Exit codes: 0 everything is as expected, 1 something is not, 2 the file or the
command line means nothing, 3 could not run, 130 interrupted.`,
		Example: `  natproof lab examples/labs/idle-phone.yaml
  natproof lab --ladder ladder.txt --json result.json my-lab.yaml
  natproof lab --check my-lab.yaml`,
		Args: one("lab", "the file of one"),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&f.clock, "clock", "", "the `time` to play in: virtual or real; without it virtual, or real if the lab has a program")
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, "the seed of everything random, instead of the file's; not 0")
	cmd.Flags().StringVar(&f.json, "json", "", "write what happened to this `file` as JSON, or - for stdout")
	cmd.Flags().StringVar(&f.ladder, "ladder", "", "draw every message into this `file`, or - for stdout")
	cmd.Flags().BoolVar(&f.check, "check", false, "read the file and say what is wrong with it, no more")
	cmd.Flags().BoolVar(&f.watch, "watch", false, "show NAT tables, flows, drops and calls on the terminal while it plays, in real time")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("seed") && f.seed == 0 {
			return errors.New("--seed: 0 is no seed here")
		}
		clock, known := clocks[f.clock]
		if f.clock != "" && !known {
			return fmt.Errorf("--clock: %w", &cell.ValueError{Axis: "clock", Value: f.clock, Valid: []string{"virtual", "real"}})
		}
		switch {
		case f.watch && clock == lab.Virtual:
			return errors.New("--watch: nobody could watch virtual time: it takes a moment")
		case f.watch && !terminal(s.out):
			return errors.New("--watch: stdout is no terminal")
		case f.watch:
			clock = lab.Real
		}
		return playLab(cmd.Context(), args[0], f, lab.Options{Clock: clock, Seed: f.seed}, s)
	}
	return cmd
}

func playLab(ctx context.Context, name string, f labFlags, o lab.Options, s streams) error {
	file, err := lab.Load(name)
	if err == nil && f.check {
		return badLab(file.Try(), s)
	}
	if err != nil {
		return badLab(err, s)
	}
	if file.Programs() && o.Clock != lab.Virtual {
		here, code, err := emulator.Enter()
		switch {
		case err != nil:
			return &exitError{exitCannotRun, err}
		case !here && code != exitOK:
			return &exitError{code, nil}
		case !here:
			return nil
		}
		o.Programs = lab.Emulated{}
	}
	files, err := outputs(s.out, f.json, f.ladder)
	if err != nil {
		return err
	}
	defer discard(files)
	text := s.out
	if files[0].File == s.out || files[1].File == s.out {
		text = s.err
	}
	o.Trace = f.ladder != ""
	collectAsUsual()
	if real := o.Clock == lab.Real || file.Programs(); real && !f.watch && terminal(s.err) {
		o.OnLine = func(l lab.Line) { fmt.Fprintf(s.err, "%9.3f  %s %s\n", l.At.Seconds(), l.Who, l.Text) }
	}
	play := file.Play
	if f.watch {
		play = watched(file, s.out)
	}
	r, err := play(ctx, o)
	switch {
	case errors.Is(err, lab.ErrClock):
		return err
	case r == nil && errors.Is(err, context.Canceled):
		return &exitError{exitInterrupted, err}
	case r == nil:
		return badLab(err, s)
	}
	if err := writeLab(r, files, text); err != nil {
		return &exitError{exitCannotRun, err}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &exitError{exitInterrupted, fmt.Errorf("interrupted after %v of the lab", r.Lasted)}
	case err != nil:
		return &exitError{exitCannotRun, err}
	case !r.Holds():
		return &exitError{exitUnexpected, nil}
	}
	return nil
}

// badLab tells what is wrong with a file, or why a lab cannot be played.
func badLab(err error, s streams) error {
	var wrong lab.Problems
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		fmt.Fprintln(s.err, wrong)
		return &exitError{exitUsage, nil}
	}
	return &exitError{exitCannotRun, err}
}

// writeLab writes the text, and the documents that are wanted: JSON and the ladder.
func writeLab(r *lab.Result, files []output, text *os.File) error {
	if err := report.Lab(text, r, looks(text)); err != nil {
		return err
	}
	if err := files[0].json(r.Document()); err != nil {
		return err
	}
	if files[1].File == nil {
		return nil
	}
	return errors.Join(report.LabLadder(files[1], r, looks(files[1].File)), files[1].keep())
}
