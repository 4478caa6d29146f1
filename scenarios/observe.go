package scenarios

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/ua"
)

// observation is what a played cell left behind: every packet's way, and what
// each end counted.
type observation struct {
	cell   Cell
	tape   *tape
	media  map[Side]mediaCount
	talked bool // the call was established
	rtcp   bool // the call lasted long enough to judge RTCP
	// discarded are the responses that reached a host and were of no use to it.
	discarded map[string][]ua.DiscardEvent
	refused   []registrar.Event // what the proxy threw away
}

// mediaCount is what one end counted while media was in its steady state: RTP
// in the last second, RTCP in a window longer than its longest interval.
type mediaCount struct{ rtp, rtcp media.Stats }

// observe gives every step of the cell its fate and, if it was lost, its cause.
func observe(o observation) []StepOutcome {
	caller := o.cell.Caller()
	from, to := o.cell.Host(caller), o.cell.Host(caller.Other())
	var steps []StepOutcome
	for _, s := range o.cell.Steps() {
		var out StepOutcome
		switch s {
		case RegisterRequestA:
			out = o.message("REGISTER", BoxA, BoxProxy, o.registers(BoxA, false))
		case RegisterResponseA:
			out = o.message("200 to REGISTER", BoxProxy, BoxA, o.registers(BoxA, true))
		case RegisterRequestB:
			out = o.message("REGISTER", BoxB, BoxProxy, o.registers(BoxB, false))
		case RegisterResponseB:
			out = o.message("200 to REGISTER", BoxProxy, BoxB, o.registers(BoxB, true))
		case Invite:
			out = o.message("INVITE", from, to, func(f *flight) bool { return f.request("INVITE") })
		case FinalResponse:
			out = o.message("200 to INVITE", to, from, func(f *flight) bool { return f.success("INVITE") })
		case Ack:
			out = o.message("ACK", from, to, func(f *flight) bool { return f.request("ACK") && o.answered(from) })
		case Bye:
			out = o.message("BYE", from, to, func(f *flight) bool { return f.request("BYE") && o.initiated(f, from) })
		case RTPAToB, RTPBToA, RTCPAToB, RTCPBToA:
			var judged bool
			if out, judged = o.stream(s); !judged {
				continue
			}
		}
		out.Step = s
		steps = append(steps, out)
	}
	return steps
}

// registers selects the REGISTER requests of a host, or the 2xx to them.
func (o observation) registers(host string, responses bool) func(*flight) bool {
	calls := map[string]bool{}
	for i := range o.tape.sip {
		if f := &o.tape.sip[i]; f.from == host && f.request("REGISTER") {
			calls[f.callID] = true
		}
	}
	return func(f *flight) bool {
		if !calls[f.callID] {
			return false
		}
		return responses && f.success("REGISTER") || !responses && f.request("REGISTER")
	}
}

// initiated says whether the request is the host's, sent or relayed, and not one
// of the other end's that goes the other way: the tag of From tells (RFC 3261 §12).
func (o observation) initiated(f *flight, host string) bool {
	for i := range o.tape.sip {
		if g := &o.tape.sip[i]; g.from == host && g.request(f.method) && g.fromTag == f.fromTag {
			return true
		}
	}
	return false
}

// answered says whether a 2xx to an INVITE reached the host. Without one every
// ACK is the hop-by-hop one of a failed INVITE (RFC 3261 §17.1.1.3), which is
// nobody's step.
func (o observation) answered(host string) bool {
	for i := range o.tape.sip {
		f := &o.tape.sip[i]
		if _, useless := o.useless(f); !useless && f.success("INVITE") && f.arrived && f.end.Box == host {
			return true
		}
	}
	return false
}

// useless is why the host that a response reached did not use it.
func (o observation) useless(f *flight) (Cause, bool) {
	for _, d := range o.discarded[f.end.Box] {
		if f.arrived && f.status == d.Code && f.method == d.Method && f.callID == d.CallID {
			return Cause{Box: f.end.Box, Rule: RuleForeignVia, Src: f.end.Src, Dst: f.end.Dst,
				Why: fmt.Sprintf("the Via of the request named %s and that of the response names %s (RFC 3261 §18.1.2)", d.Sent, d.Got)}, true
		}
	}
	return Cause{}, false
}

