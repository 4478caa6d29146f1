package serve

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/servers/limit"
	"github.com/natproof/natproof/servers/registrar"
)

// A Kind is how the value of a setting is written.
type Kind uint8

// The kinds.
const (
	Text Kind = iota // one word
	Bool             // true or false
	List             // words; in a file a sequence, or one word
)

// A Setting is one thing that can be configured: a flag of the command and a key of the file.
type Setting struct {
	Name    string
	Kind    Kind
	Default string // of a List, with commas
	Usage   string // the name of its value is in backquotes
	set     func(c *Config, words []string) error
}

// Settings are all of them, in the order in which they are explained.
func Settings() []Setting { return slices.Clone(settings) }

// agentNames are the event packages that the registrar can be the agent of.
var agentNames = []string{"presence", "message-summary"}

// settings is the one table: flags, keys, defaults and help are made from it.
var settings = []Setting{
	{"listen", Text, "127.0.0.1:5060", "the `address` and port to serve SIP on; port 0 takes a free one", addr(func(c *Config) *netip.AddrPort { return &c.Listen })},
	{"advertise", Text, "", "the `address` and port to write into Via and Record-Route; without it that of the socket", func(c *Config, w []string) error {
		if err := addr(func(c *Config) *netip.AddrPort { return &c.Registrar.Advertise })(c, w); err != nil || c.Registrar.Advertise.Port() == 0 {
			return errAddress
		}
		return nil
	}},
	{"domain", Text, "", "the `domain` of the addresses of record; without it the advertised address", text(func(c *Config) *string { return &c.Registrar.Domain })},
	{"users", Text, "", "the `file` with names and passwords", text(func(c *Config) *string { return &c.Users })},
	{"auth-invite", Bool, "false", "callers must authenticate too, not only those who register", boolean(func(c *Config) *bool { return &c.Registrar.AuthInvite })},
	{"policy", Text, registrar.PolicyReceived.String(), "the `policy` that says where requests to users go: " + strings.Join(policies(), ", "), func(c *Config, w []string) (err error) {
		if c.Registrar.Policy, err = registrar.ParsePolicy(w[0]); err == nil && c.Registrar.Policy != registrar.PolicyAnotherSource {
			return nil
		}
		return &UnknownError{What: "policy", Name: w[0], Valid: policies()}
	}},
	{"agents", List, "", "answer SUBSCRIBE and PUBLISH for these event `packages`: " + strings.Join(agentNames, ","), func(c *Config, w []string) error {
		for _, name := range w {
			switch name {
			case agentNames[0]:
				c.Registrar.Agents.Presence = true
			case agentNames[1]:
				c.Registrar.Agents.Messages = true
			default:
				return &UnknownError{What: "event package", Name: name, Valid: agentNames}
			}
		}
		return nil
	}},
	{"store", Text, "", "keep bindings and event state in this `file`", text(func(c *Config) *string { return &c.Store })},
	{"events", Bool, "false", "tell each decision of the registrar on stderr, a line each", boolean(func(c *Config) *bool { return &c.Events })},

	{"stun", Text, "", "serve STUN on this `address` and port", addr(func(c *Config) *netip.AddrPort { return &c.STUN })},
	{"stun-alternate", Text, "", "the other `address` and port of the STUN server, for NAT behaviour discovery (RFC 5780)", addr(func(c *Config) *netip.AddrPort { return &c.STUNAlternate })},

	{"gateway", Text, "", "answer calls to telephone numbers on this `address` and port", addr(func(c *Config) *netip.AddrPort { return &c.GatewayListen })},
	{"gateway-prefix", List, "+,0,1,2,3,4,5,6,7,8,9", "numbers that begin with one of these `words` go from the registrar to the gateway, unless a user has that name", func(c *Config, w []string) error {
		c.GatewayPrefixes = w
		return nil
	}},
	{"gateway-media", Text, "", "the `address` of the gateway's audio; without it that of --gateway", func(c *Config, w []string) (err error) {
		if c.Gateway.MediaAddr, err = netip.ParseAddr(w[0]); err != nil || c.Gateway.MediaAddr.IsUnspecified() {
			return errors.New("want an address of this host")
		}
		return nil
	}},
	{"gateway-ports", Text, "16384-32767", "the `ports` of the gateway's audio", func(c *Config, w []string) error {
		low, high, ok := strings.Cut(w[0], "-")
		from, err1 := strconv.ParseUint(low, 10, 16)
		to, err2 := strconv.ParseUint(high, 10, 16)
		if !ok || err1 != nil || err2 != nil || from < 1024 || from+1 > to {
			return errors.New("want FIRST-LAST, from 1024 to 65535")
		}
		c.Gateway.MinPort, c.Gateway.MaxPort = uint16(from), uint16(to)
		return nil
	}},
	{"gateway-calls", Text, "100", "the `number` of calls the gateway takes at a time; one more gets 486", number(1, 1e6, func(c *Config) *int { return &c.Gateway.MaxCalls })},
	{"gateway-ring", Text, "1s", "the gateway rings for this `duration` before it answers", duration(func(c *Config) *time.Duration { return &c.Gateway.RingTime })},
	{"gateway-talk", Text, "0s", "the gateway hangs up after this `duration`; 0s never does", duration(func(c *Config) *time.Duration { return &c.Gateway.TalkTime })},
	{"gateway-latch", Text, media.LatchOnce.String(), "the `policy` by which the gateway sends audio to where audio comes from: off, always, once, window or same-address", func(c *Config, w []string) (err error) {
		if c.Gateway.Latch, err = media.ParseLatch(w[0]); err != nil {
			return &UnknownError{What: "latch policy", Name: w[0], Valid: []string{"off", "always", "once", "window", "same-address"}}
		}
		return nil
	}},

	{"sip-probe", Bool, "true", "answer 'natproof discover --sip', which looks for SIP ALGs on the way", boolean(func(c *Config) *bool { return &c.SIPProbe })},
	{"sip-probe-alternate", Text, "", "answer it on this `address` and port too, which should not be 5060, for ALGs that look at any port", addr(func(c *Config) *netip.AddrPort { return &c.SIPProbeAlternate })},

	{"rate-limit", Text, "100", "the `number` of datagrams a second that one source may send to each server, on average; 0 is no limit", func(c *Config, w []string) (err error) {
		if c.Limit.Rate, err = strconv.ParseFloat(w[0], 64); err != nil || !(c.Limit.Rate >= 0) || math.IsInf(c.Limit.Rate, 0) {
			return errors.New("want a number from 0 up")
		}
		return nil
	}},
	{"rate-burst", Text, strconv.Itoa(limit.DefaultBurst), "the `number` that may come at once", number(1, 1e9, func(c *Config) *int { return &c.Limit.Burst })},
	{"rate-sources", Text, strconv.Itoa(limit.DefaultSources), "the `number` of sources that are remembered", number(1, 1e8, func(c *Config) *int { return &c.Limit.Sources })},

	{"metrics", Text, "", "serve metrics for Prometheus on this `address` and port, as http://.../metrics", addr(func(c *Config) *netip.AddrPort { return &c.Metrics })},
	{"log-level", Text, "warn", "the least `level` that is logged on stderr: debug, info, warn or error", func(c *Config, w []string) error {
		if !slices.Contains([]string{"debug", "info", "warn", "error"}, w[0]) {
			return &UnknownError{What: "level", Name: w[0], Valid: []string{"debug", "info", "warn", "error"}}
		}
		return c.LogLevel.UnmarshalText([]byte(w[0]))
	}},
	{"log-format", Text, "text", "the `format` of the log: text or json", func(c *Config, w []string) error {
		if c.LogJSON = w[0] == "json"; !c.LogJSON && w[0] != "text" {
			return &UnknownError{What: "format", Name: w[0], Valid: []string{"text", "json"}}
		}
		return nil
	}},
	{"shutdown-timeout", Text, "10s", "calls and subscriptions have this `duration` to end when it is stopped", duration(func(c *Config) *time.Duration { return &c.ShutdownTimeout })},
}

