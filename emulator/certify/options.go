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
	// 0 is DefaultWait, or RealWait for a phone that is a program. Virtual time costs nothing.
	Wait time.Duration
	// Jobs is how many labs with a program there are at a time; 0 is DefaultJobs. Others are played
	// one after the other.
	Jobs int
	// Choice are flows, NATs to be played, and whatever else is not the phone's own: of the axes
	// of cells, by their keys. By default registration and calls both ways are played through the
	// classic NATs, by a proxy that routes to where a REGISTER came from, to and from somebody on
	// a public address.
	Choice cell.Choice
	// All plays every class and every device, instead of predicting all but the chosen ones.
	All bool
}

const (
	// DefaultWait is time for a few keepalives of the slowest usual kind.
	DefaultWait = 5 * time.Minute
	// RealWait is time for two of the usual kind, and for a registration of a minute to be refreshed.
	RealWait = 65 * time.Second
	// DefaultJobs is how many programs a small machine runs beside each other in time.
	DefaultJobs = 4
)

func (o Options) withDefaults(real bool) Options {
	if o.Wait == 0 {
		o.Wait = DefaultWait
		if real {
			o.Wait = RealWait
		}
	}
	if o.Jobs == 0 {
		o.Jobs = DefaultJobs
	}
	if !real {
		o.Jobs = 1
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
