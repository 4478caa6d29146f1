package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios"
)

// axes are the flags whose values span the product of cells. Each takes a
// comma-separated list.
type axes struct {
	flags *pflag.FlagSet
	names []string
}

// addAxes defines the flags. What a flag that is not given means stands in its
// help text; it is what scenarios.Plan does.
func addAxes(cmd *cobra.Command) *axes {
	x := &axes{flags: cmd.Flags()}
	x.flags.SortFlags = false
	d := scenarios.DefaultCell("", "", "")
	presets := strings.Join(catalogue.PresetNames(), ",") +
		"; devices of the catalogue (natproof nat list); classic stands for the first five, rfc4787 for none and the nine codes, devices for all that there is a theory of"
	x.add("flow", join(scenarios.Flows()), "flows: "+join(scenarios.Flows()))
	x.add("a", "classic", "NATs in front of a: "+presets)
	x.add("b", "classic", "NATs in front of b, in calls: the same names")
	x.add("port-manager", string(d.PortManager), "how a user agent learns its public addresses: "+join(scenarios.PortManagers()))
	x.add("registrar", string(d.Registrar), "where the proxy routes to: contact (what the user agent wrote) or received (where its REGISTER came from)")
	x.add("rport", "false", "whether user agents ask for, and get, responses by RFC 3581: true,false")
	x.flags.Lookup("rport").NoOptDefVal = "true" // --rport alone
	x.add("latch", string(d.Latch), "who sends media to where media came from: "+join(scenarios.SideSets()))
	x.add("strict", string(d.Strict), "who drops media from anywhere but the signalled source: "+join(scenarios.SideSets()))
	x.add("silent", string(d.Silent), "who sends no RTP: "+join(scenarios.SilentSets()))
	x.add("filter-scope", string(d.FilterScope), "on whose account a NAT remembers who was contacted: "+join(scenarios.FilterScopes()))
	x.add("alg", string(d.ALG), "the SIP application level gateway in every NAT: "+join(scenarios.ALGs()))
	return x
}

func (x *axes) add(name, value, usage string) {
	x.flags.StringSlice(name, strings.Split(value, ","), usage)
	x.names = append(x.names, name)
}

func join[T ~string](values []T) string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	return strings.Join(names, ",")
}

// given reports whether any of the flags is on the command line.
func (x *axes) given() bool { return slices.ContainsFunc(x.names, x.flags.Changed) }

// values are the words of one flag.
func (x *axes) values(name string) []string {
	words, err := x.flags.GetStringSlice(name)
	if err != nil {
		panic(err) // add defined it
	}
	return words
}

// plan is the product of the flags. An empty list makes it empty.
func (x *axes) plan() ([]scenarios.Cell, error) {
	for _, name := range x.names {
		if len(x.values(name)) == 0 {
			return nil, nil
		}
	}
	rports, err := bools("rport", x.values("rport"))
	if err != nil {
		return nil, err
	}
	if err := x.refuseUnused(); err != nil {
		return nil, err
	}
	cells, err := scenarios.Plan(scenarios.Axes{
		Flows:        words[scenarios.Flow](x, "flow"),
		A:            nats(x.values("a")),
		B:            nats(x.values("b")),
		PortManagers: words[scenarios.PortManager](x, "port-manager"),
		Registrars:   words[scenarios.Registrar](x, "registrar"),
		Rports:       rports,
		Latches:      words[scenarios.Sides](x, "latch"),
		Stricts:      words[scenarios.Sides](x, "strict"),
		Silents:      words[scenarios.Sides](x, "silent"),
		FilterScopes: words[scenarios.FilterScope](x, "filter-scope"),
		ALGs:         words[scenarios.ALG](x, "alg"),
	})
	return cells, withGroups(err)
}

// refuseUnused refuses an option that none of the flows asked for has a use for:
// it would be accepted and ignored.
func (x *axes) refuseUnused() error {
	media := []string{"latch", "strict", "silent"}
	unused := map[scenarios.Flow][]string{
		scenarios.FlowRegister:  append([]string{"b"}, media...),
		scenarios.FlowPCToPhone: {"b"},
	}
	for _, name := range append([]string{"b"}, media...) {
		if x.flags.Changed(name) && !slices.ContainsFunc(x.values("flow"), func(flow string) bool {
			return !slices.Contains(unused[scenarios.Flow(flow)], name)
		}) {
			return fmt.Errorf("--%s means nothing to --flow %s", name, strings.Join(x.values("flow"), ","))
		}
	}
	return nil
}

// withGroups adds the names of groups to the valid names of NATs.
func withGroups(err error) error {
	var bad *scenarios.ValueError
	if errors.As(err, &bad) && bad.Axis == scenarios.AxisNAT {
		bad.Valid = append(bad.Valid, "classic", "rfc4787", "devices")
	}
	return err
}

// noArgs is cobra.NoArgs with a hint for who forgot the equals sign.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q (values are written --flag=value,value)", args[0])
	}
	return nil
}

func words[T ~string](x *axes, name string) []T {
	var values []T
	for _, w := range x.values(name) {
		values = append(values, T(w))
	}
	return values
}

// nats expands the names of groups of presets.
func nats(names []string) []string {
	var all []string
	for _, n := range names {
		switch n {
		case "classic":
			all = append(all, scenarios.Classic()...)
		case "rfc4787":
			all = append(all, scenarios.RFC4787()...)
		case "devices":
			all = append(all, scenarios.Devices()...)
		default:
			all = append(all, n)
		}
	}
	return all
}

func bools(name string, words []string) ([]bool, error) {
	var values []bool
	for _, w := range words {
		if err := scenarios.CheckValue(name, w, []string{"true", "false"}); err != nil {
			return nil, err
		}
		values = append(values, w == "true")
	}
	return values, nil
}
