package certify

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/vnet"
)

// Seen is a packet that shows a trait.
type Seen struct {
	Probe  string        `json:"probe"`  // in which it was seen
	Packet uint64        `json:"packet"` // its identity in the trace of that
	At     time.Duration `json:"at"`
	Src    string        `json:"src"`
	Dst    string        `json:"dst"`
	Text   string        `json:"text"` // what of it
}

// String is the packet on one line.
func (s Seen) String() string {
	return fmt.Sprintf("%s, packet %d at %.3f s, %s -> %s: %s", s.Probe, s.Packet, s.At.Seconds(), s.Src, s.Dst, s.Text)
}

// sighting is a packet of a probe, as it left its sender.
type sighting struct {
	vnet.Event
	probe   string
	kind    sipmsg.Kind
	request *sipmsg.Request  // or nil
	answer  *sipmsg.Response // or nil
	arrived string           // the box that got it; empty if none did
	outside netip.AddrPort   // its source where it ended
}

// shows is the sighting as evidence.
func (s *sighting) shows(format string, args ...any) *Seen {
	return &Seen{Probe: s.probe, Packet: s.Packet, At: s.At, Src: s.Src.String(), Dst: s.Dst.String(), Text: fmt.Sprintf(format, args...)}
}

// tape is what was seen in a probe: each packet once, in the order in which they were sent.
type tape struct {
	probe string
	all   []*sighting
	err   error            // why it could not be played
	said  map[string]error // what the endpoint answered, by what it was asked for
	times map[string]mark  // when the parts of the probe began
	able  able             // what the endpoint can be told to do
}

// mark is a time of a probe.
type mark = time.Duration

func read(probe string, events []vnet.Event) *tape {
	t := &tape{probe: probe, said: map[string]error{}, times: map[string]mark{}}
	known := map[uint64]*sighting{}
	for _, e := range events {
		s := known[e.Packet]
		switch {
		case e.Packet == 0:
			continue
		case s == nil && e.Kind == vnet.Sent:
			s = &sighting{Event: e, probe: probe, kind: sipmsg.KindOf(e.Payload)}
			s.parse()
			known[e.Packet] = s
			t.all = append(t.all, s)
		case s != nil && e.Kind == vnet.Delivered:
			s.arrived, s.outside = e.Box, e.Src
		case s != nil && e.Kind == vnet.Translated:
			s.outside = e.Src
		}
	}
	return t
}

func (s *sighting) parse() {
	if s.kind != sipmsg.Other {
		return
	}
	m, err := sipmsg.Read(s.Payload, s.Src, false)
	if err != nil {
		return
	}
	switch m := m.(type) {
	case *sipmsg.Request:
		s.request = m
	case *sipmsg.Response:
		s.answer = m
	}
}

// is selects sightings.
type is func(*sighting) bool

// from is what a box sent.
func from(box string) is { return func(s *sighting) bool { return s.Box == box } }

// phone is what the phone sent.
var phone = from(cell.BoxA)

// method is a request.
func method(name string) is {
	return func(s *sighting) bool { return s.request != nil && string(s.request.Method) == name }
}

// status is a response to a request of a method, from a status up to another.
func status(name string, low, high int) is {
	return func(s *sighting) bool {
		return s.answer != nil && s.answer.CSeq.Method == name && s.answer.StatusCode >= low && s.answer.StatusCode <= high
	}
}

// kind is what is told by its first bytes.
func kind(k sipmsg.Kind) is { return func(s *sighting) bool { return s.kind == k } }

// toward is what goes to an address.
func toward(a netip.Addr) is { return func(s *sighting) bool { return s.Dst.Addr() == a } }

// since and until are what was sent in a time.
func since(t mark) is { return func(s *sighting) bool { return s.At >= t } }
func until(t mark) is { return func(s *sighting) bool { return s.At < t } }

// first is the first that is all of that, or nil.
func (t *tape) first(all ...is) *sighting {
	for _, s := range t.all {
		if s.matches(all) {
			return s
		}
	}
	return nil
}

// last is the last that is all of that, or nil.
func (t *tape) last(all ...is) *sighting {
	for i := len(t.all) - 1; i >= 0; i-- {
		if t.all[i].matches(all) {
			return t.all[i]
		}
	}
	return nil
}

// every are all that are all of that.
func (t *tape) every(all ...is) []*sighting {
	var found []*sighting
	for _, s := range t.all {
		if s.matches(all) {
			found = append(found, s)
		}
	}
	return found
}

func (s *sighting) matches(all []is) bool {
	for _, x := range all {
		if !x(s) {
			return false
		}
	}
	return true
}

// names is the method of a request, or of the request that a response answers.
func (s *sighting) names() string {
	switch {
	case s.request != nil:
		return string(s.request.Method)
	case s.answer != nil:
		return s.answer.CSeq.Method
	}
	return ""
}

// field is the first value of a header field, of a request or a response.
func (s *sighting) field(name string) string {
	var v string
	switch {
	case s.request != nil:
		v, _ = s.request.Value(name)
	case s.answer != nil:
		v, _ = s.answer.Value(name)
	}
	return v
}

// body is the body of a message.
func (s *sighting) body() []byte {
	switch {
	case s.request != nil:
		return s.request.Body()
	case s.answer != nil:
		return s.answer.Body()
	}
	return nil
}

// contact is the address in the Contact, if it is one.
func (s *sighting) contact() netip.AddrPort {
	a, ok := sipmsg.ParseAddress(s.field("contact"))
	if !ok {
		return netip.AddrPort{}
	}
	return sipmsg.Resolve(&a.URI)
}

// via is the address in the topmost Via, if it is one.
func (s *sighting) via() netip.AddrPort {
	if s.request == nil {
		return netip.AddrPort{}
	}
	a, ok := sipmsg.HostAddr(s.request.Top.Host)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, s.request.Top.Port)
}

// line is the line of a session description that begins so, or empty.
func line(description []byte, prefix string) string {
	for l := range strings.SplitSeq(string(description), "\n") {
		if l = strings.TrimRight(l, "\r"); strings.HasPrefix(l, prefix) {
			return l
		}
	}
	return ""
}
