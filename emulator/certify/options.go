package certify

import (
	"errors"
	"slices"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// ErrOptions is wrapped by errors about Options that mean nothing.
var ErrOptions = errors.New("certify: invalid options")

// Options say how a certificate is made. The zero value is fine.
type Options struct {
	Seed uint64 // 0 is 1
	// Wait is how long it is waited for what the phone does by itself, keepalives and refreshes;
	// 0 is DefaultWait. Virtual time costs nothing.
	Wait time.Duration
	// Choice are flows, NATs to be played, and whatever else is not the phone's own: of the axes
	// of cells, by their keys. By default registration and calls both ways are played through the
	// classic NATs, by a proxy that routes to where a REGISTER came from, to and from somebody on
	// a public address.
	Choice cell.Choice
	// All plays every class and every device, instead of predicting all but the chosen ones.
	All bool
}

// DefaultWait is time for a few keepalives of the slowest usual kind.
const DefaultWait = 5 * time.Minute

func (o Options) withDefaults() Options {
	if o.Wait == 0 {
		o.Wait = DefaultWait
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	return o
}

// Flows are those that are played if nobody chooses, by their keys.
func Flows() []string { return []string{flows.Register.Key, flows.Call.Key, flows.Called.Key} }

// Choosable are the axes that Options.Choice may have, by their keys: all but those that are the
// phone's own.
func Choosable() []string {
	var all []string
	for _, x := range cell.Axes {
		if !slices.Contains(own, x.Key) {
			all = append(all, x.Key)
		}
	}
	return all
}
