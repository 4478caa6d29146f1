package cell

import (
	"slices"
	"strconv"

	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/natmodels/sipalg"
)

// Axis is one thing in which cells differ. Which flows have a use for it is theirs to say
// ([Flow.Uses]): 'natproof help matrix' reads it, and names at each axis the flows that have none.
type Axis struct {
	Key  string // in identifiers and flags
	JSON string // in JSON
	Name string // in error messages
	Help string // of the flag, without the values

	// Default is what a cell has that does not say; InPlan what a plan has, if it is
	// another value, or a group.
	Default, InPlan string
	// Values are all there are, in the order of plans and help texts. Open, if set, says
	// what may be one beside them, Also says it to people, and Find whether there is such a one.
	// Spell, if set, gives a value that may be written in several ways the one that it has in cells.
	Values []string
	Open   func(value string) bool
	Also   string
	Find   func(value string) error
	Spell  func(value string) string
	// Interesting are those that a plan of everything has; nil is all Values.
	Interesting []string
	// Few are those that it has in a few cells alone, since they take long, each beside what is
	// Beside of other axes.
	Few    []string
	Beside map[string][]string

	NAT   bool   // values are NATs, for which a Space has groups
	Path  bool   // stands before the brackets of an identifier
	Named bool   // is always written in the identifier of a flow that uses it
	Media bool   // means nothing to a flow without media
	Asked bool   // means nothing to a flow that does not ask for it
	Inner bool   // changes fastest in a plan, so that the cells of one table stand together
	Alone string // what the flag means without a value; empty if it needs one
	Bool  bool   // true or false in JSON

	// Moot says that the rest of a cell leaves no choice: the axis then has its default. Wants is
	// what such a cell lacks.
	Moot  func(*Cell) bool
	Wants string

	// Caption is what the title of a table says of a value; empty says nothing.
	Caption func(value string) string

	get func(*Cell) string
	set func(*Cell, string)
}

// Get is the cell's value on the axis.
func (x *Axis) Get(c Cell) string { return x.get(&c) }

// Means says whether the value of the axis can make a difference to the cell.
func (x *Axis) Means(c Cell) bool { return x.means(&c) }

// means is Means of a cell that is on the heap already.
func (x *Axis) means(c *Cell) bool {
	return c.Flow.Uses(x.Key) && (x.Moot == nil || !x.Moot(c))
}

// With is the cell with another value on the axis, which must be a valid one.
func (x *Axis) With(c Cell, value string) (Cell, error) {
	value = x.spelling(value)
	if err := x.Check(value); err != nil {
		return c, err
	}
	x.set(&c, value)
	return c, nil
}

// Interests are the values that a plan of everything has.
func (x *Axis) Interests() []string {
	if x.Interesting != nil {
		return x.Interesting
	}
	return x.Values
}

// Planned is what a plan has if nothing is chosen: a value, or the name of a group.
func (x *Axis) Planned() string {
	if x.InPlan != "" {
		return x.InPlan
	}
	return x.Default
}

// spelling is how cells have a value that somebody wrote.
func (x *Axis) spelling(value string) string {
	if x.Spell == nil {
		return value
	}
	return x.Spell(value)
}

// Check returns an error, mostly a *ValueError, unless the axis has the value and an identifier can
// carry it. A value that stands for a file is looked up.
func (x *Axis) Check(value string) error {
	if slices.Contains(x.Values, value) {
		return nil
	}
	if err := x.spelled(value); err != nil {
		return err
	}
	return x.Find(value)
}

// spelled is Check without a look at what the value stands for.
func (x *Axis) spelled(value string) error {
	switch {
	case slices.Contains(x.Values, value):
		return nil
	case x.Open != nil && x.Open(value):
		return carried(value)
	}
	return &ValueError{Axis: x.Name, Value: value, Valid: x.Values, Also: x.Also}
}

// Keys of the axes that others must be able to name.
const (
	KeyFlow        = "flow"
	KeyA           = "a"
	KeyB           = "b"
	KeyPortManager = "port-manager"
	KeyRegistrar   = "registrar"
	KeyRport       = "rport"
	KeyLatch       = "latch"
	KeyLatchPolicy = "latch-policy"
	KeyStrict      = "strict"
	KeySilent      = "silent"
	KeyFilterScope = "filter-scope"
	KeyALG         = "alg"
	KeyHosts       = "hosts"
	KeyTopology    = "topology"
	KeyCarrier     = "carrier"
	KeyHairpin     = "hairpin"
	KeyRefresh     = "refresh"
	KeyTalk        = "talk"
	KeyExpires     = "expires"
	KeyIdle        = "idle"
	KeyKeepAlive   = "keepalive"
	KeyInterval    = "interval"
	KeyPing        = "ping"
	KeyChange      = "change"
	KeyWhen        = "when"
	KeyElsewhere   = "elsewhere"
	KeyHangup      = "hangup"
	KeyLoss        = "loss"
	KeyPhones      = "phones"
	KeyDigits      = "digits"
	KeySession     = "session"
	KeyRefresher   = "refresher"
	KeyRefreshBy   = "refresh-by"
)

