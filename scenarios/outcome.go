package scenarios

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/natproof/natproof/vnet"
)

// Names of the boxes of every cell, as they stand in traces and causes. A side
// without a NAT has no NAT box, a flow without a server does not have it.
const (
	BoxA        = "a"        // the user agent a
	BoxNATA     = "nat-a"    // the NAT in front of a
	BoxInternet = "internet" // where public addresses live
	BoxSTUN     = "stun"
	BoxProxy    = "proxy"   // registrar and proxy, one public UDP socket
	BoxGateway  = "gateway" // the PSTN gateway of pc-to-phone
	BoxNATB     = "nat-b"   // the NAT in front of b
	BoxB        = "b"       // the user agent b; in register the public caller
)

// Host is the box of the user agent, or of the gateway, on the given side.
func (c Cell) Host(side Side) string {
	switch {
	case side == A:
		return BoxA
	case c.Flow == FlowPCToPhone:
		return BoxGateway
	}
	return BoxB
}

// NATBox is the box of the NAT on the given side.
func NATBox(side Side) string {
	if side == A {
		return BoxNATA
	}
	return BoxNATB
}

// Step is one message, or one stream, that must arrive for its part of the
// flow to work.
type Step string

// The steps, each judged where the message or stream must arrive.
const (
	RegisterRequestA  Step = "register request a"  // REGISTER of a at the proxy
	RegisterResponseA Step = "register response a" // its 200 at a
	RegisterRequestB  Step = "register request b"
	RegisterResponseB Step = "register response b"
	Invite            Step = "invite"         // INVITE at the callee
	FinalResponse     Step = "final response" // the callee's 2xx at the caller
	Ack               Step = "ack"            // the caller's ACK at the callee
	Bye               Step = "bye"            // the caller's BYE at the callee
	RTPAToB           Step = "rtp a>b"        // steady stream of RTP from a at b's receiver
	RTPBToA           Step = "rtp b>a"
	RTCPAToB          Step = "rtcp a>b"
	RTCPBToA          Step = "rtcp b>a"
)

// Steps of the cell, in the order in which they happen.
func (c Cell) Steps() []Step {
	steps := []Step{RegisterRequestA, RegisterResponseA}
	if c.Flow == FlowCall {
		steps = append(steps, RegisterRequestB, RegisterResponseB)
	}
	steps = append(steps, Invite, FinalResponse, Ack)
	if c.HasMedia() {
		steps = append(steps, RTPAToB, RTPBToA, RTCPAToB, RTCPBToA)
	}
	return append(steps, Bye)
}

// Caller is the side that sends the INVITE, and later the BYE.
func (c Cell) Caller() Side {
	if c.Flow == FlowRegister {
		return B
	}
	return A
}

// Fate is what became of a step.
type Fate string

const (
	// Arrived: the message reached who it was for; the stream runs.
	Arrived Fate = "ok"
	// Lost: it was sent and somebody dropped every copy of it.
	Lost Fate = "lost"
	// NotSent: its sender never came to send it.
	NotSent Fate = "not-sent"
)

// Rule is why something was dropped: a vnet.Reason (itself a natmodels reason
// by name, or the network's own), or one of the reasons only an endpoint has.
type Rule string

const (
	RuleFiltered   Rule = "filtered"          // RFC 4787 §5
	RuleNoMapping  Rule = "no-mapping"        // nobody behind the NAT has that external port
	RuleNoRoute    Rule = Rule(vnet.NoRoute)  // a private address on the internet
	RuleStrict     Rule = "strict-source"     // the receiver wants the signalled source
	RuleNotSent    Rule = "not-sent"          // the sender had no reason, or no address, to send
	RuleNoSocket   Rule = Rule(vnet.NoSocket) // reached the host, nobody listens
	RuleForeignVia Rule = "foreign-via"       // the response does not name who sent the request (RFC 3261 §18.1.2)
	RuleMalformed  Rule = "malformed"         // cut short, or not to be understood (RFC 3261 §18.3)
	RuleLinkLoss   Rule = Rule(vnet.LinkLoss) // impairment, not theory
	RuleUnknown    Rule = "no-drop-observed"  // lost without a drop in the trace: a defect of the lab
)

// Cause says which box did what to which message, and why.
type Cause struct {
	Box     string         // BoxNATA, BoxInternet, BoxB ...; empty for a step that works
	Rule    Rule           //
	Message string         // "INVITE", "200 to REGISTER", "RTP"
	Src     netip.AddrPort // observed only: the packet as the box saw it
	Dst     netip.AddrPort
	Why     string // a sentence: theory's, with the RFC section, or the box's own
}

// IsZero reports whether there is nothing to explain.
func (c Cause) IsZero() bool { return c == Cause{} }

// Alike reports whether the same box applied the same rule, be it to different
// messages.
func (c Cause) Alike(d Cause) bool { return c.Box == d.Box && c.Rule == d.Rule }

// Same reports whether two causes name the same mechanism: the same box
// applying the same rule to the same message.
func (c Cause) Same(d Cause) bool { return c.Alike(d) && c.Message == d.Message }

