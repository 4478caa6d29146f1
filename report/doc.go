// Package report shows the results of package scenarios to people and to
// machines: a text matrix for a terminal, a Markdown one for the summary of a CI
// job, and a ladder of one cell with every rewrite at a NAT and every drop
// with its reason.
//
//	text := report.Text(os.Stdout, report.Options{})
//	for result := range scenarios.RunAll(ctx, cells, scenarios.RunOptions{Seed: 1}, 0) {
//		text.Add(result)
//	}
//	err := text.Close()
//
//	err = report.Ladder(os.Stdout, result, report.Options{Color: true})
//
// A [Report] takes results as they come and keeps of each what it will write; that in JSON is a
// [scenarios.DocumentWriter]. Everything is made from scenarios.Result values; nothing is played, timed or
// looked up here. The same results give the same bytes. Colour, if asked for,
// only repeats what the text says.
//
// [Lab] and [LabLadder] show a lab from a file (package emulator/lab) in the same way.
//
// It is not a template engine: there is one form of each report.
package report
