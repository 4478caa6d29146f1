package kernelnat

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Ruleset is a NAT as an administrator writes it, and what this package and the
// model make of it.
type Ruleset struct {
	Name string
	// Statement is the part of the nftables rules that tells it from the others.
	Statement string
	// Guarded adds the filter of a home router; see Rules.
	Guarded bool
	// Helper adds the SIP helper of connection tracking on UDP port 5060.
	Helper bool

	Choice Choice
	Ports  [2]uint16
}

// Rulesets lists the NATs of the test.
var Rulesets = []Ruleset{
	{Name: "masquerade", Statement: "masquerade"},
	{Name: "masquerade-guarded", Statement: "masquerade", Guarded: true},
	{Name: "masquerade-random", Statement: "masquerade random", Choice: RandomPort},
	{Name: "masquerade-fully-random", Statement: "masquerade fully-random", Choice: RandomPort, Guarded: true},
	{
		Name: "masquerade-range", Statement: "meta l4proto { tcp, udp, icmp } masquerade to :20000-39999",
		Ports: [2]uint16{20000, 39999},
	},
	{Name: "snat-pool", Statement: "snat to 192.0.2.1-192.0.2.4", Choice: Pool},
	{Name: "snat-pool-guarded", Statement: "snat to 192.0.2.1-192.0.2.4", Choice: Pool, Guarded: true},
	{Name: "snat-pool-persistent", Statement: "snat to 192.0.2.1-192.0.2.4 persistent", Choice: PersistentPool},
	{Name: "static", Statement: staticStatement, Choice: Static},
	{Name: "static-guarded", Statement: staticStatement, Choice: Static, Guarded: true},
	{Name: "masquerade-sip-helper", Statement: "masquerade", Helper: true},
}

var staticStatement = fmt.Sprintf("snat ip prefix to ip saddr map { %v : %v }", staticNet, oneToOne)

// Text returns the ruleset for nft -f.
func (r Ruleset) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, `
table ip nat {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "out0" %s
	}
}
`, r.Statement)
	if r.Choice == Static {
		fmt.Fprintf(&b, `
table ip forwards {
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		dnat ip prefix to ip daddr map { %v : %v }
	}
}
`, oneToOne, staticNet)
	}
	if r.Guarded {
		b.WriteString(guard)
	}
	if r.Helper {
		b.WriteString(sipHelper)
	}
	return b.String()
}

// guard is what home routers have: nothing new comes in from the outside unless it
// is forwarded on purpose, and nothing invalid passes.
const guard = `
table ip guard {
	chain input {
		type filter hook input priority filter; policy accept;
		iifname "out0" ct state established,related accept
		iifname "out0" drop
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related,untracked accept
		ct state invalid drop
		iifname "in0" accept
		ct status dnat accept
	}
}
`

const sipHelper = `
table ip helper {
	ct helper sip {
		type "sip" protocol udp
		l3proto ip
	}
	chain prerouting {
		type filter hook prerouting priority filter; policy accept;
		udp dport 5060 ct helper set "sip"
	}
}
`

// Rules returns the kernel's rules for this ruleset.
func (r Ruleset) Rules(timers Timers, seed uint64) *Rules {
	return &Rules{
		Choice:  r.Choice,
		Ports:   r.Ports,
		Guarded: r.Guarded,
		Helper:  r.Helper,
		Timers:  timers,
		Rand:    rand.New(rand.NewPCG(seed, 0x6b65726e656c)),
	}
}

// Generator returns a generator of sequences that suit the ruleset.
func (r Ruleset) Generator(seed uint64) *Generator {
	g := &Generator{
		Rand:      rand.New(rand.NewPCG(seed, 0x6e6174)),
		Protocols: []Proto{UDP, TCP, ICMP},
		External:  []Host{Ext},
		Servers:   []uint16{1000, 1000, 1001},
		Length:    [2]int{4, 16},
	}
	if r.Choice == Static {
		g.External = []Host{ExtA, ExtB, ExtC}
	}
	if r.Helper {
		g.Servers = []uint16{1000, 5060, 5060}
	}
	return g
}

// ErrNoRuleset says that there is no ruleset of that name.
var ErrNoRuleset = errors.New("kernelnat: find ruleset: no such ruleset")

// FindRuleset returns the ruleset of that name.
func FindRuleset(name string) (Ruleset, error) {
	for _, r := range Rulesets {
		if r.Name == name {
			return r, nil
		}
	}
	return Ruleset{}, fmt.Errorf("%w: %q", ErrNoRuleset, name)
}
