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
	var all []string
	for _, a := range cell.Axes {
		all = append(all, a.Key)
	}
	return addSomeAxes(cmd, all)
}

// addSomeAxes defines a flag for the flow and for some of the rows.
func addSomeAxes(cmd *cobra.Command, keys []string) *axes {
	x := &axes{flags: cmd.Flags(), space: scenarios.Space()}
	x.flags.SortFlags = false
	flows := strings.Join(x.space.FlowNames(), ",")
	x.add(cmd, cell.KeyFlow, flows, "flows: "+flows, completeList(x.space.FlowNames(), cobra.ShellCompDirectiveNoFileComp))
	for _, key := range keys {
		a := cell.Lookup(key)
		files := cobra.ShellCompDirectiveNoFileComp
		if a.NAT { // a file of settings is one too
			files = cobra.ShellCompDirectiveDefault
		}
		x.add(cmd, a.Key, a.Planned(), x.usage(a), completeList(x.values(a), files))
		x.flags.Lookup(a.Key).NoOptDefVal = a.Alone
	}
	return x
}

func (x *axes) add(cmd *cobra.Command, name, value, usage string, complete cobra.CompletionFunc) {
	x.flags.StringSlice(name, strings.Split(value, ","), usage)
	x.names = append(x.names, name)
	if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic(err) // the flag has just been defined
	}
}

// usage is the help text of an axis: what it is, its values, and who has a use for it, or who has
// none, whichever are fewer.
func (x *axes) usage(a *cell.Axis) string {
	text := a.Help + ": " + strings.Join(a.Values, ",")
	if a.Also != "" {
		text += " and " + a.Also
	}
	if a.NAT {
		text = a.Help + ": a name that 'natproof nat list' prints, or a file of settings"
		for _, g := range x.space.Groups {
			text += "; " + g.Name + " stands for " + g.Help
		}
	}
	var with, without []string
	for _, f := range x.space.Flows {
		if f.Uses(a.Key) {
			with = append(with, f.Name())
		} else {
			without = append(without, f.Name())
		}
	}
	switch {
	case len(without) == 0:
		return text
	case len(with) < len(without):
		return text + " (for " + strings.Join(with, ", ") + " alone)"
	}
	return text + " (not for " + strings.Join(without, ", ") + ")"
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

// completeList completes the last word of a comma-separated list; files says whether the
// names of files may.
func completeList(words []string, files cobra.ShellCompDirective) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		head := typed[:strings.LastIndexByte(typed, ',')+1]
		var all []cobra.Completion
		for _, w := range words {
			all = append(all, head+w)
		}
		return all, files | cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveKeepOrder
	}
}

// given reports whether any of the flags is on the command line.
func (x *axes) given() bool { return slices.ContainsFunc(x.names, x.flags.Changed) }

// usual shows another default of a flag than that of the axis.
func (x *axes) usual(name string, words ...string) {
	f := x.flags.Lookup(name)
	if err := f.Value.(pflag.SliceValue).Replace(words); err != nil {
		panic(err) // the flag has just been defined
	}
	f.DefValue = f.Value.String()
}

// choice are the flags that are on the command line.
func (x *axes) choice() (cell.Choice, error) {
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
	return choice, nil
}

// plan is the product of the flags.
func (x *axes) plan() ([]cell.Cell, error) {
	choice, err := x.choice()
	if err != nil {
		return nil, err
	}
	cells, err := x.space.Plan(choice)
	if err != nil {
		return nil, natHint(fmt.Errorf("--%w", err)) // it begins with the name of the axis
	}
	return cells, nil
}
