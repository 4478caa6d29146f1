package certify

import "time"

// Options say how a certificate is made. The zero value is fine.
type Options struct {
	Seed uint64
	// Wait is how long it is waited for what the phone does by itself, keepalives and refreshes;
	// 0 is DefaultWait. Virtual time costs nothing.
	Wait time.Duration
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
