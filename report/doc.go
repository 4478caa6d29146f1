// Package report shows the results of package scenarios to people and to
// machines: a text matrix for a terminal, a Markdown one for the summary of a CI
// job, JSON, and a ladder of one cell with every rewrite at a NAT and every drop
// with its reason.
//
//	report.Text(os.Stdout, []report.Section{{Results: results}}, report.Options{})
//	report.Ladder(os.Stdout, result, report.Options{Color: true})
//
// Everything is made from scenarios.Result values; nothing is played, timed or
// looked up here. The same results give the same bytes. Colour, if asked for,
// only repeats what the text says.
//
// It is not a template engine: there is one form of each report.
package report
