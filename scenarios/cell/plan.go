package cell

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Space is the product of all axes with a list of flows.
type Space struct {
	Flows  []Flow
	Groups []Group // of NATs
}

// Group is a name for several values of an axis.
type Group struct {
	Name, Help string
	Values     func() []string
}

// Choice is a list of values, or names of groups, for each of some axes, by their keys.
// The flow has the key "flow".
type Choice map[string][]string

// Flow finds a flow by its name.
func (s Space) Flow(name string) (Flow, error) {
	for _, f := range s.Flows {
		if f.Name() == name {
			return f, nil
		}
	}
	return nil, &ValueError{Axis: "flow", Value: name, Valid: s.FlowNames()}
}

// FlowNames are the names of the flows.
func (s Space) FlowNames() []string {
	var all []string
	for _, f := range s.Flows {
		all = append(all, f.Name())
	}
	return all
}

// Plan expands the choice into cells, in a fixed order: the flow changes slowest,
// then the axes in the order of their table, and the NATs of a and b fastest, so that the
// cells of one table stand together. An axis that is not chosen has its default. What
// a flow does not use is collapsed (see Cell.Canonical) and the duplicates that
// makes are left out. The first invalid key or value is returned as a *ValueError; a choice
// that none of the flows, or none of the cells, has a use for is refused.
func (s Space) Plan(choice Choice) ([]Cell, error) {
	flows, err := s.chosenFlows(choice)
	if err != nil {
		return nil, err
	}
	if err := checkChoice(choice, flows); err != nil {
		return nil, err
	}
	order := append(axesWhere(func(x *Axis) bool { return !x.Inner }), axesWhere(func(x *Axis) bool { return x.Inner })...)
	values := make([][]string, len(order))
	for i, x := range order {
		if values[i], err = s.chosen(x, choice); err != nil {
			return nil, err
		}
	}
	var cells []Cell
	seen := map[Cell]bool{}
	var expand func(Cell, int)
	expand = func(c Cell, i int) {
		if i < len(order) {
			for _, v := range values[i] {
				order[i].set(&c, v)
				expand(c, i+1)
			}
			return
		}
		if c = c.Canonical(); !seen[c] {
			seen[c] = true
			cells = append(cells, c)
		}
	}
	for _, f := range flows {
		expand(Default(f, NoNAT, NoNAT), 0)
	}
	if err := s.checkMoot(choice, cells); err != nil {
		return nil, err
	}
	return cells, nil
}

// checkMoot refuses values of which none is in any cell, because of what else was chosen.
func (s Space) checkMoot(choice Choice, cells []Cell) error {
	for _, x := range axesWhere(func(x *Axis) bool { return x.Moot != nil }) {
		if _, given := choice[x.Key]; !given || len(cells) == 0 {
			continue
		}
		values, err := s.chosen(x, choice)
		if err != nil {
			return err
		}
		other := func(v string) bool { return v != x.Default }
		if slices.ContainsFunc(values, other) && !slices.ContainsFunc(cells, func(c Cell) bool { return other(x.Get(c)) }) {
			return invalidf("%s means nothing without %s", x.Key, x.Wants)
		}
	}
	return nil
}

func (s Space) chosenFlows(choice Choice) ([]Flow, error) {
	names, given := choice[KeyFlow]
	if !given {
		return s.Flows, nil
	}
	var flows []Flow
	for _, name := range names {
		f, err := s.Flow(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", KeyFlow, err)
		}
		flows = append(flows, f)
	}
	return flows, nil
}

// checkChoice refuses keys that there are not, and an axis that none of the flows has a use
// for: it would be accepted and ignored.
func checkChoice(choice Choice, flows []Flow) error {
	for _, key := range slices.Sorted(maps.Keys(choice)) {
		if key != KeyFlow && Lookup(key) == nil {
			return &ValueError{Axis: "axis", Value: key, Valid: append([]string{KeyFlow}, keys(Axes)...)}
		}
	}
	for _, x := range Axes {
		_, given := choice[x.Key]
		if given && len(flows) > 0 && !slices.ContainsFunc(flows, func(f Flow) bool { return f.Uses(x.Key) }) {
			var names []string
			for _, f := range flows {
				names = append(names, f.Name())
			}
			return invalidf("%s means nothing to %s %s", x.Key, KeyFlow, strings.Join(names, ","))
		}
	}
	return nil
}

// chosen are the values of the axis in a plan, groups expanded.
func (s Space) chosen(x *Axis, choice Choice) ([]string, error) {
	words, given := choice[x.Key]
	if !given {
		words = []string{x.Planned()}
	}
	var values []string
	for _, w := range words {
		if g := s.group(x, w); g != nil {
			values = append(values, g.Values()...)
			continue
		}
		w = x.spelling(w)
		if err := x.Check(w); err != nil {
			return nil, fmt.Errorf("%s: %w", x.Key, s.withGroups(x, err))
		}
		values = append(values, w)
	}
	return values, nil
}

func (s Space) group(x *Axis, name string) *Group {
	if i := slices.IndexFunc(s.Groups, func(g Group) bool { return g.Name == name }); x.NAT && i >= 0 {
		return &s.Groups[i]
	}
	return nil
}

// withGroups adds the names of groups to the valid names of NATs.
func (s Space) withGroups(x *Axis, err error) error {
	var bad *ValueError
	if x.NAT && errors.As(err, &bad) {
		for _, g := range s.Groups {
			bad.Valid = append(slices.Clip(bad.Valid), g.Name)
		}
	}
	return err
}
