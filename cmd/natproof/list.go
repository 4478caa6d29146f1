package main

import (
	"bufio"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newList(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the ids of the cells that matrix would play, one a line",
		Example: `  natproof list
  natproof list --flow call --a symmetric --latch none,both`,
		Args: noArgs,
	}
	x := addAxes(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		parts := show()
		if x.given() {
			cells, err := x.plan()
			if err != nil {
				return err
			}
			parts = []part{{cells: cells}}
		}
		out := bufio.NewWriter(s.out)
		count := 0
		for _, p := range parts {
			for _, c := range p.cells {
				fmt.Fprintln(out, c.ID())
				count++
			}
		}
		if err := out.Flush(); err != nil {
			return &exitError{exitCannotRun, err}
		}
		if count == 0 {
			return &exitError{exitNothing, errors.New("no cell matches")}
		}
		return nil
	}
	return cmd
}
