package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/natproof/natproof/scenarios/cell"
)

// Usage errors speak with one voice: what was wrong, what was meant perhaps, and exit 2.

// knownCommand refuses words that are no command of this one.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if args[0] == "help" {
		return fmt.Errorf("unknown command %q, did you mean '%s help %s'?", args[0], cmd.Root().Name(), strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" "))
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return &cell.ValueError{Axis: "command", Value: args[0], Valid: names}
}

// one wants exactly one argument.
func one(what, which string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return fmt.Errorf("which %s? Give %s", what, which)
		case 1:
			return nil
		}
		return fmt.Errorf("unexpected argument %q (one %s at a time)", args[1], what)
	}
}

// internals are the names of packages in errors, which tell a user nothing.
var internals = regexp.MustCompile(`^((?:--[a-z-]+: |cell id "[^"]*": )*)(?:catalogue|natmodels|scenarios|cell|stage): (?:load: )?`)

// said is an error as it is said to a user.
func said(err error) string { return internals.ReplaceAllString(err.Error(), "$1") }

// newHelp is the help command, which refuses what it knows nothing of.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return knownCommand(about, rest)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// flagError adds what was meant to an unknown flag.
func flagError(cmd *cobra.Command, err error) error {
	name, unknown := strings.CutPrefix(err.Error(), "unknown flag: ")
	if !unknown {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return &cell.ValueError{Axis: "flag", Value: name, Valid: names}
}

// refuseEmpty refuses a flag that was given an empty word, such as that of a variable that is
// not set: it would be accepted and ignored.
func refuseEmpty(cmd *cobra.Command, _ []string) error {
	var empty error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "string" && f.Value.String() == "" && empty == nil {
			empty = fmt.Errorf("--%s is empty", f.Name)
		}
	})
	return empty
}
