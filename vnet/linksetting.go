package vnet

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// linkSetting is a field of LinkConfig in text.
type linkSetting struct {
	name string
	get  func(*LinkConfig) string // "" if it is not set
	set  func(*LinkConfig, string) error
}

// linkSettings are all of them, in the order in which they are written.
var linkSettings = []linkSetting{
	durationSetting("latency", func(c *LinkConfig) *time.Duration { return &c.Latency }),
	durationSetting("jitter", func(c *LinkConfig) *time.Duration { return &c.Jitter }),
	namedSetting("distribution", func(c *LinkConfig) *Distribution { return &c.Distribution }, distributions...),
	switchSetting("unordered", func(c *LinkConfig) *bool { return &c.Unordered }),
	shareSetting("loss", func(c *LinkConfig) *float64 { return &c.Loss }),
	shareSetting("burst-p", func(c *LinkConfig) *float64 { return &c.Bursts.P }),
	shareSetting("burst-r", func(c *LinkConfig) *float64 { return &c.Bursts.R }),
	shareSetting("burst-loss-good", func(c *LinkConfig) *float64 { return &c.Bursts.LossGood }),
	shareSetting("burst-loss-bad", func(c *LinkConfig) *float64 { return &c.Bursts.LossBad }),
	shareSetting("duplicate", func(c *LinkConfig) *float64 { return &c.Duplicate }),
	shareSetting("reorder", func(c *LinkConfig) *float64 { return &c.Reorder }),
	durationSetting("reorder-by", func(c *LinkConfig) *time.Duration { return &c.ReorderBy }),
	numberSetting("reorder-distance", func(c *LinkConfig) *int { return &c.ReorderDistance }),
	shareSetting("bit-errors", func(c *LinkConfig) *float64 { return &c.BitErrors }),
	numberSetting("rate", func(c *LinkConfig) *int { return &c.Rate }),
	numberSetting("bit-rate", func(c *LinkConfig) *int64 { return &c.BitRate }),
	namedSetting("discipline", func(c *LinkConfig) *Discipline { return &c.Discipline }, DropTail, FQCoDel),
	numberSetting("queue", func(c *LinkConfig) *int { return &c.Queue }),
	numberSetting("queue-packets", func(c *LinkConfig) *int { return &c.QueuePackets }),
	durationSetting("codel-target", func(c *LinkConfig) *time.Duration { return &c.CoDel.Target }),
	durationSetting("codel-interval", func(c *LinkConfig) *time.Duration { return &c.CoDel.Interval }),
	numberSetting("codel-quantum", func(c *LinkConfig) *int { return &c.CoDel.Quantum }),
	numberSetting("codel-flows", func(c *LinkConfig) *int { return &c.CoDel.Flows }),
	numberSetting("mtu", func(c *LinkConfig) *int { return &c.MTU }),
}

// perfect is the text of the zero LinkConfig.
const perfect = "perfect"

// String is the configuration as [ParseLinkConfig] reads it: what is set, in a fixed order.
// A distribution that is a table of your own is named only.
func (c LinkConfig) String() string {
	var set []string
	for _, s := range linkSettings {
		if v := s.get(&c); v != "" {
			set = append(set, s.name+"="+v)
		}
	}
	if len(set) == 0 {
		return perfect
	}
	return strings.Join(set, " ")
}

// ParseLinkConfig reads a configuration such as "latency=20ms loss=0.01 bit-rate=10M":
// settings named as the fields of LinkConfig are, in lower case and with hyphens, blanks
// between them. Numbers may end in k, M or G, probabilities in %. "perfect" is the zero
// value. What it reads is valid.
func ParseLinkConfig(text string) (LinkConfig, error) {
	var c LinkConfig
	words := strings.Fields(text)
	if len(words) == 0 {
		return c, fmt.Errorf("vnet: link: no settings: want some, such as latency=20ms, or %q", perfect)
	}
	if len(words) == 1 && words[0] == perfect {
		return c, nil
	}
	seen := map[string]bool{}
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			return LinkConfig{}, fmt.Errorf("vnet: link: %q: want name=value, such as latency=20ms", w)
		}
		if seen[name] {
			return LinkConfig{}, fmt.Errorf("vnet: link: %s is set twice", name)
		}
		seen[name] = true
		if err := setLink(&c, name, value); err != nil {
			return LinkConfig{}, fmt.Errorf("vnet: link: %w", err)
		}
	}
	if err := c.check(); err != nil {
		return LinkConfig{}, fmt.Errorf("vnet: %w", err)
	}
	return c, nil
}

