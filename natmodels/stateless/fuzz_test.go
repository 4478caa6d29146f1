package stateless

import (
	"net/netip"
	"testing"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// FuzzMixed plays packets of every protocol, pauses and changes to a box without state, and
// to what was saved of it before, which must answer the same.
func FuzzMixed(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{1, 0, 0, 1, 1, 4, 2, 1, 1})
	f.Add([]byte{24, 0, 6, 7, 3, 4, 4, 9, 0, 12, 3, 4, 11, 5, 1, 2, 3, 10, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		in := boxtest.Input(data)
		read := func(in *boxtest.Input) natmodels.Model {
			bits := int(in.Byte())
			if bits == 0 {
				return Router{}
			}
			return PrefixTranslator{[]natmodels.PrefixMapping{{Internal: netip.PrefixFrom(in.Addr(), bits).Masked(), External: netip.PrefixFrom(in.Addr(), bits).Masked()}}}
		}
		m := read(&in)
		if m.Validate() != nil {
			m = PrefixTranslator{[]natmodels.PrefixMapping{{Internal: netip.MustParsePrefix("10.0.0.0/24"), External: netip.MustParsePrefix("198.51.100.0/24")}}}
		}
		n := boxtest.New(t, m, natmodels.Place{Seed: 1})
		if n == nil {
			t.Fatalf("%+v is refused", m)
		}
		boxtest.Fuzzed{Any: read, Valid: func(_ *boxtest.Input, n natmodels.Box) natmodels.Model { return n.Model() }}.Mixed(t, n, &in)
	})
}