// refusal is why the proxy threw one of the messages away that reached it.
func (o observation) refusal(is func(*flight) bool) (Cause, bool) {
	for i := range o.tape.sip {
		f := &o.tape.sip[i]
		if !is(f) || !f.arrived || f.end.Box != BoxProxy {
			continue
		}
		for _, e := range o.refused {
			if e.Source == f.end.Src && strings.HasPrefix(e.Detail, string(RuleMalformed)+": ") {
				return Cause{Box: BoxProxy, Rule: RuleMalformed, Src: f.end.Src, Dst: f.end.Dst, Why: strings.TrimPrefix(e.Detail, string(RuleMalformed)+": ")}, true
			}
		}
	}
	return Cause{}, false
}

// message judges a message that may be relayed and repeated: it arrived if one
// copy reached the host it was for; if not, the last drop is the cause.
func (o observation) message(name, from, to string, is func(*flight) bool) StepOutcome {
	var last *flight
	sent := false
	for i := range o.tape.sip {
		f := &o.tape.sip[i]
		if !is(f) {
			continue
		}
		sent = sent || f.from == from
		if f.arrived && f.end.Box == to {
			if cause, useless := o.useless(f); useless {
				cause.Message = name
				return StepOutcome{Fate: Lost, Cause: cause}
			}
			return StepOutcome{Fate: Arrived}
		}
		if f.ended && !f.arrived {
			last = f
		}
	}
	switch {
	case !sent:
		return StepOutcome{Fate: NotSent, Cause: Cause{Box: from, Rule: RuleNotSent, Message: name}}
	case last != nil:
		return StepOutcome{Fate: Lost, Cause: DropCause(name, last.end)}
	}
	if cause, ok := o.refusal(is); ok {
		cause.Message = name
		return StepOutcome{Fate: Lost, Cause: cause}
	}
	return StepOutcome{Fate: Lost, Cause: Cause{Box: BoxProxy, Rule: RuleUnknown, Message: name,
		Why: fmt.Sprintf("%s sent it and no box dropped it, yet it did not reach %s", from, to)}}
}

// stream judges RTP or RTCP in one direction by what the ends counted.
func (o observation) stream(s Step) (out StepOutcome, judged bool) {
	x, isRTP := A, s == RTPAToB || s == RTPBToA
	if s == RTPBToA || s == RTCPBToA {
		x = B
	}
	if !isRTP && !o.rtcp && o.talked {
		return StepOutcome{}, false
	}
	name := map[bool]string{true: "RTP", false: "RTCP"}[isRTP]
	from, to := o.cell.Host(x), o.cell.Host(x.Other())
	not := StepOutcome{Fate: NotSent, Cause: Cause{Box: from, Rule: RuleNotSent, Message: name}}
	if !o.talked {
		not.Cause.Why = "no call was established"
		return not, true
	}
	tx, rx := o.media[x], o.media[x.Other()]
	sent, received, strict, strictFrom := tx.rtp.RTPSent, rx.rtp.RTPReceived, rx.rtp.RTPStrictDropped, rx.rtp.StrictFrom
	if !isRTP {
		sent, received, strict, strictFrom = tx.rtcp.RTCPSent, rx.rtcp.RTCPReceived, rx.rtcp.RTCPStrictDropped, rx.rtcp.RTCPStrict
	}
	switch {
	case received > 0 && (!isRTP || 2*received >= sent): // RTP runs, though some may be lost; of RTCP there are one or two
		return StepOutcome{Fate: Arrived}, true
	case sent == 0:
		return not, true
	case strict > 0:
		return StepOutcome{Fate: Lost, Cause: strictCause(name, to, strictFrom, rx.rtp)}, true
	}
	kind := map[bool]streamKind{true: kindRTP, false: kindRTCP}[isRTP]
	if e, ok := o.tape.lost[stage{from, kind}]; ok {
		return StepOutcome{Fate: Lost, Cause: DropCause(name, e)}, true
	}
	return StepOutcome{Fate: Lost, Cause: Cause{Box: to, Rule: RuleUnknown, Message: name,
		Why: fmt.Sprintf("%s sent %d packets and no box dropped one, yet %s counted none", from, sent, to)}}, true
}

func strictCause(name, box string, from netip.AddrPort, s media.Stats) Cause {
	signalled := s.Signalled
	if name == "RTCP" {
		signalled = s.RTCPSignalled
	}
	return Cause{Box: box, Rule: RuleStrict, Message: name, Src: from,
		Why: fmt.Sprintf("the session description named %v", signalled)}
}