// Cell is one experiment: a flow, the NATs on its way, and the remedies in
// use. It is a comparable value. Its zero fields are not valid: start from
// Default. Each field but the flow has its row in [Axes].
type Cell struct {
	Flow        Flow
	A, B        string // names of NATs: presets, devices, or files of settings
	PortManager PortManager
	Registrar   Registrar
	Rport       bool        // the user agents ask for RFC 3581 and the proxy grants it
	Latch       Sides       // who sends media to where media came from (RFC 7362)
	LatchPolicy LatchPolicy // and when
	Strict      Sides       // who drops media from anywhere but the signalled source
	Silent      Sides       // who sends no RTP and opens no hole for it: none, a or b
	FilterScope FilterScope
	ALG         ALG // in every NAT of the cell
	Hosts       Hosts

	Topology  Topology
	Carrier   string // the NAT of the carrier, of topologies that have one
	Hairpin   Hairpin
	Refresh   Refresh
	Talk      Duration // how long a call without media lasts
	Expires   Duration // for how long phones register
	Idle      Duration
	KeepAlive KeepAlive
	Ping      Ping
	Interval  Duration // between two keepalives, or pings
	Change    Change   // what becomes of the NAT in front of a, or of a, while the flow is played
	When      Moment   // and when
	Elsewhere string   // the NAT in front of a where it roams to
	Hangup    Role     // who ends the call
	Loss      Loss
	Phones    Number    // how many are behind the NAT of a, with a
	Digits    Digits    // that are pressed
	Session   Duration  // for how long a session is good that nobody refreshes
	Refresher Role      // who does
	RefreshBy RefreshBy // and by what
}

