package wire

import (
	"net/netip"

	"github.com/natproof/natproof/scenarios/cell"
)

// Told is what only an endpoint, or a server, can know: it got a packet, and had no use for
// it.
type Told struct {
	Box  string    // who tells
	Rule cell.Rule // foreign-via, malformed, strict-source
	Why  string
	Src  netip.AddrPort // where it came from

	// Of a SIP response: which one. Of anything that could not be read nothing is known but
	// its source.
	Status         int
	Method, CallID string

	// Part is RTP or RTCP of media that was discarded, once the stream was steady.
	Part cell.Part
}

// useless is why the host that a response reached did not use it.
func useless(f *Flight, told []Told) *Told {
	for i := range told {
		d := &told[i]
		if d.Box == f.end.Box && f.arrived && d.Status != 0 && f.status == d.Status && f.method == d.Method && f.callID == d.CallID {
			return d
		}
	}
	return nil
}

// unreadable is why a box threw a message away that reached it, if it tells.
func unreadable(f *Flight, told []Told) *Told {
	for i := range told {
		d := &told[i]
		if d.Box == f.end.Box && f.arrived && d.Rule == cell.RuleMalformed && d.Src == f.end.Src {
			return d
		}
	}
	return nil
}

// cause is what is told, of a message that ended as the flight did.
func (d *Told) cause(message string, f *Flight) cell.Cause {
	return cell.Cause{Box: d.Box, Rule: d.Rule, Message: message, Src: f.end.Src, Dst: f.end.Dst, Why: d.Why}
}
