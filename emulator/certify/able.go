package certify

import (
	"fmt"
	"slices"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
)

// able is what a phone can be told to do beside registering and calling, by the interfaces of package
// stage that its endpoints have.
type able []string

// What flows want that has no word in package stage.
const (
	hangs    = "hang up a call that it answered"
	presses  = "press keys"
	transfer = "transfer a call"
)

// abilities looks at an endpoint.
func abilities(e stage.Endpoint) able {
	var all able
	add := func(is bool, word string) {
		if is {
			all = append(all, word)
		}
	}
	_, is := e.(stage.Messenger)
	add(is, stage.Messages)
	_, is = e.(stage.Asker)
	add(is, stage.Options)
	_, is = e.(stage.Watcher)
	add(is, stage.Watches)
	_, is = e.(stage.Describer)
	add(is, stage.Describes)
	_, holds := e.(stage.Holder)
	_, renews := e.(stage.Renewer)
	add(holds && renews, stage.Reinvites)
	_, is = e.(stage.Hanger)
	add(is, hangs)
	_, is = e.(stage.Presser)
	add(is, presses)
	return all
}

// cannot is why the phone cannot play its part in a cell, or empty.
func (l Learned) cannot(c cell.Cell) string {
	f := flows.Of(c)
	for _, x := range l.Cannot {
		if x.What == toCall && f.Caller == cell.A || x.What == toBeCalled && f.Caller == cell.B {
			return fmt.Sprintf("it cannot %s, also without a NAT: %s", x.What, x.Why)
		}
	}
	wants := slices.Clone(f.Wants(cell.A))
	if f.Uses(cell.KeyDigits) {
		wants = append(wants, presses)
	}
	if c.Hangup == cell.Callee && f.Caller == cell.B {
		wants = append(wants, hangs)
	}
	if c.Host(cell.C) != "" {
		wants = append(wants, transfer) // what a call can do is not known before there is one
	}
	for _, w := range wants {
		if !slices.Contains(l.able, w) {
			return fmt.Sprintf("it cannot be told to %s", w)
		}
	}
	if f.Uses(cell.KeyExpires) {
		return "for how long it registers is its own"
	}
	return ""
}
