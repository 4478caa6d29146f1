package cell

import (
	"strconv"
	"strings"
	"time"
)

// Topology says how the ends are joined to the internet.
type Topology string

const (
	// Plain: each end behind its own NAT, the servers on public addresses.
	Plain Topology = "plain"
	// CGN: the NAT in front of a is behind the NAT of a carrier.
	CGN Topology = "cgn"
	// SharedCGN: both ends are subscribers of one carrier, each with a NAT at home.
	SharedCGN Topology = "shared-cgn"
	// OneNAT: both ends are on one local network, behind the NAT of a.
	OneNAT Topology = "one-nat"
	// TwoPhones: beside a, behind the same NAT, is another phone that uses the same ports and has
	// registered before.
	TwoPhones Topology = "two-phones"
	// ProxyNAT: the proxy is behind a NAT that forwards its port, and advertises the address outside.
	ProxyNAT Topology = "proxy-nat"
)

// HasCarrier says whether there is a NAT of a carrier.
func (t Topology) HasCarrier() bool { return t == CGN || t == SharedCGN }

// Shared says whether both ends are behind one and the same NAT.
func (t Topology) Shared() bool { return t == SharedCGN || t == OneNAT }

// Hairpin is what the NAT that both ends share does with packets from inside to its own outside.
type Hairpin string

// Own, of several axes, is what the NAT does by itself.
const Own = "own"

// Refresh says which packets restart the timer of a mapping.
type Refresh string

// KeepAlive is what a phone sends to hold its mapping towards the proxy.
type KeepAlive string

const (
	KeepAliveNone    KeepAlive = "none"
	KeepAliveCRLF    KeepAlive = "crlf"    // RFC 5626 §3.5.1, which nobody answers over UDP
	KeepAliveZero    KeepAlive = "zero"    // four zero bytes
	KeepAliveSTUN    KeepAlive = "stun"    // RFC 5626 §3.5.2
	KeepAliveOPTIONS KeepAlive = "options" // a request, which the proxy answers
	// KeepAliveRegister: the phone registers again long before it must.
	KeepAliveRegister KeepAlive = "register"
)

// Ping is what the registrar sends to where a registration came from.
type Ping string

const (
	PingNone    Ping = "none"
	PingZero    Ping = "zero"    // four zero bytes, which nobody answers
	PingOptions Ping = "options" // a request, which the phone answers
)

// Change is what happens to the NAT in front of a, or to a, while the flow is played.
type Change string

const (
	ChangeNone     Change = "none"
	ChangeRestart  Change = "restart"  // it forgets every mapping
	ChangeRenumber Change = "renumber" // it gets another external address
	// ChangeBehaviour: it becomes symmetric, as some do under load (RFC 4787 REQ-11 forbids it).
	ChangeBehaviour Change = "behaviour"
	// ChangeRoam: a leaves for another network, from Wi-Fi to LTE, and has another address there.
	ChangeRoam Change = "roam"
)

// BeforeChange is how much of a time passes before the change in its midst: less than half, so that
// it meets nothing that happens at regular times.
func BeforeChange(d time.Duration) time.Duration { return d * 43 / 100 }

// BesideTheHour is how much later than after whole seconds somebody is wanted: what phones do at
// regular times is over then, with all that follows from it.
const BesideTheHour = 2300 * time.Millisecond

// Ringing is how long a callee rings if something happens meanwhile.
const Ringing = 5 * time.Second

// Rings is how long the callee rings in a cell; 0 is that it answers at once.
func (c Cell) Rings() time.Duration {
	if c.Flow == nil || !c.Flow.Uses(KeyWhen) || c.Change == ChangeNone || c.When != WhenRinging {
		return 0
	}
	return Ringing
}

// LatchPolicy is when who latches follows to where media comes from.
type LatchPolicy string

const (
	LatchAlways      LatchPolicy = "always"
	LatchOnce        LatchPolicy = "once"         // the first source
	LatchWindow      LatchPolicy = "window"       // for five seconds
	LatchSameAddress LatchPolicy = "same-address" // to another port of the signalled address
)

// Moment is when a change happens.
type Moment string

const (
	WhenIdle   Moment = "idle"    // all have registered, and nobody calls yet
	WhenInCall Moment = "in-call" // they talk
	// WhenRinging: the callee has been called, and answers after a while.
	WhenRinging Moment = "ringing"
)

// Role is that of an end in a call.
type Role string

const (
	Caller Role = "caller"
	Callee Role = "callee"
)

// RefreshBy is the request that refreshes a session.
type RefreshBy string

const (
	RefreshByInvite RefreshBy = "invite"
	RefreshByUpdate RefreshBy = "update"
)

// leastSession is the least interval of a session (RFC 4028 §4).
const leastSession = 90 * time.Second

// Digits are keys of a telephone.
type Digits string

// Loss is what the access link of a loses.
type Loss string

const (
	LossNone  Loss = "none"
	LossFirst Loss = "first" // the first copy of each SIP message, either way
)

// Duration is a time as cells have it: whole seconds, such as 1m30s or 5m. Who writes 90s means 1m30s.
type Duration string

// longest is the longest time that an axis takes.
const longest = 24 * time.Hour

// Time is the duration; 0 if it is none.
func (d Duration) Time() time.Duration {
	t, err := time.ParseDuration(string(d))
	if err != nil {
		return 0
	}
	return t
}

// known says whether it is written as it would be printed, so that a time has one name.
func (d Duration) known() bool {
	t := d.Time()
	return t > 0 && t <= longest && t%time.Second == 0 && string(d) == short(t)
}

// spelling is how cells have the time, or what was written if it is none.
func (d Duration) spelling() Duration {
	if s := Duration(short(d.Time())); s.known() {
		return s
	}
	return d
}

// short prints whole seconds without the units that are 0.
func short(t time.Duration) string {
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Number is how many there are of something, up to 10,000.
type Number string

// Int is the number; 0 if it is none.
func (n Number) Int() int {
	i, err := strconv.Atoi(string(n))
	if err != nil {
		return 0
	}
	return i
}

// known says whether it is written as it would be printed.
func (n Number) known() bool {
	i := n.Int()
	return i > 0 && i <= 10_000 && string(n) == strconv.Itoa(i)
}
