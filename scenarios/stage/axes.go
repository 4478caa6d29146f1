package stage

import (
	"slices"
	"time"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// What the axes of phones mean on stage: to theory as traits, to user agents and the gateway as
// options, and to a phone without options as cells that are not for it.

// uaTraits are those of a user agent, or of the gateway, that is what the cell wants.
func uaTraits(c cell.Cell, side cell.Side) (theory.Traits, error) {
	return theory.Traits{
		Address:          map[cell.PortManager]theory.Address{cell.ManagerLocal: theory.Bound, cell.ManagerSTUN: theory.Asked, cell.ManagerStatic: theory.Forwarded}[c.PortManager],
		SignallingTraits: theory.SignallingTraits{Rport: c.Rport, ChecksVia: true},
		MediaTraits:      theory.MediaTraits{Latch: c.Latch.Has(side), Policy: policies[c.LatchPolicy], Strict: c.Strict.Has(side), Silent: c.Silent.Has(side), NamesRTCP: c.ALG != cell.ALGOff, HearsEarly: true},
	}, nil
}

// hostKind is what the hosts of a cell are made of.
func hostKind(c cell.Cell) vnet.HostKind {
	if c.Hosts == cell.HostsNative {
		return vnet.Native
	}
	return vnet.Pion
}

// options are those of the user agent of such an end.
func options(s Setup) ua.Options {
	c, side := s.Cell, s.Side
	return ua.Options{
		Rport: c.Rport,
		Latch: latch(c, side), Strict: c.Strict.Has(side), Silent: !s.Media || c.Silent.Has(side),
		NameRTCP: c.ALG != cell.ALGOff,
		Refer:    refer(c), Replaces: transfers(c),
		UnsolicitedMessageSummary: slices.Contains(wants(c, side), Unasked),
		SessionTimer:              sessionTimer(c, side), Update: refreshesBy(c, cell.RefreshByUpdate),
	}
}

// refer is what the user agent does when it is asked to call somebody.
func refer(c cell.Cell) ua.ReferPolicy {
	if transfers(c) {
		return ua.ReferFollow
	}
	return ua.ReferUnsupported
}

// transfers says whether it is a flow in which a phone asks another to call a third.
func transfers(c cell.Cell) bool { return c.Host(cell.C) != "" }

// picksUp is how long after a call has come in the end answers it; 0 is at once.
func picksUp(c cell.Cell, side cell.Side) time.Duration {
	if f, ok := c.Flow.(interface{ Calls() cell.Side }); ok && f.Calls() == side {
		return 0
	}
	return c.Rings()
}

// rings is how long a callee rings and is heard meanwhile; 0 is that it answers at once.
func rings(c cell.Cell) time.Duration {
	if f, ok := c.Flow.(interface{ Rings() time.Duration }); ok {
		return f.Rings()
	}
	return 0
}

// lines is how many calls a phone may have at once.
func lines(c cell.Cell) int {
	if transfers(c) {
		return 2
	}
	return 1
}

// keepAlive is what the user agent does to stay reachable.
func keepAlive(c cell.Cell) ua.KeepAlive {
	kind := map[cell.KeepAlive]ua.KeepAliveKind{
		cell.KeepAliveNone: ua.KeepAliveNone, cell.KeepAliveCRLF: ua.KeepAliveCRLF, cell.KeepAliveZero: ua.KeepAliveZero,
		cell.KeepAliveSTUN: ua.KeepAliveSTUN, cell.KeepAliveOPTIONS: ua.KeepAliveOPTIONS,
		cell.KeepAliveRegister: ua.KeepAliveRegister,
	}[c.KeepAlive]
	if kind == ua.KeepAliveNone {
		return ua.KeepAlive{}
	}
	return ua.KeepAlive{Kind: kind, Interval: c.Interval.Time()}
}

// Expires is for how long phones register, in cells that say so; 0 is longer than a flow lasts.
func Expires(c cell.Cell) time.Duration {
	if !c.Flow.Uses(cell.KeyExpires) {
		return 0
	}
	return c.Expires.Time()
}

// gatewayOptions are those of the PSTN gateway, which is always b.
func gatewayOptions(c cell.Cell) gateway.Config {
	return gateway.Config{Latch: latch(c, cell.B), Strict: c.Strict.Has(cell.B), Silent: c.Silent.Has(cell.B)}
}

// Unaided are the traits of a phone that knows nothing of NATs and has no option of those
// that cells vary. Cells that want one are not for it.
func Unaided(c cell.Cell, side cell.Side) (theory.Traits, error) {
	if c.PortManager != cell.ManagerLocal || c.Rport || c.Latch.Has(side) || c.Strict.Has(side) || c.Silent.Has(side) ||
		c.Change == cell.ChangeRoam && side == cell.A || c.KeepAlive != cell.KeepAliveNone || Expires(c) != 0 || c.Hangup == cell.Callee && side == cell.B || len(wants(c, side)) > 0 || transfers(c) || rings(c) > 0 && side == cell.B || picksUp(c, side) > 0 || c.Flow.Uses(cell.KeySession) {
		return theory.Traits{}, ErrNotThisPhone
	}
	return theory.Traits{Address: theory.Bound}, nil
}

// latch is the policy of those who latch.
func latch(c cell.Cell, side cell.Side) media.Latch {
	if !c.Latch.Has(side) {
		return media.LatchOff
	}
	return map[cell.LatchPolicy]media.Latch{
		cell.LatchAlways: media.LatchAlways, cell.LatchOnce: media.LatchOnce, cell.LatchWindow: media.LatchWindow, cell.LatchSameAddress: media.LatchSameAddress,
	}[c.LatchPolicy]
}

// policies are what they are to theory.
var policies = map[cell.LatchPolicy]theory.LatchPolicy{
	cell.LatchAlways: theory.LatchAlways, cell.LatchOnce: theory.LatchOnce, cell.LatchWindow: theory.LatchWindow, cell.LatchSameAddress: theory.LatchSameAddress,
}
