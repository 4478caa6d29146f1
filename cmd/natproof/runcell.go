package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
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

ID is what 'natproof list' prints. What it leaves out is ` + strings.Join(defaults(), ", ") + `.`,
		Example: `  natproof run 'register/stun[a=symmetric]'
  natproof run 'call/stun[a=symmetric,b=port-restricted,registrar=received,rport=true,latch=both]'`,
		Args: oneID,
	}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "the seed of everything random")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := scenarios.ParseID(args[0])
		if err != nil {
			return err
		}
		return runCell(cmd.Context(), c, seed, s)
	}
	return cmd
}

// oneID wants exactly one argument.
func oneID(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("which cell? Give the id of one, as 'natproof list' prints them")
	case 1:
		return nil
	}
	return fmt.Errorf("unexpected argument %q (one cell at a time; put the id in quotes)", args[1])
}

func runCell(ctx context.Context, c cell.Cell, seed uint64, s streams) error {
	r := scenarios.Run(ctx, c, options(seed, true))
	if err := report.Ladder(s.out, r, looks(s.out)); err != nil {
		return &exitError{exitCannotRun, err}
	}
	if ctx.Err() != nil && r.Err != nil {
		return &exitError{exitInterrupted, ctx.Err()}
	}
	return verdict([]scenarios.Result{r}, false)
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
