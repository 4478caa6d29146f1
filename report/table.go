package report

// table is the rectangle that both the text and the Markdown report draw.
type table struct {
	corner  string
	columns []string
	rows    []tableRow
}

type tableRow struct {
	name    string
	entries []mark // one a column, of the first columns; the zero mark is a cell that was not played
}

func (m mark) isZero() bool { return m == mark{} }

// at is the entry of a column.
func (r tableRow) at(column int) mark {
	if column < len(r.entries) {
		return r.entries[column]
	}
	return mark{}
}
