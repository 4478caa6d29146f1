package vnet

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:embed linkpresets.txt
var linkPresetsText string

// linkPreset is an access link as people have it.
type linkPreset struct {
	name, about, source string
	up, down            LinkConfig
}

var linkPresets = sync.OnceValues(func() ([]linkPreset, error) { return readLinkPresets(linkPresetsText) })

// LinkPreset is an access link by name, such as "dsl": the direction out of a site or
// gateway and the one into it. linkpresets.txt in this package has them, with the source
// of each figure.
//
//	up, down, err := vnet.LinkPreset("lte")
//	site, err := lab.Internet().AddSite("home", vnet.SiteConfig{Prefix: p, Link: up, Inbound: &down})
func LinkPreset(name string) (up, down LinkConfig, err error) {
	all, err := linkPresets()
	if err != nil {
		return up, down, err
	}
	i := slices.IndexFunc(all, func(p linkPreset) bool { return p.name == name })
	if i < 0 {
		return up, down, fmt.Errorf("vnet: link preset %q: there is none; there are %s", name, strings.Join(LinkPresetNames(), ", "))
	}
	return all[i].up, all[i].down, nil
}

// LinkPresetNames lists the presets in a fixed order.
func LinkPresetNames() []string {
	all, _ := linkPresets() // a test reads the file
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.name
	}
	return names
}

// LinkPresetAbout is what a preset is and where its figures come from, a sentence each;
// empty if there is no such preset.
func LinkPresetAbout(name string) (about, source string) {
	all, _ := linkPresets()
	for _, p := range all {
		if p.name == name {
			return p.about, p.source
		}
	}
	return "", ""
}

// readLinkPresets reads the text of presets: blocks of lines that begin with a key.
func readLinkPresets(text string) (all []linkPreset, err error) {
	given := map[string]bool{} // in this block
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, _ := strings.Cut(line, " ")
		value = strings.TrimSpace(value)
		if key == "preset" {
			if err := endLinkPreset(all, given); err != nil {
				return nil, err
			}
			if slices.ContainsFunc(all, func(p linkPreset) bool { return p.name == value }) {
				return nil, fmt.Errorf("vnet: link presets: line %d: preset %q is there twice", n+1, value)
			}
			all, given = append(all, linkPreset{name: value}), map[string]bool{}
			continue
		}
		if len(all) == 0 || given[key] {
			return nil, fmt.Errorf("vnet: link presets: line %d: %s before a preset, or twice in it", n+1, key)
		}
		given[key] = true
		if err := all[len(all)-1].read(key, value); err != nil {
			return nil, fmt.Errorf("vnet: link presets: line %d: %w", n+1, err)
		}
	}
	return all, endLinkPreset(all, given)
}

func (p *linkPreset) read(key, value string) (err error) {
	switch key {
	case "about":
		p.about = value
	case "source":
		p.source = value
	case "up":
		p.up, err = ParseLinkConfig(value)
	case "down":
		p.down, err = ParseLinkConfig(value)
	default:
		err = fmt.Errorf("no key %q: want preset, about, source, up or down", key)
	}
	return err
}

// endLinkPreset checks that the last preset is whole.
func endLinkPreset(all []linkPreset, given map[string]bool) error {
	for _, key := range []string{"about", "source", "up", "down"} {
		if len(all) > 0 && !given[key] {
			return fmt.Errorf("vnet: link presets: preset %q has no line %q", all[len(all)-1].name, key)
		}
	}
	return nil
}
