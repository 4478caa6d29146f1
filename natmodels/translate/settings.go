package translate

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/setting"
)

// settings is the settings notation of a Config.
var settings = setting.Table[Config]{
	setting.Word("mapping", "which destinations share a mapping (RFC 4787 section 4.1, REQ-1)",
		natmodels.ParseMapping, func(c *Config) *natmodels.Dependence { return &c.Mapping }).Always().Foreseen(),
	setting.Word("filtering", "which remotes a mapping admits (RFC 4787 section 5, REQ-8)",
		natmodels.ParseFiltering, func(c *Config) *natmodels.Dependence { return &c.Filtering }).Always().Foreseen(),
	setting.Word("filter-scope", "whose packets open a filter: those through the mapping, or all of the internal endpoint (RFC 4787 section 5)",
		natmodels.ParseFilterScope, func(c *Config) *natmodels.FilterScope { return &c.FilterScope }).Foreseen(),
	setting.Word("ports", "which external port a new mapping gets (RFC 4787 section 4.2, REQ-3)",
		natmodels.ParsePortChoice, func(c *Config) *natmodels.PortChoice { return &c.PortChoice }).Always().Foreseen(),
	setting.Number("step", "the distance between sequential ports", "none", nil, func(c *Config) *int { return &c.Step }).Foreseen(),
	setting.Ports("port-range", "where ports are chosen from and preserved in", natmodels.DefaultPortRange.String(),
		func(c *Config) *natmodels.PortRange { return &c.PortRange }).Foreseen(),
	setting.Flag("parity", "a port that is not preserved keeps its parity (RFC 4787 section 4.2.2, REQ-4)",
		func(c *Config) *bool { return &c.Parity }).Foreseen(),
	setting.Flag("contiguous", "an odd port gets the one above that of its even neighbour: RTCP beside RTP (RFC 4787 section 4.2.3)",
		func(c *Config) *bool { return &c.Contiguous }).Foreseen(),
	setting.Flag("port-classes", "ports below 1024 stay below 1024 (RFC 4787 section 4.2.1, REQ-3a)",
		func(c *Config) *bool { return &c.PortClasses }).Foreseen(),
	setting.Timer("reuse-delay", "how long a port that was freed is kept from everybody (RFC 6888 REQ-8)", "none",
		func(c *Config) *time.Duration { return &c.ReuseDelay }).Foreseen(),
	setting.New("blocks", "subscribers, and how many ports each has for itself: 100.64.0.0/26 2016 (RFC 6888 REQ-14, RFC 7422)", "none",
		blocksForm, func(c *Config) *Blocks { return &c.Blocks }),
	setting.Timer("idle", "ends a mapping that was not refreshed for so long (RFC 4787 section 4.3, REQ-5)", setting.Short(DefaultIdleTimeout),
		func(c *Config) *time.Duration { return &c.IdleTimeout }).Foreseen(),
	setting.Timer("unreplied", "the same as long as nobody answered", "as idle",
		func(c *Config) *time.Duration { return &c.UnrepliedTimeout }).Foreseen(),
	setting.Timer("stream-after", "how old a UDP flow must be before idle takes the place of unreplied", "at once",
		func(c *Config) *time.Duration { return &c.StreamAfter }).Foreseen(),
	setting.Timer("well-known", "takes the place of both if only ports below 1024 were sent to (RFC 4787 section 4.3, REQ-5a)", "none",
		func(c *Config) *time.Duration { return &c.WellKnownTimeout }).Foreseen(),
	setting.Timer("permission", "ends the permission of a remote that was not sent to for so long", "as the mapping",
		func(c *Config) *time.Duration { return &c.PermissionTimeout }),
	setting.Word("refresh", "which packets restart the timer of a mapping (RFC 4787 section 4.3, REQ-6)",
		natmodels.ParseRefresh, func(c *Config) *natmodels.Refresh { return &c.Refresh }).Always().Foreseen(),
	setting.Word("hairpin", "what becomes of packets from the inside to an external address (RFC 4787 section 6, REQ-9)",
		natmodels.ParseHairpin, func(c *Config) *natmodels.HairpinMode { return &c.Hairpin }).Always().Foreseen(),
	setting.Word("unsolicited", "what becomes of packets from the outside that nothing waits for",
		setting.Among("answer of a translator to what is unsolicited", natmodels.ParseUnsolicited, natmodels.SilentDrop, natmodels.Reject), func(c *Config) *natmodels.Unsolicited { return &c.Unsolicited }).Foreseen(),
	setting.Word("pooling", "which of several external addresses a mapping gets (RFC 4787 section 4.1, REQ-2)",
		setting.Among("pooling of a translator", natmodels.ParsePooling, natmodels.Paired, natmodels.Arbitrary), func(c *Config) *natmodels.Pooling { return &c.Pooling }).Foreseen(),
	setting.New("tcp", "mapping and filtering of TCP, where they are not those of UDP (RFC 5382 REQ-1 and REQ-3)", "as UDP",
		tcpForm, func(c *Config) *OwnTCP { return &c.TCP.OwnTCP }).Foreseen(),
	setting.Timer("tcp-established", "ends an idle connection (RFC 5382 REQ-5)", setting.Short(DefaultTCPEstablished),
		func(c *Config) *time.Duration { return &c.TCP.Established }).Foreseen(),
	setting.Timer("tcp-partially-open", "ends a connection of which only SYNs were seen (RFC 7857 section 2.1)", setting.Short(DefaultTCPTransitory),
		func(c *Config) *time.Duration { return &c.TCP.PartiallyOpen }).Foreseen(),
	setting.Timer("tcp-closing", "ends a connection with a FIN from both sides (RFC 5382 REQ-5)", setting.Short(DefaultTCPTransitory),
		func(c *Config) *time.Duration { return &c.TCP.Closing }).Foreseen(),
	setting.Timer("tcp-reset", "ends a connection after a RST (RFC 7857 section 2.2)", setting.Short(DefaultTCPTransitory),
		func(c *Config) *time.Duration { return &c.TCP.Reset }).Foreseen(),
	setting.Word("tcp-syn", "what becomes of a SYN from the outside that no filter admits (RFC 5382 REQ-4)",
		ParseSYNPolicy, func(c *Config) *SYNPolicy { return &c.TCP.SYN }).Foreseen(),
	setting.Timer("icmp", "ends the mapping of an ICMP query (RFC 5508 REQ-2)", setting.Short(DefaultICMPTimeout),
		func(c *Config) *time.Duration { return &c.ICMPTimeout }).Foreseen(),
	setting.Number("limit-host", "how many mappings a subscriber can have (RFC 6888 REQ-4)", "none", setting.Count,
		func(c *Config) *int { return &c.Limits.PerSubscriber }).Foreseen(),
	setting.Number("limit-total", "how many mappings there can be", "none", setting.Count,
		func(c *Config) *int { return &c.Limits.Total }).Foreseen(),
	setting.Word("when-full", "what becomes of a packet that would need a mapping too many (RFC 6888 REQ-11)",
		ParseWhenFull, func(c *Config) *WhenFull { return &c.WhenFull }).Foreseen(),
	setting.New("under-load", "from how many mappings on, which mapping behavior and port choice hold: 1000 apdm random (RFC 4787 section 7, REQ-11)", "never",
		loadForm, func(c *Config) *UnderLoad { return &c.UnderLoad }),
}

