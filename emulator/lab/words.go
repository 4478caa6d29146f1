package lab

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/sipalg"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// Duration is a time such as 500ms, 20m or 1h30m.
type Duration time.Duration

// UnmarshalText reads it. There is none that is negative.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	switch {
	case err != nil && isNumber(string(b)):
		return fmt.Errorf("%w: %s needs a unit, such as %ss", ErrValue, b, b)
	case err != nil:
		return fmt.Errorf("%w: %q is not a duration such as 500ms or 20m", ErrValue, b)
	case v < 0 || v > maxTime:
		return fmt.Errorf("%w: %s is not between 0 and %v", ErrValue, b, maxTime)
	}
	*d = Duration(v)
	return nil
}

// maxTime is longer than any lab; sums of a few stay far from what a time.Duration can hold.
const maxTime = 30 * 24 * time.Hour

func isNumber(s string) bool { _, err := strconv.ParseFloat(s, 64); return err == nil }

// Share is a part of a whole, such as 20% or 0.2.
type Share float64

// UnmarshalText reads it.
func (s *Share) UnmarshalText(b []byte) error {
	text, percent := strings.CutSuffix(string(b), "%")
	v, err := strconv.ParseFloat(text, 64)
	if percent {
		v /= 100
	}
	if err != nil || math.IsNaN(v) || v < 0 || v > 1 {
		return fmt.Errorf("%w: %q is not a share such as 20%%", ErrValue, b)
	}
	*s = Share(v)
	return nil
}

// word is a value out of a closed list.
type word interface {
	what() string
	words() []string
}

// The words of a file. The empty one is that nothing was said.
type (
	HostWord      string // what hosts are made of
	ALGWord       string // a SIP ALG, or off
	PolicyWord    string // a registrar's policy
	PingWord      string // what a registrar sends to hold mappings
	LatchWord     string // a latch policy of media
	ManagerWord   string // how an endpoint knows its addresses
	KeepAliveWord string // what an endpoint sends to hold its mapping
	CodecWord     string // a voice codec
	ReasonWord    string // why a packet was dropped
	EndWord       string // why a call ended
)

func (HostWord) what() string      { return "kind of hosts" }
func (HostWord) words() []string   { return []string{vnet.Native.String(), vnet.Pion.String()} }
func (ALGWord) what() string       { return "SIP ALG" }
func (ALGWord) words() []string    { return append([]string{algOff}, sipalg.Names()...) }
func (PolicyWord) what() string    { return "policy" }
func (PolicyWord) words() []string { return names(registrar.Policies()) }
func (PingWord) what() string      { return "ping" }
func (PingWord) words() []string   { return []string{"zero", "options"} }
func (LatchWord) what() string     { return "latch policy" }
func (LatchWord) words() []string {
	return names([]media.Latch{media.LatchOff, media.LatchAlways, media.LatchOnce, media.LatchWindow, media.LatchSameAddress})
}
func (ManagerWord) what() string      { return "port manager" }
func (ManagerWord) words() []string   { return []string{managerLocal, managerStatic, managerSTUN} }
func (KeepAliveWord) what() string    { return "keepalive" }
func (KeepAliveWord) words() []string { return names(keepAlives) }
func (CodecWord) what() string        { return "codec" }
func (CodecWord) words() []string     { return []string{"PCMU", "PCMA"} }
func (ReasonWord) what() string       { return "reason of a drop" }
func (ReasonWord) words() []string {
	all := names(natmodels.Reasons())
	for _, r := range vnetReasons {
		all = append(all, string(r))
	}
	return append(all, string(lostByRule))
}
func (EndWord) what() string { return "end of a call" }
func (EndWord) words() []string {
	all := names(ends)
	for i, w := range all {
		all[i] = strings.ReplaceAll(w, " ", "-")
	}
	return all
}

const algOff = "off"

const (
	managerLocal  = "local"
	managerStatic = "static"
	managerSTUN   = "stun"
)

var keepAlives = []ua.KeepAliveKind{ua.KeepAliveNone, ua.KeepAliveCRLF, ua.KeepAliveZero, ua.KeepAliveSTUN, ua.KeepAliveOPTIONS, ua.KeepAliveRegister}

var ends = []ua.TerminateReason{ua.Normal, ua.Canceled, ua.Busy, ua.Declined, ua.Timeout, ua.NotSupported, ua.PortMapping, ua.Shutdown, ua.Failed, ua.Expired, ua.Replaced, ua.SessionExpired}

var vnetReasons = []vnet.Reason{
	vnet.NoRoute, vnet.NoSocket, vnet.WrongPeer, vnet.QueueFull, vnet.LinkLoss, vnet.LinkDown, vnet.CoDelDrop, vnet.Corrupted,
	vnet.BadVerdict, vnet.MTUExceeded, vnet.TTLExceeded, vnet.ALGDrop, vnet.Unsupported, vnet.NoFragments, vnet.BadFragments,
	vnet.LostFragments, vnet.FragmentsNoRoom, vnet.Malformed, vnet.Spoofed,
}

// lostByRule is the reason of what a step lose takes off a link.
const lostByRule vnet.Reason = "lost-as-scripted"

func names[T fmt.Stringer](all []T) []string {
	words := make([]string, len(all))
	for i, x := range all {
		words[i] = x.String()
	}
	return words
}