// Axes is the table of all axes but the flow, in the order of identifiers, JSON, flags and
// captions. In a plan the first changes slowest.
var Axes = []*Axis{
	{
		Key: KeyA, JSON: "a", Name: "NAT", Help: "NATs in front of a", Default: NoNAT, InPlan: "classic",
		Values: NATs(), Open: catalogue.IsFile, Find: findNAT, NAT: true, Named: true, Inner: true,
		get: func(c *Cell) string { return c.A }, set: func(c *Cell, v string) { c.A = v },
	},
	{
		Key: KeyB, JSON: "b", Name: "NAT", Help: "NATs in front of b", Default: NoNAT, InPlan: "classic",
		Values: NATs(), Open: catalogue.IsFile, Find: findNAT, NAT: true, Named: true, Inner: true,
		Moot: func(c *Cell) bool { return c.Topology == OneNAT }, Wants: "another topology than one-nat",
		get: func(c *Cell) string { return c.B }, set: func(c *Cell, v string) { c.B = v },
	},
	word(func(c *Cell) *PortManager { return &c.PortManager }, Axis{
		Key: KeyPortManager, JSON: "portManager", Name: "port manager", Help: "how a user agent learns its public addresses",
		Default: "stun", Values: []string{"local", "static", "stun"}, Path: true,
		Caption: func(v string) string { return "port manager " + v },
	}),
	word(func(c *Cell) *Registrar { return &c.Registrar }, Axis{
		Key: KeyRegistrar, JSON: "registrar", Name: "registrar policy",
		Help:    "where the proxy routes to: contact is what the user agent wrote, received where its REGISTER came from, received-no-alias the same for new requests alone, ip-only that address with the port it wrote, another-source is received from another address of the proxy",
		Default: "contact", Values: []string{"contact", "received", "received-no-alias", "ip-only", "another-source"},
		Caption: func(v string) string { return "registrar " + v },
	}),
	{
		Key: KeyRport, JSON: "rport", Name: "rport", Help: "whether user agents ask for, and get, responses by RFC 3581",
		Default: "false", Values: []string{"false", "true"}, Alone: "true", Bool: true,
		Caption: func(v string) string {
			if v == "true" {
				return "rport"
			}
			return "no rport"
		},
		get: func(c *Cell) string { return strconv.FormatBool(c.Rport) }, set: func(c *Cell, v string) { c.Rport = v == "true" },
	},
	word(func(c *Cell) *Sides { return &c.Latch }, Axis{
		Key: KeyLatch, JSON: "latch", Name: "latch", Help: "who sends media to where media came from",
		Default: "none", Media: true, Values: []string{"none", "a", "b", "both"}, Caption: unless("none", "latch "),
	}),
	word(func(c *Cell) *LatchPolicy { return &c.LatchPolicy }, Axis{
		Key: KeyLatchPolicy, JSON: "latchPolicy", Name: "latch policy", Help: "when they do: always, once, for the first seconds, or from other ports of the same address alone",
		Default: "always", Media: true, Values: []string{"always", "once", "window", "same-address"}, Caption: unless("always", "latching "),
		Moot: func(c *Cell) bool { return c.Latch == NoSide }, Wants: "latch",
	}),
	word(func(c *Cell) *Sides { return &c.Strict }, Axis{
		Key: KeyStrict, JSON: "strict", Name: "strict", Help: "who drops media from anywhere but the signalled source",
		Default: "none", Media: true, Values: []string{"none", "a", "b", "both"}, Caption: unless("none", "strict "),
	}),
	word(func(c *Cell) *Sides { return &c.Silent }, Axis{
		Key: KeySilent, JSON: "silent", Name: "silent", Help: "who sends no RTP",
		Default: "none", Media: true, Values: []string{"none", "a", "b"}, Caption: unless("none", "silent "),
	}),
	word(func(c *Cell) *FilterScope { return &c.FilterScope }, Axis{
		Key: KeyFilterScope, JSON: "filterScope", Name: "filter scope", Help: "on whose account a NAT remembers who was contacted",
		Default: "mapping", Values: []string{"mapping", "endpoint"}, Caption: unless("mapping", "filter scope "),
	}),
	word(func(c *Cell) *ALG { return &c.ALG }, Axis{
		Key: KeyALG, JSON: "alg", Name: "ALG", Help: "the SIP application level gateway in every NAT",
		Default: "off", Values: append([]string{string(ALGOff)}, sipalg.Names()...), Caption: unless("off", "SIP ALG "),
	}),
	word(func(c *Cell) *Hosts { return &c.Hosts }, Axis{
		Key: KeyHosts, JSON: "hosts", Name: "hosts", Help: "what the sockets of hosts are made of",
		Default: "pion", Values: []string{"pion", "native"}, Interesting: []string{"native"}, Caption: unless("pion", "hosts "),
	}),
	word(func(c *Cell) *Topology { return &c.Topology }, Axis{
		Key: KeyTopology, JSON: "topology", Name: "topology", Help: "how the ends are joined to the internet",
		Default: "plain", Values: []string{"plain", "cgn", "shared-cgn", "one-nat", "two-phones", "proxy-nat"}, Caption: unless("plain", "topology "),
		Moot:  func(c *Cell) bool { return c.Topology.Shared() && !c.Flow.Uses(KeyB) },
		Wants: "a flow between two ends that register",
	}),
	{
		Key: KeyCarrier, JSON: "carrier", Name: "NAT", Help: "NAT of the carrier, behind which the NATs of homes are",
		Default: "cgn-typical", Values: NATs(), Open: catalogue.IsFile, Find: findNAT, NAT: true, Interesting: []string{"cgn-typical", "symmetric"},
		Moot:    func(c *Cell) bool { return !c.Topology.HasCarrier() },
		Wants:   "a topology that has a carrier, cgn or shared-cgn",
		Caption: func(v string) string { return "carrier " + v },
		get:     func(c *Cell) string { return c.Carrier }, set: func(c *Cell, v string) { c.Carrier = v },
	},
	word(func(c *Cell) *Hairpin { return &c.Hairpin }, Axis{
		Key: KeyHairpin, JSON: "hairpin", Name: "hairpinning", Help: "what the NAT that both ends are behind does with packets to its own outside (RFC 4787 section 6)",
		Default: "own", Values: []string{"own", "off", "external", "internal"},
		Moot: func(c *Cell) bool { return !c.Topology.Shared() }, Wants: "a topology in which both ends share a NAT, one-nat or shared-cgn",
		Caption: unless("own", "hairpinning "),
	}),
	word(func(c *Cell) *Refresh { return &c.Refresh }, Axis{
		Key: KeyRefresh, JSON: "refresh", Name: "refresh", Help: "which packets keep a mapping alive, in every NAT (RFC 4787 section 4.3)",
		Default: "own", Values: []string{"own", "outbound", "inbound", "both"}, Interesting: []string{"own", "outbound", "both"}, // inbound packets alone REQ-6 forbids
		Caption: unless("own", "refresh "),
	}),
	duration(func(c *Cell) *Duration { return &c.Talk }, Axis{
		Key: KeyTalk, JSON: "talk", Name: "length of the call", Help: "how long a call without media lasts",
		Default: "2m", Values: []string{"10s", "2m", "10m"}, Asked: true,
		Caption: func(v string) string { return "lasts for " + v },
	}),
	duration(func(c *Cell) *Duration { return &c.Expires }, Axis{
		Key: KeyExpires, JSON: "expires", Name: "expiry", Help: "for how long a phone registers",
		Default: "1m", Values: []string{"1m", "2m", "10m"}, Asked: true,
		Caption: func(v string) string { return "registered for " + v },
	}),
	duration(func(c *Cell) *Duration { return &c.Idle }, Axis{
		Key: KeyIdle, JSON: "idle", Name: "idle time", Help: "how long nothing happens before somebody is wanted",
		Default: "1m", Values: []string{"10s", "1m", "5m", "20m"}, Asked: true,
		Caption: func(v string) string { return "idle for " + v },
	}),
	word(func(c *Cell) *KeepAlive { return &c.KeepAlive }, Axis{
		Key: KeyKeepAlive, JSON: "keepalive", Name: "keepalive", Help: "what a phone sends to the proxy to hold its mapping",
		Default: "none", Values: []string{"none", "crlf", "zero", "stun", "options", "register"}, Asked: true, Caption: unless("none", "keepalive "),
	}),
	word(func(c *Cell) *Ping { return &c.Ping }, Axis{
		Key: KeyPing, JSON: "ping", Name: "ping", Help: "what the registrar sends to a phone to hold its mapping",
		Default: "none", Values: []string{"none", "zero", "options"}, Asked: true, Caption: unless("none", "pinged by "),
	}),
	duration(func(c *Cell) *Duration { return &c.Interval }, Axis{
		Key: KeyInterval, JSON: "interval", Name: "interval", Help: "the time between two keepalives, or pings",
		Default: "25s", Values: []string{"8s", "25s", "2m"}, Asked: true,
		Moot:    func(c *Cell) bool { return c.KeepAlive == KeepAliveNone && c.Ping == PingNone },
		Wants:   "keepalive or ping",
		Caption: func(v string) string { return "every " + v },
	}),
	word(func(c *Cell) *Change { return &c.Change }, Axis{
		Key: KeyChange, JSON: "change", Name: "change", Help: "what happens to the NAT in front of a meanwhile, or that a roams to another network",
		Default: "none", Values: []string{"none", "restart", "renumber", "behaviour", "roam"}, Asked: true,
		Moot: func(c *Cell) bool {
			if c.Change == ChangeRoam {
				return !c.Flow.Uses(KeyElsewhere)
			}
			return c.A == NoNAT
		},
		Wants: "a NAT in front of a",
		Caption: func(v string) string {
			switch Change(v) {
			case ChangeNone:
				return ""
			case ChangeRoam:
				return "a roams"
			}
			return "nat-a: " + v
		},
	}),
	word(func(c *Cell) *Moment { return &c.When }, Axis{
		Key: KeyWhen, JSON: "when", Name: "moment", Help: "when it happens",
		Default: "idle", Values: []string{"idle", "ringing", "in-call"}, Asked: true,
		Moot:    func(c *Cell) bool { return c.Change == ChangeNone },
		Wants:   "change",
		Caption: func(v string) string { return "while " + v },
	}),
	{
		Key: KeyElsewhere, JSON: "elsewhere", Name: "NAT", Help: "NAT in front of a where it roams to",
		Default: "cgn-typical", Values: NATs(), Open: catalogue.IsFile, Find: findNAT, NAT: true, Asked: true,
		Interesting: []string{"none", "port-restricted", "symmetric"},
		Moot:        func(c *Cell) bool { return c.Change != ChangeRoam },
		Wants:       "change=roam",
		Caption:     func(v string) string { return "to a network behind " + v },
		get:         func(c *Cell) string { return c.Elsewhere }, set: func(c *Cell, v string) { c.Elsewhere = v },
	},
	word(func(c *Cell) *Role { return &c.Hangup }, Axis{
		Key: KeyHangup, JSON: "hangup", Name: "hang-up", Help: "who ends the call",
		Default: "caller", Values: []string{"caller", "callee"}, Caption: unless("caller", "hung up by the "),
	}),
	word(func(c *Cell) *Loss { return &c.Loss }, Axis{
		Key: KeyLoss, JSON: "loss", Name: "loss", Help: "what the access link of a loses of each SIP message",
		Default: "none", Values: []string{"none", "first"}, Caption: unless("none", "loses of each message the "),
	}),
	number(func(c *Cell) *Number { return &c.Phones }, Axis{
		Key: KeyPhones, JSON: "phones", Name: "number of phones", Help: "how many phones are behind the NAT of a",
		Default: "10", Values: []string{"10", "50", "100", "1000"}, Interesting: []string{"10"}, Asked: true,
		Few: []string{"100", "1000"}, Beside: map[string][]string{KeyChange: {"restart", "renumber"}, KeyKeepAlive: {"stun", "options"}},
		Caption: func(v string) string { return v + " phones" },
	}),
	word(func(c *Cell) *Digits { return &c.Digits }, Axis{
		Key: KeyDigits, JSON: "digits", Name: "digits", Help: "which keys are pressed in a call",
		Default: "1234", Values: []string{"1234", "0"}, Asked: true, Caption: unless("1234", "presses "),
	}),
	session(duration(func(c *Cell) *Duration { return &c.Session }, Axis{
		Key: KeySession, JSON: "session", Name: "session interval", Help: "for how long a session is good that nobody refreshes (RFC 4028), 1m30s or more",
		Default: "1m30s", Values: []string{"1m30s", "3m", "30m"}, Asked: true,
		Caption: func(v string) string { return "sessions of " + v },
	})),
	word(func(c *Cell) *Role { return &c.Refresher }, Axis{
		Key: KeyRefresher, JSON: "refresher", Name: "refresher", Help: "who refreshes the session",
		Default: "caller", Values: []string{"caller", "callee"}, Asked: true, Caption: unless("caller", "refreshed by the "),
	}),
	word(func(c *Cell) *RefreshBy { return &c.RefreshBy }, Axis{
		Key: KeyRefreshBy, JSON: "refreshBy", Name: "refresh request", Help: "the request by which it does",
		Default: "invite", Values: []string{"invite", "update"}, Asked: true, Caption: unless("invite", "refreshed by "),
	}),
}