// settingPrefix64 is the setting that a NAT64 has beside them.
const settingPrefix64 = "nat64-prefix"

// settings64 is the settings notation of a NAT64.
var settings64 = append(setting.Table[NAT64]{
	setting.New(settingPrefix64, "what the IPv4 addresses of the outside are behind (RFC 6052)", "none",
		setting.Form[netip.Prefix]{
			Words: 1,
			Parse: func(words []string) (netip.Prefix, error) { return parsePrefix(words, 0) },
			Print: func(p netip.Prefix) string {
				if !p.IsValid() {
					return ""
				}
				return p.String()
			},
		}, func(c *NAT64) *netip.Prefix { return &c.Prefix }),
}, setting.Embed(settings, func(c *NAT64) *Config { return &c.Config })...)

func parsePrefix(words []string, at int) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(words[at])
	if err != nil {
		return p, &natmodels.WordError{Word: at + 1, Err: fmt.Errorf("%q is no prefix such as 10.0.0.0/24", words[at])}
	}
	return p, nil
}

var blocksForm = setting.Form[Blocks]{
	Words: 2,
	Parse: func(words []string) (b Blocks, err error) {
		if b.Subscribers, err = parsePrefix(words, 0); err != nil {
			return b, err
		}
		b.Size, err = number(words, 1)
		return b, err
	},
	Print: func(b Blocks) string { return b.Subscribers.String() + " " + strconv.Itoa(b.Size) },
	Check: Blocks.problem,
}

var tcpForm = setting.Form[OwnTCP]{
	Words: 2,
	Parse: func(words []string) (o OwnTCP, err error) {
		o.Own = true
		if o.Mapping, err = word(words, 0, natmodels.ParseMapping); err != nil {
			return o, err
		}
		o.Filtering, err = word(words, 1, natmodels.ParseFiltering)
		return o, err
	},
	Print: func(o OwnTCP) string {
		if !o.Own {
			return ""
		}
		return o.Mapping.String() + " " + o.Filtering.String()
	},
	Check: func(o OwnTCP) string {
		switch {
		case o.Mapping > natmodels.AddressAndPortDependent || o.Filtering > natmodels.AddressAndPortDependent:
			return fmt.Sprintf("%d and %d are no behaviors", o.Mapping, o.Filtering)
		case !o.Own && o != OwnTCP{}:
			return "mapping and filtering of TCP count only if they are its own"
		}
		return ""
	},
}

var loadForm = setting.Form[UnderLoad]{
	Words: 3,
	Parse: func(words []string) (u UnderLoad, err error) {
		if u.Mappings, err = number(words, 0); err != nil {
			return u, err
		}
		if u.Mapping, err = word(words, 1, natmodels.ParseMapping); err != nil {
			return u, err
		}
		u.PortChoice, err = word(words, 2, natmodels.ParsePortChoice)
		return u, err
	},
	Print: func(u UnderLoad) string { return fmt.Sprintf("%d %v %v", u.Mappings, u.Mapping, u.PortChoice) },
	Check: func(u UnderLoad) string {
		switch {
		case u.Mapping > natmodels.AddressAndPortDependent || u.PortChoice > natmodels.Sequential:
			return fmt.Sprintf("%d and %d are no behaviors", u.Mapping, u.PortChoice)
		case u.Mappings < 0:
			return fmt.Sprintf("%d mappings are less than none", u.Mappings)
		}
		return ""
	},
}

// word and number read one of several words.
func word[E any](words []string, at int, parse func(string) (E, error)) (E, error) {
	v, err := setting.One(words[at], parse)
	if err != nil {
		err = &natmodels.WordError{Word: at + 1, Err: err}
	}
	return v, err
}

func number(words []string, at int) (int, error) {
	n, err := setting.Int(words[at])
	if err != nil {
		err = &natmodels.WordError{Word: at + 1, Err: err}
	}
	return n, err
}
