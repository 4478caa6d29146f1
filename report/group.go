package report

import (
	"strings"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// group is one table: of results that differ in their NATs only, what it shows of each.
type group struct {
	options cell.Cell // with A and B empty
	tally   tally
	table   table
	causes  []cause
	rtcp    rtcpSum
	rows    map[string]int // of a matrix, by the NAT of a
	columns map[string]int // and by the NAT of b
}

func newGroup(options cell.Cell) *group {
	g := &group{options: options, tally: tally{}, rows: map[string]int{}, columns: map[string]int{}}
	g.table.corner = `a \ b`
	if !g.isMatrix() {
		g.table.corner = "NAT of a"
		for _, c := range flows.Of(options).Columns {
			g.table.columns = append(g.table.columns, c.Title)
		}
	}
	return g
}

// add takes what the table and the lines below it show of the result.
func (g *group) add(r scenarios.Result, why func(cell.Cause) string) {
	g.tally[r.Status()]++
	if g.isMatrix() {
		g.enter(r.Cell, mediaMark(r))
		g.rtcp.add(r)
	} else {
		g.list(r)
	}
	g.causes = append(g.causes, causes(r, why)...)
}

// enter puts the mark of a cell into the matrix, which has a in rows and b in columns.
func (g *group) enter(c cell.Cell, m mark) {
	t := &g.table
	column, ok := g.columns[c.B]
	if !ok {
		column = len(t.columns)
		g.columns[c.B], t.columns = column, append(t.columns, short(c.B))
	}
	row, ok := g.rows[c.A]
	if !ok {
		row = len(t.rows)
		g.rows[c.A], t.rows = row, append(t.rows, tableRow{name: short(c.A)})
	}
	entries := &t.rows[row].entries
	for len(*entries) <= column {
		*entries = append(*entries, mark{})
	}
	if (*entries)[column].isZero() {
		(*entries)[column] = m
	}
}

// list gives the NAT of a a row, with the columns of the flow.
func (g *group) list(r scenarios.Result) {
	row := tableRow{name: pair(r.Cell)}
	for _, c := range flows.Of(g.options).Columns {
		if c.Steps[0].IsStream() {
			row.entries = append(row.entries, streamMark(r, c.Steps))
		} else {
			row.entries = append(row.entries, stepMark(r, c.Steps...))
		}
	}
	g.table.rows = append(g.table.rows, row)
}

func asExpected(r scenarios.Result) bool { return r.Expected && r.Err == nil }

// title names what all cells of the group have in common.
func (g *group) title() string {
	parts := []string{g.options.Flow.Name()}
	for _, x := range cell.Axes {
		if x.Caption == nil || !x.Means(g.options) {
			continue
		}
		if text := x.Caption(x.Get(g.options)); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ", ")
}

// isMatrix: the flow has a NAT on either side, and its table shows the media of each pair.
func (g *group) isMatrix() bool { return len(flows.Of(g.options).Columns) == 0 }

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
