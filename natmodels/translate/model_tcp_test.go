package translate

import (
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// What the model knows of TCP: RFC 5382, RFC 7857 section 2 and RFC 6146 section 3.5.2.

// modelConnection is what the NAT has seen of a connection to one remote endpoint.
type modelConnection struct {
	remote netip.AddrPort
	syn    [2]bool // from the inside, from the outside
	fin    [2]bool
	rst    bool
	until  time.Time
}

const (
	insideSide  = 0
	outsideSide = 1
)

// beginsTCP reports whether a segment may be the first of a connection: a SYN alone.
func beginsTCP(f natmodels.TCPFlags) bool {
	return f&(natmodels.SYN|natmodels.ACK|natmodels.RST) == natmodels.SYN
}

// see takes note of a segment.
func (c *modelConnection) see(side int, f natmodels.TCPFlags, now time.Time, cfg TCPConfig) {
	partly := now.Add(orElse(cfg.PartiallyOpen, 4*time.Minute))
	idle := now.Add(orElse(cfg.Established, 124*time.Minute))
	over := c.rst || c.fin[insideSide] && c.fin[outsideSide]
	switch {
	case f&natmodels.RST != 0: // it stays for a while (RFC 7857 section 2.2); a second one adds nothing
		if !c.rst {
			c.rst, c.until = true, now.Add(orElse(cfg.Reset, 4*time.Minute))
		}
	case over && beginsTCP(f): // the same ports again
		*c = modelConnection{remote: c.remote, until: partly}
		c.syn[side] = true
	case c.rst: // it was not for this connection, which is alive (RFC 6146: TRANS)
		*c = modelConnection{remote: c.remote, syn: [2]bool{true, true}, until: idle}
	case over: // waits for what is left, and nothing prolongs that
	case !c.syn[insideSide] || !c.syn[outsideSide]:
		c.seeOpening(side, f, partly, idle)
	default:
		c.until = idle
		if f&natmodels.FIN != 0 && f&natmodels.SYN == 0 {
			c.fin[side] = true
		}
		if c.fin[insideSide] && c.fin[outsideSide] {
			c.until = now.Add(orElse(cfg.Closing, 4*time.Minute))
		}
	}
}

// seeOpening takes note of a segment while only one side has sent its SYN.
func (c *modelConnection) seeOpening(side int, f natmodels.TCPFlags, partly, idle time.Time) {
	switch {
	case f&natmodels.SYN != 0 && !c.syn[side]:
		c.syn[side], c.until = true, idle
	case beginsTCP(f):
		c.until = partly
	}
}

func (f *modelFlow) connection(remote netip.AddrPort) *modelConnection {
	for _, c := range f.connections {
		if c.remote == remote {
			return c
		}
	}
	return nil
}

// lastConnection is when the last connection of a flow ends.
func (f *modelFlow) lastConnection() (at time.Time) {
	for _, c := range f.connections {
		if c.until.After(at) {
			at = c.until
		}
	}
	return at
}

func (m *model) endConnections() {
	for _, f := range m.flows {
		f.connections = slices.DeleteFunc(f.connections, func(c *modelConnection) bool { return !c.until.After(m.now) })
	}
}

// belongs reports whether a segment from the inside is of a connection or begins one.
func (m *model) belongs(p natmodels.Packet, f *modelFlow) bool {
	return beginsTCP(p.Flags) || f != nil && f.connection(p.Dst) != nil
}

// leaveTCP takes note of a segment from the inside.
func (m *model) leaveTCP(p natmodels.Packet, f *modelFlow) {
	m.note(f, insideSide, p.Dst, p.Flags)
	if p.Flags&natmodels.SYN != 0 && p.Flags&natmodels.RST == 0 { // it crosses the one that was held (RFC 5382 REQ-4)
		m.held = slices.DeleteFunc(m.held, func(h modelSYN) bool { return h.packet.Src == p.Dst && h.packet.Dst == f.info.External })
	}
}

func (m *model) note(f *modelFlow, side int, remote netip.AddrPort, flags natmodels.TCPFlags) {
	c := f.connection(remote)
	if c == nil {
		c = &modelConnection{remote: remote, until: m.now.Add(orElse(m.cfg.TCP.PartiallyOpen, 4*time.Minute))}
		c.syn[side] = true
		f.connections = append(f.connections, c)
		return
	}
	c.see(side, flags, m.now, m.cfg.TCP)
}

// enterTCP admits the segments of a connection, and SYNs by the filter.
func (m *model) enterTCP(p natmodels.Packet, f *modelFlow, source netip.AddrPort) (*modelFlow, natmodels.Verdict) {
	if f.connection(source) == nil {
		if !m.admits(f, source) {
			return nil, m.drop(p, natmodels.Filtered, f)
		}
		if !beginsTCP(p.Flags) {
			return nil, m.drop(p, natmodels.Invalid, f)
		}
	}
	m.note(f, outsideSide, source, p.Flags)
	f.use(source.Addr(), m.now)
	return f, natmodels.Verdict{}
}

// modelSYN is a SYN that waits for its answer.
type modelSYN struct {
	packet natmodels.Packet
	due    time.Time
}

// unsolicitedTCP says what becomes of a segment that was not let in (RFC 5382 REQ-4).
func (m *model) unsolicitedTCP(p natmodels.Packet, drop natmodels.Verdict) natmodels.Verdict {
	switch {
	case !beginsTCP(p.Flags):
	case m.cfg.TCP.SYN == HoldSYN:
		again := slices.ContainsFunc(m.held, func(h modelSYN) bool { return h.packet.Src == p.Src && h.packet.Dst == p.Dst })
		if !again {
			m.held = append(m.held, modelSYN{p, m.now.Add(6 * time.Second)})
		}
	case m.cfg.TCP.SYN == ResetSYN: // RFC 9293 section 3.10.7.1: a SYN takes a sequence number, and so does a FIN
		ack := p.Seq + 1
		if p.Flags&natmodels.FIN != 0 {
			ack++
		}
		return m.answer(drop, natmodels.Packet{Protocol: natmodels.TCP, Flags: natmodels.RST | natmodels.ACK, Ack: ack, Src: p.Dst, Dst: p.Src})
	}
	return drop
}

// forgetSYNs drops the answers that nobody has asked for within 6 s of their time.
func (m *model) forgetSYNs() {
	m.held = slices.DeleteFunc(m.held, func(h modelSYN) bool { return !h.due.Add(6 * time.Second).After(m.now) })
}

// nextDue and due are what NAT.NextDue and NAT.Due are to return.
func (m *model) nextDue() (at time.Time, ok bool) {
	for _, h := range m.held {
		if !ok || h.due.Before(at) {
			at, ok = h.due, true
		}
	}
	return at, ok
}

func (m *model) due() (list []natmodels.Packet) {
	m.held = slices.DeleteFunc(m.held, func(h modelSYN) bool {
		if h.due.After(m.now) {
			return false
		}
		list = append(list, complaint(h.packet, h.packet.Dst.Addr(), natmodels.PortUnreachable))
		return true
	})
	return list
}