// policies are those of a server with one socket.
func policies() []string {
	var names []string
	for _, p := range registrar.Policies() {
		if p != registrar.PolicyAnotherSource {
			names = append(names, p.String())
		}
	}
	return names
}

var errAddress = errors.New("want ADDRESS:PORT")

// UnknownError is a word that is none of those there are.
type UnknownError struct {
	What, Name string
	Valid      []string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("unknown %s %q (valid: %s)", e.What, e.Name, strings.Join(e.Valid, ", "))
}

func text(field func(*Config) *string) func(*Config, []string) error {
	return func(c *Config, w []string) error {
		if w[0] == "" {
			return errors.New("is empty")
		}
		*field(c) = w[0]
		return nil
	}
}

func boolean(field func(*Config) *bool) func(*Config, []string) error {
	return func(c *Config, w []string) error {
		if *field(c) = w[0] == "true"; w[0] != "true" && w[0] != "false" {
			return fmt.Errorf("%q is neither true nor false", w[0])
		}
		return nil
	}
}

func addr(field func(*Config) *netip.AddrPort) func(*Config, []string) error {
	return func(c *Config, w []string) error {
		a, err := netip.ParseAddrPort(w[0])
		if err != nil {
			return errAddress
		}
		*field(c) = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		return nil
	}
}

func duration(field func(*Config) *time.Duration) func(*Config, []string) error {
	return func(c *Config, w []string) (err error) {
		if *field(c), err = time.ParseDuration(w[0]); err != nil || *field(c) < 0 {
			return errors.New("want a duration such as 500ms or 10m")
		}
		return nil
	}
}

func number(low, high int, field func(*Config) *int) func(*Config, []string) error {
	return func(c *Config, w []string) (err error) {
		if *field(c), err = strconv.Atoi(w[0]); err != nil || *field(c) < low || *field(c) > high {
			return fmt.Errorf("want a number from %d to %d", low, high)
		}
		return nil
	}
}
