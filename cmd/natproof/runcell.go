package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

func options(seed uint64, trace bool) scenarios.RunOptions {
	return scenarios.RunOptions{Seed: seed, Trace: trace}
}

func newRun(s streams) *cobra.Command {
	var seed uint64
	var trace, brief bool
	cmd := &cobra.Command{
		Use:   "run ID",
		Short: "Play one cell and show every message, rewrite and drop",
		Long: `run plays one cell and prints a ladder: an arrow for each message with its
virtual time in seconds, the rewrite and the mapping at each NAT, a cross with
the reason where a packet was dropped; then what was predicted, what was
observed, and why.

ID is what 'natproof list' prints. What it leaves out is ` + strings.Join(defaults(), ", ") + `.`,
		Example: `  natproof run 'register/stun[a=symmetric]'
  natproof run 'call/stun[a=symmetric,b=port-restricted,registrar=received,rport=true,latch=both]'`,
		Args: one("cell", "the id of one, as 'natproof list' prints them"),
	}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "the seed of everything random")
	cmd.Flags().BoolVar(&trace, "trace", false, "print the events instead, one a line, with times in nanoseconds and random identifiers numbered: one seed, one text")
	cmd.Flags().BoolVar(&brief, "brief", false, "let calls talk no longer than they must, as 'matrix --all' does")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := scenarios.ParseID(args[0])
		if err != nil {
			return natHint(err)
		}
		opts := options(seed, true)
		opts.Brief = brief
		return runCell(cmd.Context(), c, opts, s, trace)
	}
	return cmd
}

// ladder and events are two ways to show what happened.
func ladder(to *os.File, r scenarios.Result) error { return report.Ladder(to, r, looks(to)) }
func events(to *os.File, r scenarios.Result) error { return report.Trace(to, r.Events) }

func runCell(ctx context.Context, c cell.Cell, opts scenarios.RunOptions, s streams, trace bool) error {
	show := ladder
	if trace {
		show = events
	}
	r := scenarios.Run(ctx, c, opts)
	if err := show(s.out, r); err != nil {
		return &exitError{exitCannotRun, err}
	}
	if ctx.Err() != nil && r.Err != nil {
		return &exitError{exitInterrupted, ctx.Err()}
	}
	if trace && r.Status() != scenarios.Pass { // the events do not say so
		if err := report.Conclusion(s.err, r, looks(s.err)); err != nil {
			return &exitError{exitCannotRun, err}
		}
	}
	return tally{r.Status(): 1}.verdict(false)
}

// defaults are what an identifier does not say.
func defaults() []string {
	var all []string
	for _, x := range cell.Axes {
		if !x.Named && !x.Path {
			all = append(all, x.Key+"="+x.Default)
		}
	}
	return all
}
