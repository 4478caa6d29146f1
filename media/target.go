package media

import (
	"net"
	"net/netip"
	"time"
)

// target is where one kind of packet goes: the signalled address, or the
// observed one once latched.
type target struct {
	signalled netip.AddrPort
	latched   netip.AddrPort
	addr      net.Addr // current() as the socket wants it, made once
	latching
}

// signal is what a description says, at the start and in a re-INVITE.
func (t *target) signal(to netip.AddrPort, now time.Time) {
	t.begin(now)
	to = unmap(to)
	if to == t.signalled {
		return
	}
	t.signalled, t.latched, t.addr = to, netip.AddrPort{}, udpAddr(to)
}

// latch follows an accepted packet to its source, if the policy is for it
// (RFC 7362 §4), but not where nothing is to be sent to (RFC 3264 §8.4).
func (t *target) latch(from netip.AddrPort, now time.Time) (moved, refused bool) {
	if from == t.current() {
		t.settled = true
		return false, false
	}
	if t.signalled.Addr().IsUnspecified() || !t.allows(t.signalled, from, now) {
		return false, t.policy != LatchOff
	}
	t.latched, t.addr, t.settled = from, udpAddr(from), true
	return true, false
}

func (t *target) current() netip.AddrPort {
	if t.latched.IsValid() {
		return t.latched
	}
	return t.signalled
}

// udpAddr is nil for an address that cannot be sent to: unknown, port 0, or
// the 0.0.0.0 of an old-style hold (RFC 3264 §8.4).
func udpAddr(to netip.AddrPort) net.Addr {
	if !to.IsValid() || to.Port() == 0 || to.Addr().IsUnspecified() {
		return nil
	}
	return net.UDPAddrFromAddrPort(to)
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// sourceOf is the netip form of what ReadFrom returned.
func sourceOf(a net.Addr) (netip.AddrPort, bool) {
	if u, ok := a.(*net.UDPAddr); ok {
		ap := unmap(u.AddrPort())
		return ap, ap.IsValid()
	}
	ap, err := netip.ParseAddrPort(a.String())
	return unmap(ap), err == nil
}
