package cell

import (
	"fmt"
	"net/netip"
	"slices"
)

// Part is what a step is a part of.
type Part uint8

// The parts of a flow.
const (
	Registration Part = iota + 1
	Signalling
	RTP
	RTCP
	Keys   // telephone events in the stream of RTP (RFC 4733)
	Attack // media of those who are not of the call
)

// Message is what a packet of a stream is called in causes; empty for other parts.
func (p Part) Message() string {
	switch p {
	case RTP:
		return "RTP"
	case RTCP:
		return "RTCP"
	case Keys:
		return "keys"
	}
	return ""
}

// Step is one message, or one stream, that must arrive for its part of the
// flow to work.
type Step struct {
	Name string // as it stands in JSON
	Part Part
	From Side // of a stream: who sends it
}

// Message is a step of the signalling.
func Message(name string) Step { return Step{Name: name, Part: Signalling} }

// Stream is a step of media.
func Stream(name string, part Part, from Side) Step { return Step{Name: name, Part: part, From: from} }

// String is the name.
func (s Step) String() string { return s.Name }

// MarshalText is the name.
func (s Step) MarshalText() ([]byte, error) { return []byte(s.Name), nil }

// IsStream reports whether the step is a stream.
func (s Step) IsStream() bool { return s.Part == RTP || s.Part == RTCP || s.Part == Keys }

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

// Rule is why something was dropped: a reason of a NAT or of the network by its name, or
// one of the reasons only an endpoint has.
type Rule string

const (
	RuleFiltered   Rule = "filtered"         // RFC 4787 §5
	RuleNoMapping  Rule = "no-mapping"       // nobody behind the NAT has that external port
	RuleExpired    Rule = "expired"          // its mapping was not refreshed in time (RFC 4787 §4.3)
	RuleFlushed    Rule = "flushed"          // the NAT has forgotten it
	RuleHairpin    Rule = "hairpin-off"      // the NAT does not send back inside (RFC 4787 §6)
	RuleElsewhere  Rule = "elsewhere"        // it reached somebody else
	RuleNoRoute    Rule = "no-route"         // a private address on the internet
	RuleStrict     Rule = "strict-source"    // the receiver wants the signalled source
	RuleNotSent    Rule = "not-sent"         // the sender had no reason, or no address, to send
	RuleNoSocket   Rule = "no-socket"        // reached the host, nobody listens
	RuleForeignVia Rule = "foreign-via"      // the response does not name who sent the request (RFC 3261 §18.1.2)
	RuleMalformed  Rule = "malformed"        // cut short, or not to be understood (RFC 3261 §18.3)
	RuleRefused    Rule = "refused"          // answered by a final response other than 2xx, and not forwarded (RFC 3261 §16.3)
	RuleLinkLoss   Rule = "link-loss"        // impairment, not theory
	RuleUnknown    Rule = "no-drop-observed" // lost without a drop in the trace: a defect of the lab
)

// OnlyTold reports whether nobody but an endpoint can know: on the wire the message arrived.
func (r Rule) OnlyTold() bool { return r == RuleStrict || r == RuleForeignVia }

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
	case c.Rule == RuleRefused:
		s = fmt.Sprintf("%s refused %s", c.Box, c.Message)
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

// StepOutcome is one step as predicted or as observed.
type StepOutcome struct {
	Step  Step
	Fate  Fate
	Cause Cause // zero if Fate is Arrived
	// Copy is, of a request that arrived, which of those that its last hop sent did so, from 1; of
	// what links lose none is counted. 0 is not said.
	Copy int
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

// The outcomes of a two-way stream, be it between a and b or between b and c. The empty Direction
// is "not judged".
const (
	TwoWay   Direction = "2way"
	OnlyAToB Direction = "a>b"
	OnlyBToA Direction = "b>a"
	OnlyBToC Direction = "b>c"
	OnlyCToB Direction = "c>b"
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

// between is DirectionOf where it may be c that talks to b, by who sent anything and whether it
// arrived.
func between(arrived map[Side]bool) Direction {
	if _, third := arrived[C]; !third {
		return DirectionOf(arrived[A], arrived[B])
	}
	switch d := DirectionOf(arrived[B], arrived[C]); d {
	case OnlyAToB:
		return OnlyBToC
	case OnlyBToA:
		return OnlyCToB
	default:
		return d
	}
}

// Outcome of a cell, as predicted or as observed.
type Outcome struct {
	Register   Verdict   // every user agent of the flow got the 200 to its REGISTER
	Signalling Verdict   // every other message arrived
	Media      Direction // RTP in steady state; NoWay in a flow without media
	RTCP       Direction // empty in a flow without media, and where it was not judged
	Steps      []StepOutcome
}

// Conclude derives an outcome from the fates of its steps, the same way for
// prediction and observation. RTCP with no step is not judged.
func Conclude(steps []StepOutcome) Outcome {
	o := Outcome{Register: OK, Signalling: OK, Steps: steps}
	var arrived map[Part]map[Side]bool // made for the first stream
	for _, s := range steps {
		ok := s.Fate == Arrived
		switch s.Step.Part {
		case Registration:
			if !ok {
				o.Register = Failed
			}
		case Signalling:
			if !ok {
				o.Signalling = Failed
			}
		case Attack:
		default:
			if arrived == nil {
				arrived = map[Part]map[Side]bool{RTP: {}, RTCP: {}, Keys: {}}
			}
			arrived[s.Step.Part][s.Step.From] = ok
		}
	}
	o.Media = between(arrived[RTP])
	if len(arrived[RTCP]) > 0 {
		o.RTCP = between(arrived[RTCP])
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

// Works reports whether everything arrived.
func (o Outcome) Works() bool { return len(o.Losses()) == 0 && len(o.with(NotSent)) == 0 }

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
		return s.Step.Part == RTCP && slices.ContainsFunc(o.Steps, func(x StepOutcome) bool {
			return x.Step.Part == RTP && x.Step.From == s.Step.From && x.Fate == s.Fate && x.Cause.Alike(s.Cause)
		})
	})
}
