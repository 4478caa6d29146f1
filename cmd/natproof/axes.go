package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

// axes are the flags whose values span the product of cells. Each takes a
// comma-separated list.
type axes struct {
	flags *pflag.FlagSet
	names []string
	space cell.Space
}

// addAxes defines a flag for the flow and for each row of cell.Axes.
func addAxes(cmd *cobra.Command) *axes {
	x := &axes{flags: cmd.Flags(), space: scenarios.Space()}
	x.flags.SortFlags = false
	flows := strings.Join(x.space.FlowNames(), ",")
	x.add(cmd, cell.KeyFlow, flows, "flows: "+flows, x.space.FlowNames())
	for _, a := range cell.Axes {
		x.add(cmd, a.Key, a.Planned(), x.usage(a), x.values(a))
		x.flags.Lookup(a.Key).NoOptDefVal = a.Alone
	}
	return x
}

func (x *axes) add(cmd *cobra.Command, name, value, usage string, words []string) {
	x.flags.StringSlice(name, strings.Split(value, ","), usage)
	x.names = append(x.names, name)
	if err := cmd.RegisterFlagCompletionFunc(name, completeList(words)); err != nil {
		panic(err) // the flag has just been defined
	}
}

// usage is the help text of an axis: what it is, its values, and who has no use for it.
func (x *axes) usage(a *cell.Axis) string {
	text := a.Help + ": " + strings.Join(a.Values, ",")
	if a.NAT {
		text = a.Help + ": a name that 'natproof nat list' prints, or a file of settings"
		for _, g := range x.space.Groups {
			text += "; " + g.Name + " stands for " + g.Help
		}
	}
	var without []string
	for _, f := range x.space.Flows {
		if !f.Uses(a.Key) {
			without = append(without, f.Name())
		}
	}
	if len(without) > 0 {
		text += " (not for " + strings.Join(without, ", ") + ")"
	}
	return text
}

// values are the words that complete the flag of an axis.
func (x *axes) values(a *cell.Axis) []string {
	words := slices.Clone(a.Values)
	if a.NAT {
		for _, g := range x.space.Groups {
			words = append(words, g.Name)
		}
	}
	return words
}

// completeList completes the last word of a comma-separated list.
func completeList(words []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		head := typed[:strings.LastIndexByte(typed, ',')+1]
		var all []cobra.Completion
		for _, w := range words {
			all = append(all, head+w)
		}
		return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveKeepOrder
	}
}

// given reports whether any of the flags is on the command line.
func (x *axes) given() bool { return slices.ContainsFunc(x.names, x.flags.Changed) }

// plan is the product of the flags.
func (x *axes) plan() ([]cell.Cell, error) {
	choice := cell.Choice{}
	for _, name := range x.names {
		if !x.flags.Changed(name) {
			continue
		}
		words, err := x.flags.GetStringSlice(name)
		if err != nil {
			return nil, err
		}
		choice[name] = words
	}
	cells, err := x.space.Plan(choice)
	if err != nil {
		return nil, fmt.Errorf("--%w", err) // it begins with the name of the axis
	}
	return cells, nil
}

// noArgs is cobra.NoArgs with a hint for who forgot the equals sign.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q (values are written --flag=value,value)", args[0])
	}
	return nil
}
