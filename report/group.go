package report

import (
	"slices"
	"strings"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// Section is a part of a report: results that belong together, under a title.
type Section struct {
	Title   string // may be empty
	Note    string // a sentence or two below the title; may be empty
	Results []scenarios.Result
}

// group is one table: results that differ in their NATs only.
type group struct {
	options cell.Cell // with A and B empty
	results []scenarios.Result
}

// groups splits results into tables, in order of first appearance.
func groups(results []scenarios.Result) []group {
	var all []group
	for _, r := range results {
		key := r.Cell
		key.A, key.B = "", ""
		i := slices.IndexFunc(all, func(g group) bool { return g.options == key })
		if i < 0 {
			all = append(all, group{options: key})
			i = len(all) - 1
		}
		all[i].results = append(all[i].results, r)
	}
	return all
}

// rows and columns are the NATs of a and of b, in order of first appearance.
func (g group) rows() []string { return g.names(func(c cell.Cell) string { return c.A }) }
func (g group) columns() []string {
	return g.names(func(c cell.Cell) string { return c.B })
}

func (g group) names(of func(cell.Cell) string) []string {
	var names []string
	for _, r := range g.results {
		if n := of(r.Cell); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

func (g group) at(a, b string) (scenarios.Result, bool) {
	i := slices.IndexFunc(g.results, func(r scenarios.Result) bool { return r.Cell.A == a && r.Cell.B == b })
	if i < 0 {
		return scenarios.Result{}, false
	}
	return g.results[i], true
}

func asExpected(r scenarios.Result) bool { return r.Expected && r.Err == nil }

// title names what all cells of the group have in common.
func (g group) title() string {
	parts := []string{g.options.Flow.Name()}
	for _, x := range cell.Axes {
		if x.Caption == nil {
			continue
		}
		if text := x.Caption(x.Get(g.options)); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ", ")
}

// isMatrix: the flow has a NAT on either side, and its table shows the media of each pair.
func (g group) isMatrix() bool { return len(flows.Of(g.options).Columns) == 0 }

// short is how a preset is called in a table; the legend says what it means.
func short(preset string) string {
	switch preset {
	case "full-cone":
		return "full"
	case "address-restricted":
		return "addr"
	case "port-restricted":
		return "port"
	case "symmetric":
		return "sym"
	}
	return preset
}

// pair names the NATs of a cell as the tables do.
func pair(c cell.Cell) string {
	if c.Flow.Uses(cell.KeyB) {
		return short(c.A) + " x " + short(c.B)
	}
	return short(c.A)
}

// presets are the NATs that occur, in order of first appearance.
func presets(sections []Section) []string {
	var names []string
	add := func(n string) {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	for _, s := range sections {
		for _, r := range s.Results {
			add(r.Cell.A)
			if r.Cell.Flow.Uses(cell.KeyB) {
				add(r.Cell.B)
			}
		}
	}
	return names
}
