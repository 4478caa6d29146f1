package natmodels

// preset is one named set of settings.
type preset struct {
	name    string
	summary string
	config  Config
}

// presets in the order in which they are listed. Apart from mapping, filtering and
// port choice they all follow RFC 4787; see rfc4787.
var presets = []preset{
	{"none", "no NAT: packets are routed unchanged", Config{Kind: Router}},
	{"full-cone", "endpoint-independent mapping and filtering", rfc4787(EndpointIndependent, EndpointIndependent)},
	{"address-restricted", "endpoint-independent mapping, address-dependent filtering", rfc4787(EndpointIndependent, AddressDependent)},
	{"port-restricted", "endpoint-independent mapping, address-and-port-dependent filtering", rfc4787(EndpointIndependent, AddressAndPortDependent)},
	{"symmetric", "address-and-port-dependent mapping and filtering", rfc4787(AddressAndPortDependent, AddressAndPortDependent)},
	coded(EndpointIndependent, EndpointIndependent),
	coded(EndpointIndependent, AddressDependent),
	coded(EndpointIndependent, AddressAndPortDependent),
	coded(AddressDependent, EndpointIndependent),
	coded(AddressDependent, AddressDependent),
	coded(AddressDependent, AddressAndPortDependent),
	coded(AddressAndPortDependent, EndpointIndependent),
	coded(AddressAndPortDependent, AddressDependent),
	coded(AddressAndPortDependent, AddressAndPortDependent),
}

// rfc4787 returns a NAT that differs from RFC 4787 in nothing but the mapping and
// filtering asked for: five minutes idle (REQ-5c), refresh by outbound packets
// (REQ-6, without the optional REQ-6a), paired pooling (REQ-2), hairpinning with
// the external source (REQ-9, REQ-9a). The RFC leaves the port choice open:
// endpoint-independent mapping preserves the port where it can, the others take
// random ports, as most devices of either sort do.
func rfc4787(mapping, filtering Dependence) Config {
	c := Config{
		Mapping:     mapping,
		Filtering:   filtering,
		PortChoice:  PreserveElseRandom,
		IdleTimeout: DefaultIdleTimeout,
		Refresh:     RefreshOutbound,
		Hairpin:     ExternalSource,
		Pooling:     Paired,
	}
	if mapping != EndpointIndependent {
		c.PortChoice = Random
	}
	return c
}

func coded(mapping, filtering Dependence) preset {
	c := rfc4787(mapping, filtering)
	return preset{c.Code(), mapping.String() + " mapping, " + filtering.String() + " filtering", c}
}

// Preset returns the settings with that name, which is one of PresetNames or
// DeviceNames. One that translates still needs External addresses, and a Seed where
// ports are random.
func Preset(name string) (Config, error) {
	p, err := findPreset(name)
	return p.config, err
}

// PresetSummary says in a few words what the preset of that name does.
func PresetSummary(name string) (string, error) {
	p, err := findPreset(name)
	return p.summary, err
}

// PresetNames lists the presets that are no devices in a fixed order: none, the four
// classic names, then the nine codes.
func PresetNames() []string {
	names := make([]string, len(presets))
	for i, p := range presets {
		names[i] = p.name
	}
	return names
}

func findPreset(name string) (preset, error) {
	for _, p := range presets {
		if p.name == name {
			return p, nil
		}
	}
	for _, d := range devices {
		if d.Name == name {
			return preset{d.Name, d.Title, d.Config}, nil
		}
	}
	return preset{}, unknownName("preset", name, append(PresetNames(), DeviceNames()...))
}
