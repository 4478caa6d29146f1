package judge

import (
	"fmt"
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// Problems gathers what is wrong with a configuration.
type Problems []error

// Add adds what is wrong with a setting.
func (p *Problems) Add(setting, format string, args ...any) {
	*p = append(*p, &natmodels.ConfigError{Setting: setting, Problem: fmt.Sprintf(format, args...)})
}

// AddrProblem says why an address cannot be a box's own, or nothing.
func AddrProblem(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "not an address"
	case a.Is4In6():
		return "an IPv4-mapped IPv6 address; give the IPv4 address"
	case a.Zone() != "":
		return "an address with a zone"
	case a.IsUnspecified():
		return "the unspecified address"
	case a.IsMulticast():
		return "a multicast address"
	}
	return ""
}

// maxExternal is how many external addresses a box can have.
const maxExternal = 4096

// External checks the external addresses of a box that translates.
func (p *Problems) External(external []netip.Addr) {
	if len(external) == 0 {
		p.Add("external", "a translating NAT needs an external address")
		return
	}
	if len(external) > maxExternal {
		p.Add("external", "%d addresses are more than %d", len(external), maxExternal)
	}
	seen := make(map[netip.Addr]bool, len(external))
	for _, a := range external {
		if problem := AddrProblem(a); problem != "" {
			p.Add("external", "%v: %s", a, problem)
		} else if a.Is4() != external[0].Is4() {
			p.Add("external", "%v and %v are of different families", external[0], a)
		}
		if seen[a] {
			p.Add("external", "%v is listed twice", a)
		}
		seen[a] = true
	}
}

// Nowhere refuses a place to a box that has no use for one, and says why. A seed binds to nothing
// and is welcome anywhere.
func (p *Problems) Nowhere(place natmodels.Place, why string) {
	if len(place.External) > 0 {
		p.Add("external", "%s, so it cannot honour this", why)
	}
	p.NoStatic(place, why)
}

// NoStatic refuses port forwards.
func (p *Problems) NoStatic(place natmodels.Place, why string) {
	if len(place.Static) > 0 {
		p.Add("static", "%s, so it cannot honour this", why)
	}
}

// Prefixes checks prefixes that are translated 1:1.
func (p *Problems) Prefixes(prefixes []natmodels.PrefixMapping) {
	for i, m := range prefixes {
		in, ex := m.Internal, m.External
		switch {
		case !in.IsValid() || !ex.IsValid() || in != in.Masked() || ex != ex.Masked():
			p.Add("prefixes", "%v and %v are not both prefixes", in, ex)
		case in.Addr().Is4() != ex.Addr().Is4() || in.Bits() != ex.Bits():
			p.Add("prefixes", "%v and %v are not of the same family and length", in, ex)
		case in.Addr().Is4() != prefixes[0].Internal.Addr().Is4():
			p.Add("prefixes", "%v is of another family than those before", in)
		case in.Overlaps(ex):
			p.Add("prefixes", "%v and %v overlap", in, ex)
		}
		for _, o := range prefixes[:i] {
			if o.Internal.Overlaps(in) || o.External.Overlaps(ex) || o.Internal.Overlaps(ex) || o.External.Overlaps(in) {
				p.Add("prefixes", "%v and %v overlap with those before", in, ex)
			}
		}
	}
}

// Beside checks prefixes beside the external addresses of a box that has both.
func (p *Problems) Beside(prefixes []natmodels.PrefixMapping, external []netip.Addr) {
	for _, m := range prefixes {
		if len(external) > 0 && m.Internal.Addr().Is4() != external[0].Is4() {
			p.Add("prefixes", "%v is of another family than the external addresses", m.Internal)
		}
		for _, a := range external {
			if m.External.Contains(a) {
				p.Add("prefixes", "%v contains the external address %v", m.External, a)
			}
		}
	}
}

// Become is the error of a box that cannot become what a model is.
func Become(is, to natmodels.Kind) error {
	return &natmodels.ConfigError{Setting: "kind", Problem: fmt.Sprintf("a %v cannot become a %v while it runs", is, to)}
}

// OutsideOf lists the prefixes outside.
func OutsideOf(prefixes []natmodels.PrefixMapping) []netip.Prefix {
	all := make([]netip.Prefix, len(prefixes))
	for i, p := range prefixes {
		all[i] = p.External
	}
	return all
}
