package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// Exit codes. Never a count.
const (
	exitOK          = 0   // everything as predicted
	exitUnexpected  = 1   // something was not as predicted
	exitUsage       = 2   // the command line means nothing
	exitCannotRun   = 3   // a cell could not be played, a file not written
	exitNothing     = 4   // no cell matched
	exitInterrupted = 130 // stopped by a signal; what was finished is reported
)

// exitError ends the program with a code of its own. Any other error of a
// command is a usage error.
type exitError struct {
	code int
	err  error // nil: everything has been said
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// streams are where results and everything else go.
type streams struct{ out, err *os.File }

// run is the program without the process around it.
func run(ctx context.Context, args []string, s streams) int {
	root := newRoot(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return exitOK
	case !errors.As(err, &exit):
		fmt.Fprintf(s.err, "natproof: %s\nRun 'natproof help' for the commands and their flags.\n", said(err))
		return exitUsage
	case exit.err != nil:
		fmt.Fprintf(s.err, "natproof: %s\n", said(exit.err))
	}
	return exit.code
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "natproof",
		Short: "Does this SIP endpoint work through that NAT, and if not, exactly why?",
		Long: `natproof plays SIP registrations and calls through NATs of exactly known
behaviour, in one process and under virtual time, and compares what happened
with what theory predicts. A predicted failure that fails for the predicted
reason is a pass.

Exit codes: 0 as predicted, 1 something was not, 2 usage, 3 could not run,
4 nothing matched, 130 interrupted (what was finished is reported).`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		PersistentPreRunE: refuseEmpty,
	}
	root.SetFlagErrorFunc(flagError)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.AddCommand(newMatrix(s), newRun(s), newList(s), newExec(s), newLab(s), newCertify(s), newDoctor(s), newNAT(s), newDiscover(s), newServe(s), newCompletion(s))
	root.SetHelpCommand(newHelp(root))
	return root
}
