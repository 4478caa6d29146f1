package report

import (
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

// Report is one that is made as results come. It keeps of each what it will write, and no more.
type Report interface {
	// Section begins a part of the report: results that belong together, under a title, with a
	// sentence or two below it. Both may be empty. A section without results is left out.
	Section(title, note string)
	// Add takes the next result. Those that differ in their NATs only are one table as long as
	// they come one after another.
	Add(scenarios.Result)
	// Close ends the report and returns the first error of writing it.
	Close() error
}

// form is how a report writes what it has gathered.
type form interface {
	section(title, note string)
	table(g *group, first bool) // of its section
	why(cell.Cause) string      // below a table
	end(s *summary) error
}

// gathering makes tables of results as they come.
type gathering struct {
	form        form
	title, note string
	begun       bool   // the section, since it has a result
	tables      int    // of the section
	group       *group // the table that is open
	summary     summary
}

func (g *gathering) Section(title, note string) {
	g.endTable()
	g.title, g.note, g.begun, g.tables = title, note, false, 0
}

func (g *gathering) Add(r scenarios.Result) {
	if !g.begun {
		g.form.section(g.title, g.note)
		g.begun = true
	}
	options := r.Cell
	options.A, options.B = "", ""
	if g.group == nil || g.group.options != options {
		g.endTable()
		g.group = newGroup(options)
	}
	g.group.add(r, g.form.why)
	g.summary.add(r)
}

func (g *gathering) endTable() {
	if g.group != nil {
		g.form.table(g.group, g.tables == 0)
		g.tables++
		g.group = nil
	}
}

func (g *gathering) Close() error {
	g.endTable()
	return g.form.end(&g.summary)
}
