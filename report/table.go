package report

import (
	"github.com/natproof/natproof/scenarios/flows"
)

// table is the rectangle that both the text and the Markdown report draw.
type table struct {
	corner  string
	columns []string
	rows    []tableRow
}

type tableRow struct {
	name    string
	entries []mark // one a column; the zero mark is a cell that was not played
}

func (m mark) isZero() bool { return m == mark{} }

// table draws the group as its flow wants it.
func (g group) table() table {
	if g.isMatrix() {
		return g.matrix()
	}
	return g.list(flows.Of(g.options).Columns)
}

// matrix has a in rows and b in columns.
func (g group) matrix() table {
	t := table{corner: `a \ b`}
	columns := g.columns()
	for _, b := range columns {
		t.columns = append(t.columns, short(b))
	}
	for _, a := range g.rows() {
		row := tableRow{name: short(a)}
		for _, b := range columns {
			var m mark
			if r, ok := g.at(a, b); ok {
				m = mediaMark(r)
			}
			row.entries = append(row.entries, m)
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// list has a row for each NAT of a, and the columns of the flow.
func (g group) list(columns []flows.Column) table {
	t := table{corner: "NAT of a"}
	for _, c := range columns {
		t.columns = append(t.columns, c.Title)
	}
	for _, r := range g.results {
		row := tableRow{name: pair(r.Cell)}
		for _, c := range columns {
			if c.Steps[0].IsStream() {
				row.entries = append(row.entries, streamMark(r, c.Steps))
			} else {
				row.entries = append(row.entries, stepMark(r, c.Steps...))
			}
		}
		t.rows = append(t.rows, row)
	}
	return t
}
