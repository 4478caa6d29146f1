// Package cell is the vocabulary of the experiments: what is varied, what one experiment is
// called, and the words for what came of it.
//
// A [Cell] is one experiment: a flow, the NAT in front of a and of b, and the remedies in
// use. What cells differ in stands in one table, [Axes]; from it come validation, the
// canonical form, identifiers, plans, JSON, flags, help texts and captions. Flows are values
// of package flows, known here by what [Flow] asks of them.
//
// An [Outcome] is what became of a cell, step by step, as predicted or as observed; a
// [Cause] names the box that stopped a step and the rule it followed.
//
// The package moves no packet and predicts nothing.
package cell
