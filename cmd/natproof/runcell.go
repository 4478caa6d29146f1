package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios"
)

// mediaTime is how long the ends of a call talk.
const mediaTime = 12 * time.Second

func options(seed uint64, trace bool) scenarios.RunOptions {
	return scenarios.RunOptions{Seed: seed, MediaTime: mediaTime, Trace: trace}
}

func newRun(s streams) *cobra.Command {
	var seed uint64
	cmd := &cobra.Command{
		Use:   "run ID",
		Short: "Play one cell and show every message, rewrite and drop",
		Long: `run plays one cell and prints a ladder: an arrow for each message with its
virtual time in seconds, the rewrite and the mapping at each NAT, a cross with
the reason where a packet was dropped; then what was predicted, what was
observed, and why.

ID is what 'natproof list' prints. What it leaves out is registrar=contact,
rport=false, latch=none, strict=none, silent=none, filter-scope=mapping,
alg=off.`,
		Example: `  natproof run 'register/stun[a=symmetric]'
  natproof run 'call/stun[a=symmetric,b=port-restricted,registrar=received,rport=true,latch=both]'`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "the seed of everything random")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cell, err := scenarios.ParseID(args[0])
		if err != nil {
			return err
		}
		return runCell(cmd.Context(), cell, seed, s)
	}
	return cmd
}

func runCell(ctx context.Context, cell scenarios.Cell, seed uint64, s streams) error {
	r := scenarios.Run(ctx, cell, options(seed, true))
	if err := report.Ladder(s.out, r, report.Options{Color: colored(s.out)}); err != nil {
		return &exitError{exitCannotRun, err}
	}
	if ctx.Err() != nil && r.Err != nil {
		return &exitError{exitInterrupted, ctx.Err()}
	}
	return verdict([]scenarios.Result{r})
}
