// Package flows has what is played: one file a flow, each a value ([Flow]) with its name and
// story, who is in it, its steps, the axes it uses, how it is played and what its table shows.
// Reports, ladders, schemas and the command line read the value; none of them names a flow.
//
// A [Step] says how it is recognised on the wire (package wire) and which question of the
// theory decides it (package theory). So that a flow is predicted and observed by the same
// list, there is nothing else to write for a new one than its file; docs/adding.md shows how.
package flows
