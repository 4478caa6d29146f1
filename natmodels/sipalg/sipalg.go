package sipalg

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ALG is a SIP application level gateway: what it rewrites, and what it gets wrong. The
// zero value rewrites every field that holds an address, on port 5060, correctly.
type ALG struct {
	// Linux does as nf_nat_sip, right or wrong, and nothing else here counts. It drops
	// what it cannot read, and expects through Flow.Gate what messages announce: media
	// from the address that the signalling goes to, and from no other.
	Linux bool
	// StaleLength leaves Content-Length as it was though the body has another length.
	StaleLength bool
	// Double rewrites what is public already: a client that asked a STUN server, and
	// wrote what it learned, has its ports taken for internal ones.
	Double bool
	// AnyPort acts whatever the ports are; otherwise one of the two must be 5060.
	AnyPort bool
}

// variants are the ALGs with a name.
var variants = []struct {
	name string
	alg  ALG
}{
	{"full", ALG{}},
	{"any-port", ALG{AnyPort: true}},
	{"linux", ALG{Linux: true}},
	{"stale-length", ALG{StaleLength: true}},
	{"double", ALG{Double: true}},
}

// ErrUnknownName is wrapped by the error of Named.
var ErrUnknownName = errors.New("unknown name")

// Names lists the variants in a fixed order.
func Names() []string {
	names := make([]string, len(variants))
	for i, v := range variants {
		names[i] = v.name
	}
	return names
}

// Named returns the variant of that name.
func Named(name string) (ALG, error) {
	for _, v := range variants {
		if v.name == name {
			return v.alg, nil
		}
	}
	return ALG{}, fmt.Errorf("sipalg: parse variant: %w %q (valid: %s)", ErrUnknownName, name, strings.Join(Names(), ", "))
}

// Flow is the UDP flow that carries a message.
type Flow struct {
	// Internal and External are the two names of the inside end.
	Internal, External netip.AddrPort
	// Remote is the outside end.
	Remote netip.AddrPort
	// Media returns the external endpoint for an internal one that a message names, and
	// may make a mapping for it; false leaves the port as it is. It may be nil.
	Media func(internal netip.AddrPort) (external netip.AddrPort, ok bool)

	// The rest is for the variant linux, which makes do without.

	// Watched: the NAT says that its helper reads this flow; otherwise the remote port
	// must be 5060.
	Watched bool
	// Expected: an expectation let the flow through.
	Expected bool
	// RemoteInside is what the inside sees as Remote, if that is not the same.
	RemoteInside netip.AddrPort
	// Session remembers, from one message of the flow to the next.
	Session *Session
	// Gate opens the NAT for what messages announce; without one, Media is asked for
	// media ports.
	Gate Gate
}

// sipPort is the registered port of SIP (RFC 3261 section 19.1.2).
const sipPort = 5060

func (a ALG) acts(f Flow) bool {
	if a.Linux {
		return f.Watched || f.Remote.Port() == sipPort
	}
	return a.AnyPort || f.Remote.Port() == sipPort || f.Internal.Port() == sipPort
}

// Outbound returns the message as it leaves to the outside, or nil if the ALG drops
// it. The payload is not written to; it is returned itself if nothing changes or if it
// is not SIP.
func (a ALG) Outbound(payload []byte, f Flow) []byte {
	if !a.acts(f) {
		return payload
	}
	if a.Linux {
		return linuxOutbound(payload, f)
	}
	return a.rewrite(payload, outward{a, f})
}

// Inbound returns the message as it goes on to the inside, or nil if the ALG drops it.
func (a ALG) Inbound(payload []byte, f Flow) []byte {
	if !a.acts(f) {
		return payload
	}
	if a.Linux {
		return linuxInbound(payload, f)
	}
	return a.rewrite(payload, inward{a, f})
}

// direction is what one direction does to the fields of a message.
type direction interface {
	// startLine and header return the line with its addresses rewritten.
	startLine(line string) string
	header(name, line string) string
	body(sdp string) string
}

var blankLine = []byte("\r\n\r\n")

func (a ALG) rewrite(payload []byte, d direction) []byte {
	head, body, ok := bytes.Cut(payload, blankLine)
	if !ok {
		return payload
	}
	lines := strings.Split(string(head), "\r\n")
	if !isSIP(lines[0]) {
		return payload
	}
	isSDP := false
	length := -1
	lines[0] = d.startLine(lines[0])
	name := ""
	for i, line := range lines[1:] {
		if !continues(line) {
			name = fieldName(line)
		}
		lines[i+1] = d.header(name, line)
		switch name {
		case "content-type":
			isSDP = isSDP || strings.Contains(strings.ToLower(line), "application/sdp")
		case "content-length":
			length = i + 1
		}
	}
	text := string(body)
	if isSDP {
		text = d.body(text)
	}
	if length > 0 && len(text) != len(body) && !a.StaleLength {
		field, _, _ := strings.Cut(lines[length], ":")
		lines[length] = fmt.Sprintf("%s: %d", field, len(text))
	}
	out := strings.Join(lines, "\r\n") + "\r\n\r\n" + text
	if out == string(payload) {
		return payload
	}
	return []byte(out)
}

// isSIP recognises a start line (RFC 3261 section 7).
func isSIP(line string) bool {
	return strings.HasPrefix(line, "SIP/2.0 ") || strings.HasSuffix(line, " SIP/2.0")
}

// continues recognises a folded line (RFC 3261 section 7.3.1).
func continues(line string) bool {
	return line != "" && (line[0] == ' ' || line[0] == '\t')
}

// compact are the short field names (RFC 3261 section 7.3.3).
var compact = map[string]string{"v": "via", "m": "contact", "c": "content-type", "l": "content-length"}

func fieldName(line string) string {
	name, _, _ := strings.Cut(line, ":")
	name = strings.ToLower(strings.TrimSpace(name))
	if long, ok := compact[name]; ok {
		return long
	}
	return name
}
