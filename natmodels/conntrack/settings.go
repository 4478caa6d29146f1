package conntrack

import (
	"slices"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/setting"
)

// settings is the settings notation of a Config.
var settings = slices.Concat(setting.Table[Config]{
	setting.Word("ports", "which external port a new connection gets (RFC 4787 section 4.2)",
		setting.Among("port choice of a conntrack", natmodels.ParsePortChoice, natmodels.PreserveElseRandom, natmodels.Random),
		func(c *Config) *natmodels.PortChoice { return &c.PortChoice }).Always().Foreseen(),
	setting.Ports("port-range", "where ports are chosen from and preserved in", "1-511, 600-1023 or 1024-65535, by the internal port",
		func(c *Config) *natmodels.PortRange { return &c.PortRange }).Foreseen(),
	setting.Word("pooling", "which of several external addresses a connection gets, by the hash of Linux (RFC 4787 section 4.1)",
		setting.Among("pooling of a conntrack", natmodels.ParsePooling, natmodels.Paired, natmodels.PerDestination),
		func(c *Config) *natmodels.Pooling { return &c.Pooling }).Foreseen(),
	setting.Word("unsolicited", "what becomes of packets from the outside that nothing waits for",
		natmodels.ParseUnsolicited, func(c *Config) *natmodels.Unsolicited { return &c.Unsolicited }).Always().Foreseen(),
	setting.Flag("pass-invalid", "forwards, untranslated, the packets that it makes no sense of",
		func(c *Config) *bool { return &c.PassInvalid }).Foreseen(),
	setting.Flag("sip-helper", "keeps connections to UDP port 5060 for an hour, and reads their messages",
		func(c *Config) *bool { return &c.SIPHelper }).Foreseen(),
	setting.Prefixes("prefixes", "prefixes that are translated 1:1, and what they are outside",
		func(c *Config) *[]natmodels.PrefixMapping { return &c.Prefixes }),
}, setting.Embed(timerSettings(), func(c *Config) *Timers { return &c.Timers }))

// firewallSettings is the settings notation of a Firewall.
var firewallSettings = slices.Concat(setting.Table[Firewall]{
	setting.Word("filtering", "who may send to an internal endpoint that has a connection (RFC 4787 section 5)",
		natmodels.ParseFiltering, func(f *Firewall) *natmodels.Dependence { return &f.Filtering }).Always().Foreseen(),
	setting.Word("unsolicited", "what becomes of packets from the outside that nothing waits for",
		setting.Among("answer of a firewall to what is unsolicited", natmodels.ParseUnsolicited, natmodels.SilentDrop, natmodels.Reject),
		func(f *Firewall) *natmodels.Unsolicited { return &f.Unsolicited }).Always().Foreseen(),
	setting.Flag("pass-invalid", "forwards the packets that it makes no sense of",
		func(f *Firewall) *bool { return &f.PassInvalid }).Foreseen(),
}, setting.Embed(timerSettings(), func(f *Firewall) *Timers { return &f.Timers }))

func timerSettings() setting.Table[Timers] {
	var t setting.Table[Timers]
	for _, n := range timers {
		t = append(t, setting.Timer(n.name, n.doc, setting.Short(n.standard), n.at).Foreseen())
	}
	return t
}