// String is the cause on one line.
func (c Cause) String() string {
	if c.IsZero() {
		return ""
	}
	var s string
	switch {
	case c.Rule == RuleNotSent:
		s = fmt.Sprintf("%s sent no %s", c.Box, c.Message)
	case c.Dst.IsValid():
		s = fmt.Sprintf("%s dropped %s %v -> %v: %s", c.Box, c.Message, c.Src, c.Dst, c.Rule)
	case c.Src.IsValid():
		s = fmt.Sprintf("%s dropped %s from %v: %s", c.Box, c.Message, c.Src, c.Rule)
	default:
		s = fmt.Sprintf("%s drops %s: %s", c.Box, c.Message, c.Rule)
	}
	if c.Why != "" {
		s += ": " + c.Why
	}
	return s
}

// DropCause is the cause that a drop in the trace tells.
func DropCause(message string, e vnet.Event) Cause {
	why := strings.TrimPrefix(e.Detail, string(e.Reason)+": ")
	return Cause{Box: e.Box, Rule: Rule(e.Reason), Message: message, Src: e.Src, Dst: e.Dst, Why: why}
}

// StepOutcome is one step as predicted or as observed.
type StepOutcome struct {
	Step  Step
	Fate  Fate
	Cause Cause // zero if Fate is Arrived
}

// Verdict of a part of the flow.
type Verdict string

// The two verdicts.
const (
	OK     Verdict = "ok"
	Failed Verdict = "failed"
)

// Direction says which way media, or RTCP, gets through.
type Direction string

// The four outcomes of a two-way stream. The empty Direction is "not judged".
const (
	TwoWay   Direction = "2way"
	OnlyAToB Direction = "a>b"
	OnlyBToA Direction = "b>a"
	NoWay    Direction = "none"
)

// DirectionOf puts two one-way results together.
func DirectionOf(aToB, bToA bool) Direction {
	switch {
	case aToB && bToA:
		return TwoWay
	case aToB:
		return OnlyAToB
	case bToA:
		return OnlyBToA
	}
	return NoWay
}

// Outcome of a cell, as predicted or as observed.
type Outcome struct {
	Register   Verdict   // every user agent of the flow got the 200 to its REGISTER
	Signalling Verdict   // INVITE, final response, ACK and BYE arrived
	Media      Direction // RTP in steady state; NoWay in a flow without media
	RTCP       Direction // empty in a flow without media
	Steps      []StepOutcome
}

// Conclude derives an outcome from the fates of its steps, the same way for
// prediction and observation. A step that is missing did not arrive, except that
// RTCP with neither step is not judged.
func Conclude(steps []StepOutcome) Outcome {
	o := Outcome{Register: OK, Signalling: OK, Steps: steps}
	arrived := func(s Step) bool { f, _ := o.Step(s); return f.Fate == Arrived }
	for _, s := range []Step{Invite, FinalResponse, Ack, Bye} {
		if !arrived(s) {
			o.Signalling = Failed
		}
	}
	_, bRegisters := o.Step(RegisterRequestB)
	if !arrived(RegisterRequestA) || !arrived(RegisterResponseA) ||
		bRegisters && (!arrived(RegisterRequestB) || !arrived(RegisterResponseB)) {
		o.Register = Failed
	}
	o.Media = DirectionOf(arrived(RTPAToB), arrived(RTPBToA))
	_, ab := o.Step(RTCPAToB)
	_, ba := o.Step(RTCPBToA)
	if ab || ba {
		o.RTCP = DirectionOf(arrived(RTCPAToB), arrived(RTCPBToA))
	}
	return o
}

// Step finds a step of the outcome.
func (o Outcome) Step(s Step) (StepOutcome, bool) {
	for _, x := range o.Steps {
		if x.Step == s {
			return x, true
		}
	}
	return StepOutcome{}, false
}

// Losses are the steps that were sent and lost.
func (o Outcome) Losses() []StepOutcome { return o.with(Lost) }

func (o Outcome) with(f Fate) []StepOutcome {
	var found []StepOutcome
	for _, s := range o.Steps {
		if s.Fate == f {
			found = append(found, s)
		}
	}
	return found
}

// Failures are the steps that explain why the outcome is not all one could
// wish: the losses or, if nothing was lost, what was not sent. (With a loss,
// what was not sent follows from it.) RTCP is left out where it fared as the RTP
// of its direction did.
func (o Outcome) Failures() []StepOutcome {
	failed := o.Losses()
	if len(failed) == 0 {
		failed = o.with(NotSent)
	}
	return slices.DeleteFunc(failed, func(s StepOutcome) bool {
		rtp, ok := o.Step(rtpOf[s.Step])
		return ok && rtp.Fate == s.Fate && rtp.Cause.Alike(s.Cause)
	})
}

// rtpOf is the RTP step that an RTCP step goes with.
var rtpOf = map[Step]Step{RTCPAToB: RTPAToB, RTCPBToA: RTPBToA}
