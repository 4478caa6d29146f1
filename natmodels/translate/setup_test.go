package translate

import (
	"fmt"
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// setup is a NAT and its place, as tests write them.
type setup struct {
	Config
	natmodels.Place
	NAT64 netip.Prefix
}

func (s setup) model() natmodels.Model {
	if s.NAT64.IsValid() {
		return NAT64{s.Config, s.NAT64}
	}
	return s.Config
}

// box is what New makes of it; nat is one without NAT64.
func (s setup) box() (natmodels.Box, error) { return s.model().New(s.Place) }

func (s setup) nat() (*NAT, error) { return New(s.Config, s.Place) }

// presetOf returns the NAT of one of the nine codes, or of a classic name.
func presetOf(name string) (setup, error) {
	classic := map[string]string{"full-cone": "eim-eif", "address-restricted": "eim-adf", "port-restricted": "eim-apdf", "symmetric": "apdm-apdf"}
	for m := natmodels.EndpointIndependent; m <= natmodels.AddressAndPortDependent; m++ {
		for f := natmodels.EndpointIndependent; f <= natmodels.AddressAndPortDependent; f++ {
			if cfg := RFC4787(m, f); cfg.Behavior().Code() == name || cfg.Behavior().Code() == classic[name] {
				return setup{Config: cfg}, nil
			}
		}
	}
	return setup{}, fmt.Errorf("no preset %q", name)
}

// presetNames lists them all.
func presetNames() []string {
	names := []string{"full-cone", "address-restricted", "port-restricted", "symmetric"}
	for _, m := range []string{"eim", "adm", "apdm"} {
		for _, f := range []string{"eif", "adf", "apdf"} {
			names = append(names, m+"-"+f)
		}
	}
	return names
}