func setLink(c *LinkConfig, name, value string) error {
	names := make([]string, len(linkSettings))
	for i, s := range linkSettings {
		if s.name == name {
			if err := s.set(c, value); err != nil {
				return fmt.Errorf("%s=%s: %w", name, value, err)
			}
			return nil
		}
		names[i] = s.name
	}
	return fmt.Errorf("no setting %q; there are %s", name, strings.Join(names, ", "))
}

func durationSetting(name string, field func(*LinkConfig) *time.Duration) linkSetting {
	return linkSetting{name,
		func(c *LinkConfig) string {
			if *field(c) == 0 {
				return ""
			}
			return field(c).String()
		},
		func(c *LinkConfig, v string) error {
			d, err := time.ParseDuration(v)
			if err != nil {
				return errors.New("want a duration with its unit, such as 20ms or 1.5s")
			}
			*field(c) = d
			return nil
		}}
}

func shareSetting(name string, field func(*LinkConfig) *float64) linkSetting {
	return linkSetting{name,
		func(c *LinkConfig) string {
			if *field(c) == 0 {
				return ""
			}
			return strconv.FormatFloat(*field(c), 'g', -1, 64)
		},
		func(c *LinkConfig, v string) error {
			number, percent := strings.CutSuffix(v, "%")
			f, err := strconv.ParseFloat(number, 64)
			if err != nil {
				return errors.New("want a probability, such as 0.01 or 1%")
			}
			if percent {
				f /= 100
			}
			*field(c) = f
			return nil
		}}
}

// scales are what a number may end in.
var scales = []struct {
	suffix string
	by     int64
}{{"G", 1e9}, {"M", 1e6}, {"k", 1e3}}

func numberSetting[T int | int64](name string, field func(*LinkConfig) *T) linkSetting {
	return linkSetting{name,
		func(c *LinkConfig) string {
			v := int64(*field(c))
			if v == 0 {
				return ""
			}
			for _, s := range scales {
				if v%s.by == 0 {
					return strconv.FormatInt(v/s.by, 10) + s.suffix
				}
			}
			return strconv.FormatInt(v, 10)
		},
		func(c *LinkConfig, v string) error {
			number, by := v, int64(1)
			for _, s := range scales {
				if rest, ok := strings.CutSuffix(v, s.suffix); ok {
					number, by = rest, s.by
				}
			}
			n, err := strconv.ParseInt(number, 10, 64)
			if err != nil || n > 1<<62/by || n < -1<<62/by || int64(T(n*by)) != n*by {
				return errors.New("want a whole number, such as 1500, 64k or 10M")
			}
			*field(c) = T(n * by)
			return nil
		}}
}

func switchSetting(name string, field func(*LinkConfig) *bool) linkSetting {
	return linkSetting{name,
		func(c *LinkConfig) string {
			if !*field(c) {
				return ""
			}
			return "true"
		},
		func(c *LinkConfig, v string) error {
			if v != "true" && v != "false" {
				return errors.New("want true or false")
			}
			*field(c) = v == "true"
			return nil
		}}
}

func namedSetting[T interface {
	comparable
	fmt.Stringer
}](name string, field func(*LinkConfig) *T, values ...T) linkSetting {
	return linkSetting{name,
		func(c *LinkConfig) string {
			if *field(c) == values[0] {
				return ""
			}
			return (*field(c)).String()
		},
		func(c *LinkConfig, v string) error {
			names := make([]string, len(values))
			for i, value := range values {
				if names[i] = value.String(); names[i] == v {
					*field(c) = value
					return nil
				}
			}
			return fmt.Errorf("want %s", strings.Join(names, ", "))
		}}
}
