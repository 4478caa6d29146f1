package flows

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// Flow is what is played. Flows are compared by identity: there is one value of each.
type Flow struct {
	Key   string // its name in identifiers, JSON and flags
	Order int    // its place in lists
	// Help says what it is in a few words, and Story what happens, in sentences that follow
	// "a is behind X."
	Help, Story string
	// Ends are who is in it.
	Ends map[cell.Side]End
	// Without lists the axes that mean nothing to it; all others it uses, those of media only
	// if it has any.
	Without []string
	With    []string  // of the axes that must be asked for, those that it asks for
	Caller  cell.Side // who calls whom
	// Brief is how long its calls must talk for RTP to be judged; 0 is [DefaultMediaTime].
	Brief time.Duration
	// Able lists what it wants of an end beside registering and calling (see package stage).
	Able map[cell.Side][]string
	// Attacked is to whom a stranger sends media in the call; empty is nobody.
	Attacked cell.Side
	// Talk is whose call its media is judged in: the caller, and who is called by it. Empty is
	// the caller and the other end.
	Talk [2]cell.Side
	// Ring is how long the callee rings and is heard meanwhile; 0 is that it answers at once.
	Ring time.Duration
	// Longer is how long a call talks for what happens in it, beside the usual time.
	Longer time.Duration
	Steps  []Step // in the order in which they happen
	Play   func(ctx context.Context, p *Play)
	// Columns are those of its table, which has a row for each NAT of a. Without any the
	// table has the NATs of b in its columns, and shows the media of each call.
	Columns []Column
}

// End is who is at an end of a flow.
type End struct {
	Box  string // the name of its host
	Says string // for a story, instead of the name of a NAT; may be empty
}

// Column is a part of a table: one step, or several that stand and fall together.
type Column struct {
	Title string
	Steps []cell.Step
}

// Step is a step of a flow: what must arrive where, how it is recognised on the wire, and
// what decides it in theory.
type Step struct {
	cell.Step
	Message  string // as causes name it
	From, To string // the boxes that send it, and that must get it
	// Match selects it on the wire; nil for a stream, which is told by its kind.
	Match wire.Match
	// Sees tells of it instead, if it is neither.
	Sees func(cell.Cell, *wire.Tape) (cell.Fate, cell.Cause)
	// Each are boxes of whom in the place of a it must be true too; nil is nobody.
	Each func(cell.Cell) []string
	// If says of which cells it is a step; nil is all.
	If func(cell.Cell) bool
	// After is what passes before it, beside what steps take; nil is nothing.
	After func(*theory.Network)
	// During is the time in which a stream is judged; nil is the call.
	During func(*wire.Tape) (wire.Talk, bool)
	// Asks is the question of the theory.
	Asks func(*theory.Network) theory.Answer
	// Needs are earlier steps without which it is not sent.
	Needs []Need
	// Only: without what it needs it is not looked for, since others send the like of it.
	Only bool
}

// Need is an earlier step, and why its loss means that a later one is not sent.
type Need struct {
	Step cell.Step
	Why  string
}

// Name is the key.
func (f *Flow) Name() string { return f.Key }

// Rings is how long its callee rings and is heard.
func (f *Flow) Rings() time.Duration { return f.Ring }

// Calls is who calls.
func (f *Flow) Calls() cell.Side { return f.Caller }

// Uses reports whether the flow has a use for an axis.
func (f *Flow) Uses(axis string) bool {
	if x := cell.Lookup(axis); x != nil && (x.Media && !f.Media() || x.Asked && !slices.Contains(f.With, axis)) {
		return false
	}
	return !slices.Contains(f.Without, axis)
}

// Wants is what it wants of an end beside registering and calling.
func (f *Flow) Wants(side cell.Side) []string { return f.Able[side] }

// Host is the box at that end.
func (f *Flow) Host(side cell.Side) string { return f.Ends[side].Box }

// sides are those of its ends, in order.
func (f *Flow) sides() []cell.Side { return slices.Sorted(maps.Keys(f.Ends)) }

// talking are the two of whose call media is judged, the caller first.
func (f *Flow) talking() (caller, callee cell.Side) {
	if f.Talk != [2]cell.Side{} {
		return f.Talk[0], f.Talk[1]
	}
	return f.Caller, f.Caller.Other()
}

// Media reports whether RTP runs between the ends.
func (f *Flow) Media() bool {
	return slices.ContainsFunc(f.Steps, func(s Step) bool { return s.IsStream() })
}

// Briefly is how long a call must talk in that cell for RTP to be judged, or 0: where something
// happens in the midst of it there must be time before and after.
func (f *Flow) Briefly(c cell.Cell) time.Duration {
	if when := cell.Lookup(cell.KeyWhen); f.Uses(when.Key) && when.Get(c) != when.Default {
		return 0
	}
	return f.Brief
}

// In are the steps of the flow in a cell.
func (f *Flow) In(c cell.Cell) []Step {
	steps := make([]Step, 0, len(f.Steps))
	for _, s := range f.Steps {
		if s.If == nil || s.If(c) {
			steps = append(steps, s)
		}
	}
	return steps
}

// Established reports whether a flow with media came so far that it could run.
func (f *Flow) Established(o cell.Outcome) bool {
	for _, s := range f.Steps {
		if !s.IsStream() {
			continue
		}
		for _, need := range s.Needs {
			if x, ok := o.Step(need.Step); !ok || x.Fate != cell.Arrived {
				return false
			}
		}
	}
	return true
}

// Attacks reports whether an end is attacked by a stranger.
func (f *Flow) Attacks(side cell.Side) bool { return f.Attacked == side }

// String is the key.
func (f *Flow) String() string { return f.Key }

var registered []*Flow

// add puts a flow on the list.
func add(f Flow) *Flow {
	registered = append(registered, &f)
	return &f
}

// All are the flows, in their order.
func All() []*Flow {
	return slices.SortedFunc(slices.Values(registered), func(a, b *Flow) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Key, b.Key))
	})
}

// Of is the flow of a valid cell (see scenarios.Predict).
func Of(c cell.Cell) *Flow { return c.Flow.(*Flow) }

// ErrNoFlow is the error of a cell without a flow, or with one that is not of this package.
var ErrNoFlow = errors.New("flows: the cell has no flow that can be played")

// Check returns an error unless Of can answer.
func Check(c cell.Cell) error {
	if f, ok := c.Flow.(*Flow); !ok || f == nil || f.Play == nil {
		return ErrNoFlow
	}
	return c.Validate()
}
