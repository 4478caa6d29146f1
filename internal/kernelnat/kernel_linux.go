package kernelnat

import "time"

// Kernel puts sequences through the kernel.
type Kernel struct {
	*Router
	next Place
	from int // connections since the last flush, at most
}

// Send implements Box.
func (k *Kernel) Send(from Side, p Packet, _ time.Duration) ([]Emission, error) {
	return k.Router.Send(from, p)
}

// tableSize is how many packets are sent before the table of connections is
// flushed.
const tableSize = 50_000

// place returns addresses for one more sequence.
func (k *Kernel) place(steps int) (Place, error) {
	k.from += steps
	k.next++
	if k.next == Places || k.from > tableSize {
		if err := k.Flush(); err != nil {
			return 0, err
		}
		k.next, k.from = k.next%Places, steps
	}
	return k.next, nil
}

// Name implements Runner.
func (k *Kernel) Name() string { return "kernel" }

// Run implements Runner. It puts the sequences through the kernel, all at once where they pause: each
// waits only for itself.
func (k *Kernel) Run(seqs []Sequence) ([]*Run, error) {
	start := time.Now()
	runs := make([]*Run, len(seqs))
	due := make([]time.Duration, len(seqs))
	for i, s := range seqs {
		place, err := k.place(len(s))
		if err != nil {
			return nil, err
		}
		runs[i] = NewRun(s, place, k)
		if err := advance(runs[i], &due[i], start); err != nil {
			return nil, err
		}
	}
	for {
		at := time.Duration(-1)
		for i, r := range runs {
			if !r.Done() && (at < 0 || due[i] < at) {
				at = due[i]
			}
		}
		if at < 0 {
			return runs, nil
		}
		time.Sleep(at - time.Since(start))
		if _, err := k.Sweep(); err != nil {
			return nil, err
		}
		for i, r := range runs {
			if !r.Done() && due[i] <= at {
				if err := advance(r, &due[i], start); err != nil {
					return nil, err
				}
			}
		}
	}
}

// advance takes the steps up to the next pause; due is when that is over. Pauses
// count from one another, not from when the steps between them were done.
func advance(r *Run, due *time.Duration, start time.Time) error {
	for !r.Done() {
		pause := r.Next().Pause
		if err := r.Step(time.Since(start)); err != nil {
			return err
		}
		if pause > 0 {
			*due += pause
			return nil
		}
	}
	return nil
}
