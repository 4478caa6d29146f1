package vnet

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Distribution is the shape of a link's jitter. Its values are multiples of
// LinkConfig.Jitter, as netem(8) has them. The zero value is [Uniform].
type Distribution struct{ shape *shape }

type shape struct {
	name     string
	quantile func(u float64) float64 // the value that a share u in (0, 1) of all values is below
}

// The distributions of netem (iproute2, directory netem). Theirs are tables of 4096
// values; these are the functions that the tables are made from, cut off at 4 times the
// jitter as the tables are.
var (
	// Uniform is an extra delay from 0 to the jitter: half of it in the mean.
	Uniform = Distribution{}
	// Normal has mean 0 and standard deviation 1.
	Normal = Distribution{&shape{"normal", normal}}
	// Pareto is a Pareto distribution of exponent 3 from which its mean, 1.5, is taken off,
	// times 4/3: a third of the values are above 0, a few far above.
	Pareto = Distribution{&shape{"pareto", pareto}}
	// ParetoNormal is a quarter of Normal and three quarters of Pareto, which is near to
	// what has been measured in networks.
	ParetoNormal = Distribution{&shape{"paretonormal", func(u float64) float64 { return normal(u)/4 + 3*pareto(u)/4 }}}
)

var distributions = []Distribution{Uniform, Normal, Pareto, ParetoNormal}

// cutOff bounds what a distribution gives: the tables of netem hold 16 bits, 8192 being 1.
const cutOff = 4

func normal(u float64) float64 { return clip(math.Sqrt2 * math.Erfinv(2*u-1)) }

func pareto(u float64) float64 { return clip((math.Pow(1-u, -1./3) - 1.5) * 4 / 3) }

func clip(v float64) float64 { return max(-cutOff, min(cutOff, v)) }

// maxMultiple bounds the values of a table, so that delays do not overflow.
const maxMultiple = 1000

// DistributionTable is a distribution given by its values, multiples of the jitter, each
// as likely as the others: what a table of netem is after division by 8192. Traces show
// its name.
func DistributionTable(name string, values []float64) (Distribution, error) {
	if name == "" {
		return Distribution{}, fmt.Errorf("vnet: distribution: a table needs a name, which traces show")
	}
	if len(values) == 0 {
		return Distribution{}, fmt.Errorf("vnet: distribution %q: the table is empty", name)
	}
	for i, v := range values {
		if !(math.Abs(v) <= maxMultiple) {
			return Distribution{}, fmt.Errorf("vnet: distribution %q: value %d is %v: want -%d to %d times the jitter", name, i+1, v, maxMultiple, maxMultiple)
		}
	}
	values = slices.Clone(values)
	return Distribution{&shape{name, func(u float64) float64 { return values[int(u*float64(len(values)))] }}}, nil
}

// String is the name: uniform, normal, pareto, paretonormal, or that of a table.
func (s Distribution) String() string {
	if s.shape == nil {
		return "uniform"
	}
	return s.shape.name
}

// draw is a delay, which may be negative.
func (s Distribution) draw(rng *rand.Rand, jitter time.Duration) time.Duration {
	if s.shape == nil {
		return time.Duration(rng.Int64N(int64(jitter)))
	}
	u := (float64(rng.Uint64()>>12) + 0.5) / (1 << 52) // in (0, 1), neither end
	return time.Duration(s.shape.quantile(u) * float64(jitter))
}
