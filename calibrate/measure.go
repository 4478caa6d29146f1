package calibrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/discover"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/stunclient"
)

const (
	// LifetimeMax is the longest lifetime that is measured.
	LifetimeMax = 30 * time.Minute
	// precision is how closely.
	precision = 10 * time.Millisecond
)

// Measure puts the NAT into a lab, measures it and compares. A place without
// external addresses gets one, or four where the pooling needs several. The error says that the NAT could not be measured;
// if it is of a kind that no lab takes, it is ErrCannotMeasure.
func Measure(name string, model natmodels.Model, place natmodels.Place) (Result, error) {
	r := Result{Name: name, Model: model, Place: place}
	full, err := complete(placed{model, place})
	var found measurements
	if err == nil {
		found, err = measure(full, &r.Report)
	}
	if err != nil {
		return r, fmt.Errorf("calibrate: %s: %w", name, err)
	}
	r.Place, r.Properties = full.place, compare(full, found)
	return r, nil
}

// measure does not look at what the configuration says, but for how many
// addresses and which ports there are.
func measure(nat placed, report *discover.Report) (measurements, error) {
	err := inLab(nat, func(l *lab) (err error) {
		*report, err = discover.Run(context.Background(), client(l))
		return err
	})
	if err != nil {
		return nil, err
	}
	found := fromReport(*report)
	if !nat.model.Behavior().Translates() {
		return found, nil
	}
	err = inLab(nat, func(l *lab) error {
		n, err := meetNeighbours(context.Background(), l, nat)
		found[SamePort], found[Pooling] = n.samePort(), n.pooling()
		return err
	})
	return found, err
}

func client(l *lab) discover.Config {
	return discover.Config{
		Server: primary, Local: inside, Listen: l.listen,
		Tests:       discover.Tests(),
		Options:     stunclient.Options{RTO: 500 * time.Millisecond, Rc: 5, Rm: 4, Rand: random(0)},
		LifetimeMax: LifetimeMax, LifetimePrecision: precision,
	}
}

// inLab does something in a lab of its own, under virtual time. Nothing from
// outside the bubble may be waited for in it.
func inLab(nat placed, do func(*lab) error) error {
	var failed error
	err := bubble.Run(func() {
		l, err := newLab(nat)
		if err != nil {
			failed = err
			return
		}
		failed = errors.Join(do(l), l.close())
	})
	return errors.Join(err, failed)
}
