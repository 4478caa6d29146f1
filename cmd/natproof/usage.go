package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/natproof/natproof/natmodels"
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

// noArgs refuses arguments, with a hint for who forgot the equals sign.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "'" + cmd.CommandPath() + "' takes none"
	if cmd.Flags().Lookup(cell.KeyFlow) != nil {
		hint = "values are written --flag=value,value"
	}
	return fmt.Errorf("unexpected argument %q (%s)", args[0], hint)
}

// natHint adds where the names of NATs are to an unknown one.
func natHint(err error) error {
	var value *cell.ValueError
	var name *natmodels.UnknownError
	if errors.As(err, &value) && value.Axis == "NAT" || errors.As(err, &name) && name.What == "NAT" {
		return fmt.Errorf("%w; natproof nat list has them all", err)
	}
	return err
}

// internals are the names of packages in errors, which tell a user nothing.
var internals = regexp.MustCompile(`^((?:--[a-z-]+: |cell id "[^"]*": )*)(?:(?:catalogue|natmodels|scenarios|cell|stage|discover|connectivity|calibrate|emulator|world): (?:load: )?)+`)

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

// flagError says what is wrong with a flag: what was meant by an unknown one, or why a value
// is none.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		return unknownFlag(cmd, unknown)
	case errors.As(err, &missing):
		return fmt.Errorf("--%s: a value is missing", missing.GetFlag().Name)
	case errors.As(err, &invalid):
		return fmt.Errorf("--%s: %s", invalid.GetFlag().Name, invalidValue(invalid))
	}
	return err
}

func unknownFlag(cmd *cobra.Command, err *pflag.NotExistError) error {
	name := "--" + err.GetSpecifiedName()
	if err.GetSpecifiedShortnames() != "" {
		name = "-" + err.GetSpecifiedName()
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	text := (&cell.ValueError{Axis: "flag", Value: name, Valid: names}).Error()
	if !strings.Contains(text, "did you mean") {
		about := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()), " ")
		text = fmt.Sprintf("unknown flag %q, see '%s'", name, strings.TrimSpace(cmd.Root().Name()+" help "+about))
	}
	return errors.New(text)
}

// invalidValue says why the value is none of the flag's type.
func invalidValue(err *pflag.InvalidValueError) string {
	value, kind := err.GetValue(), err.GetFlag().Value.Type()
	switch {
	case kind == "stringSlice" && strings.Count(value, `"`)%2 == 1:
		return "a quote that does not end"
	case kind == "stringSlice":
		return "a quote amid a word"
	case kind == "duration":
		return value + " is not a duration such as 500ms or 10m"
	case kind == "bool":
		return value + " is neither true nor false"
	case errors.Is(err, strconv.ErrRange):
		return value + " is out of range"
	case strings.HasPrefix(kind, "uint") && strings.HasPrefix(value, "-"):
		return value + " is less than nothing"
	}
	return value + " is not a number"
}

// refuseEmpty refuses a flag that was given an empty word, such as that of a variable that is
// not set: it would be accepted and ignored.
func refuseEmpty(cmd *cobra.Command, _ []string) error {
	var empty error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if empty != nil {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			words := list.GetSlice()
			switch {
			case len(words) == 0:
				empty = fmt.Errorf("--%s is empty", f.Name)
			case slices.Contains(words, ""):
				empty = fmt.Errorf("--%s: a word of the list is empty", f.Name)
			}
		} else if f.Value.Type() == "string" && f.Value.String() == "" {
			empty = fmt.Errorf("--%s is empty", f.Name)
		}
	})
	return empty
}
