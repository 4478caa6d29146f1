package kernelnat

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// Endpoint is a host and port of a sequence, or what an earlier step showed.
type Endpoint struct {
	Host Host
	Port uint16
	// Seen, if not zero, stands for the source that the packet of that step (counted
	// from 1) left the router with.
	Seen int
}

// String returns "A:40000" or "#1".
func (e Endpoint) String() string {
	if e.Seen != 0 {
		return "#" + strconv.Itoa(e.Seen)
	}
	return fmt.Sprintf("%v:%d", e.Host, e.Port)
}

// Step is one event of a sequence: a pause, a packet from From to To, or an ICMP
// error from From about the packet of an earlier step.
type Step struct {
	Pause    time.Duration
	Proto    Proto
	From, To Endpoint
	Flags    natmodels.TCPFlags // TCP; the sequence numbers are those of two hosts in conversation
	// ICMP
	Type, Code uint8
	// About is the step (counted from 1) whose packet, as it arrived at From, an ICMP
	// error quotes.
	About int
	// Data, if any, is the payload; see placeholder.
	Data string
}

// Sequence is what one box is put through.
type Sequence []Step

// String returns the step in the notation that ParseStep reads:
//
//	udp A:40000 > S1:3478
//	udp A:5060 > S1:5060 "OPTIONS sip:{S1} SIP/2.0\r\n"
//	udp S1:3478 > #1
//	tcp SYN+ACK S1:80 > #1
//	echo-request A:7 > S1:7
//	unreachable/3 S1 about #1
//	pause 2.5s
func (s Step) String() string {
	switch {
	case s.Pause != 0:
		return "pause " + s.Pause.String()
	case s.About != 0:
		return fmt.Sprintf("%s/%d %v about #%d", errorNames[s.Type], s.Code, s.From.Host, s.About)
	case s.Proto == TCP:
		return fmt.Sprintf("tcp %s %v > %v", s.Flags, s.From, s.To)
	case s.Proto == ICMP:
		return fmt.Sprintf("%s %v > %v", echoNames[s.Type], s.From, s.To)
	}
	text := fmt.Sprintf("%v %v > %v", s.Proto, s.From, s.To)
	if s.Data != "" {
		text += " " + strconv.Quote(s.Data)
	}
	return text
}

var (
	errorNames = map[uint8]string{Unreachable: "unreachable", TimeExceeded: "time-exceeded"}
	echoNames  = map[uint8]string{EchoRequest: "echo-request", EchoReply: "echo-reply"}
)

// String returns one numbered step to a line.
func (s Sequence) String() string {
	var b strings.Builder
	for i, step := range s {
		fmt.Fprintf(&b, "%2d  %v\n", i+1, step)
	}
	return b.String()
}

// refersTo returns the steps that a step refers to, and 0.
func (s Step) refersTo() []int {
	return append(references(s.Data), s.From.Seen, s.To.Seen, s.About)
}

// ErrNotation says that a text is not in the notation of sequences.
var ErrNotation = errors.New("kernelnat: read sequence")

// ParseSequence reads the notation of Sequence.String; the numbers of the steps may
// be left out, and lines that are empty or start with "#" are ignored.
func ParseSequence(text string) (Sequence, error) {
	var seq Sequence
	for line := range strings.Lines(text) {
		line, data, quoted := strings.Cut(line, `"`)
		f := strings.Fields(line)
		if len(f) > 0 {
			if _, err := strconv.Atoi(f[0]); err == nil {
				f = f[1:]
			}
		}
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		step, err := parseStep(f)
		switch {
		case err != nil || !quoted:
		case step.Proto != UDP:
			err = errPayload
		default:
			step.Data, err = strconv.Unquote(`"` + strings.TrimSpace(data))
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %q: %w", ErrNotation, strings.TrimSpace(line), err)
		}
		if n := slices.Max(step.refersTo()); n > len(seq) {
			return nil, fmt.Errorf("%w: %q: step %d comes later", ErrNotation, strings.TrimSpace(line), n)
		}
		seq = append(seq, step)
	}
	return seq, nil
}

var (
	errFields  = errors.New("too few words")
	errPause   = errors.New("no time passes")
	errPayload = errors.New("a payload is for UDP")
)

func parseStep(f []string) (Step, error) {
	kind, code, isError := strings.Cut(f[0], "/")
	switch {
	case isError:
		return parseICMPError(kind, code, f[1:])
	case kind == "pause":
		if len(f) != 2 {
			return Step{}, errFields
		}
		d, err := time.ParseDuration(f[1])
		if err == nil && d <= 0 {
			err = errPause
		}
		return Step{Pause: d}, err
	case kind == "tcp":
		return parseTCP(f[1:])
	}
	s := Step{Proto: UDP}
	for t, name := range echoNames {
		if kind == name {
			s.Proto, s.Type = ICMP, t
		}
	}
	if s.Proto == UDP && kind != "udp" {
		return Step{}, fmt.Errorf("unknown word %q", kind)
	}
	if len(f) != 4 {
		return Step{}, errFields
	}
	return s, s.parseEnds(f[1:])
}

func (s *Step) parseEnds(f []string) (err error) {
	if len(f) < 3 || f[1] != ">" {
		return errFields
	}
	if s.From, err = parseEndpoint(f[0]); err != nil {
		return err
	}
	s.To, err = parseEndpoint(f[2])
	return err
}

func parseICMPError(kind, code string, f []string) (Step, error) {
	s := Step{Proto: ICMP}
	for t, name := range errorNames {
		if kind == name {
			s.Type = t
		}
	}
	if s.Type == 0 || len(f) != 3 || f[1] != "about" {
		return Step{}, errFields
	}
	n, err := strconv.ParseUint(code, 10, 8)
	if err != nil {
		return Step{}, err
	}
	s.Code = uint8(n)
	if s.From.Host, err = parseHost(f[0]); err != nil {
		return Step{}, err
	}
	s.About, err = strconv.Atoi(strings.TrimPrefix(f[2], "#"))
	if err == nil && s.About < 1 {
		err = fmt.Errorf("no step %d", s.About)
	}
	return s, err
}

func parseTCP(f []string) (Step, error) {
	s := Step{Proto: TCP}
	if len(f) != 4 {
		return s, errFields
	}
	flags, err := natmodels.ParseTCPFlags(f[0])
	if err != nil {
		return s, err
	}
	s.Flags = flags
	return s, s.parseEnds(f[1:])
}

func parseEndpoint(s string) (Endpoint, error) {
	if n, ok := strings.CutPrefix(s, "#"); ok {
		seen, err := strconv.Atoi(n)
		if err == nil && seen < 1 {
			err = fmt.Errorf("no step %d", seen)
		}
		return Endpoint{Seen: seen}, err
	}
	name, port, _ := strings.Cut(s, ":")
	h, err := parseHost(name)
	if err != nil {
		return Endpoint{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return Endpoint{Host: h, Port: uint16(n)}, err
}

func parseHost(name string) (Host, error) {
	for h, known := range hostNames {
		if name == known {
			return Host(h), nil
		}
	}
	return 0, fmt.Errorf("unknown host %q", name)
}