// Lookup finds an axis by its key, or returns nil.
func Lookup(key string) *Axis {
	if i := slices.IndexFunc(Axes, func(x *Axis) bool { return x.Key == key }); i >= 0 {
		return Axes[i]
	}
	return nil
}

// word is the row of an axis whose values are a field of words.
func word[T ~string](field func(*Cell) *T, x Axis) *Axis {
	x.get = func(c *Cell) string { return string(*field(c)) }
	x.set = func(c *Cell, v string) { *field(c) = T(v) }
	return &x
}

// duration is the row of an axis whose values are a field of times: those of the list, and any
// other in whole seconds.
func duration(field func(*Cell) *Duration, x Axis) *Axis {
	x.Open = func(v string) bool { return Duration(v).known() }
	x.Also = "other times in whole seconds such as 90s, up to 24h"
	x.Spell = func(v string) string { return string(Duration(v).spelling()) }
	x.Find = func(string) error { return nil }
	return word(field, x)
}

// session is the row of an axis of intervals that RFC 4028 §4 allows.
func session(x *Axis) *Axis {
	x.Open = func(v string) bool { return Duration(v).known() && Duration(v).Time() >= leastSession }
	return x
}

// number is the row of an axis whose values are a field of numbers: those of the list, and others.
func number(field func(*Cell) *Number, x Axis) *Axis {
	x.Open = func(v string) bool { return Number(v).known() }
	x.Also = "other numbers up to 10000"
	x.Find = func(string) error { return nil }
	return word(field, x)
}

func unless(value, prefix string) func(string) string {
	return func(v string) string {
		if v == value {
			return ""
		}
		return prefix + v
	}
}

// NoNAT is the preset of a side with a public address.
const NoNAT = "none"

// Classic are the presets of RFC 3489, and no NAT.
func Classic() []string {
	return []string{NoNAT, "full-cone", "address-restricted", "port-restricted", "symmetric"}
}

// RFC4787 are no NAT and the nine pairs of mapping and filtering behaviour of
// RFC 4787: eim-eif ... apdm-apdf.
func RFC4787() []string {
	return []string{NoNAT,
		"eim-eif", "eim-adf", "eim-apdf",
		"adm-eif", "adm-adf", "adm-apdf",
		"apdm-eif", "apdm-adf", "apdm-apdf"}
}

// NATs are all names that stand for a NAT: presets, then devices of the catalogue.
func NATs() []string { return catalogue.Names() }

// findNAT reads the file of a NAT.
func findNAT(name string) error {
	_, err := catalogue.Lookup(name)
	return err
}
