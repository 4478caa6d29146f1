package certify

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/scenarios/cell"
)

// evidence is what was seen in each probe.
type evidence map[string]*tape

// trait is one that is learned, and how.
type trait struct {
	name  string
	learn func(evidence) Finding
}

// traits are all that are learned. The addresses come first: others build on nothing.
var traits = []trait{
	{TraitVia, func(e evidence) Finding { return e.writes("Via", (*sighting).via, method("REGISTER")) }},
	{TraitContact, func(e evidence) Finding { return e.writes("Contact", (*sighting).contact, method("REGISTER")) }},
	{TraitSDP, evidence.describes},
	{TraitRport, evidence.rport},
	{TraitSymmetric, evidence.symmetric},
	{TraitSymMedia, evidence.symmetricMedia},
	{TraitForeignVia, evidence.foreignVia},
	{TraitStranger, evidence.stranger},
	{TraitSTUN, evidence.stun},
	{TraitKeepAlive, evidence.keepAlive},
	{TraitInterval, evidence.interval},
	{TraitRefresh, evidence.refresh},
	{TraitChallenge, evidence.challenge},
	{TraitTimer, evidence.timer},
	{TraitSilent, evidence.sends},
	{TraitEarly, evidence.early},
	{TraitLatch, evidence.latch},
	{TraitStrict, evidence.strict},
	{TraitRTCP, evidence.rtcp},
	{TraitNamesRTCP, evidence.namesRTCP},
	{TraitMux, evidence.mux},
	{TraitHold, evidence.hold},
}

// learn is what the evidence shows.
func (e evidence) learn() []Finding {
	var all []Finding
	for _, t := range traits {
		f := t.learn(e)
		f.Trait = t.name
		all = append(all, f)
	}
	return all
}

// writes tells what the address is that the phone writes into a field: what it is bound to, what
// the STUN server or the registrar said, or what is forwarded to it.
func (e evidence) writes(field string, get func(*sighting) netip.AddrPort, which is) Finding {
	if s := e[probeForwards].first(phone, which); s != nil { // before anybody has told it
		if at := get(s); at == netip.AddrPortFrom(cell.PlaceOf(cell.A).External, cell.SIPPort) && !e.asked(probeForwards, s.Src) {
			return seen(wordForwarded, s.shows("%s: %v, which the NAT forwards to %v", field, at, s.Src))
		}
	}
	t := e[probeNAT]
	s := t.last(phone, which) // a phone may learn from the first answer
	if s == nil {
		return unknown(wordBound, "it sent no such request")
	}
	at := get(s)
	show := s.shows("%s: %v, sent from %v, seen at %v", field, at, s.Src, s.outside)
	switch {
	case !at.IsValid():
		f := seen(wordName, show)
		f.Beyond, f.Assumed = "a name, which is not an address", wordBound
		return f
	case at.Addr() == s.Src.Addr():
		return seen(wordBound, show)
	case at == s.outside && e.asked(probeNAT, s.Src):
		return seen(wordAsked, show)
	case at == s.outside:
		return seen(wordTold, show)
	}
	f := seen(at.String(), show)
	f.Beyond, f.Assumed = "an address that is neither its own nor seen by anybody", wordBound
	return f
}

// asked says whether a socket of the phone has asked the STUN server.
func (e evidence) asked(probe string, socket netip.AddrPort) bool {
	return e[probe].first(phone, toSTUN, func(s *sighting) bool { return s.Src == socket }) != nil
}

// toSTUN is a question to the STUN server.
func toSTUN(s *sighting) bool {
	return s.kind == sipmsg.STUN && (s.Dst.Addr() == cell.STUNAddr || s.Dst.Addr() == cell.STUNAltAddr) ||
		s.kind == sipmsg.ClassicSTUN && (s.Dst.Addr() == cell.STUNAddr || s.Dst.Addr() == cell.STUNAltAddr)
}

// described is the first message of the phone with a session description, and that.
func (t *tape) described() (*sighting, media.Description, bool) {
	for _, s := range t.every(phone) {
		if b := s.body(); len(b) > 0 && s.names() == "INVITE" {
			if d, err := media.Parse(b); err == nil {
				return s, d, true
			}
		}
	}
	return nil, media.Description{}, false
}

// describes is writes, for session descriptions.
func (e evidence) describes() Finding {
	external := cell.PlaceOf(cell.A).External
	if s, d, ok := e[probeForwards].described(); ok && d.RTP.Addr() == external && e[probeForwards].first(phone, toSTUN) == nil {
		return seen(wordForwarded, s.shows("c= and m=: %v, which the NAT forwards", d.RTP))
	}
	s, d, ok := e[probeNAT].described()
	if !ok {
		return unknown(wordBound, "it sent no session description")
	}
	show := s.shows("c= and m=: %v", d.RTP)
	switch asked := e[probeNAT].first(phone, toSTUN, func(x *sighting) bool { return x.outside == d.RTP }); {
	case d.RTP.Addr() == s.Src.Addr():
		return seen(wordBound, show)
	case asked != nil:
		return seen(wordAsked, show)
	}
	f := seen(d.RTP.String(), show)
	f.Beyond, f.Assumed = "an address of media that no STUN server was asked for", wordBound
	return f
}

func (e evidence) rport() Finding {
	s := e[probeCall].first(phone, method("REGISTER"))
	if s == nil {
		return unknown(no, "it sent no REGISTER")
	}
	v, has := sipmsg.Param(s.request.Top.Params, "rport")
	show := s.shows("Via: %s", withoutBranch(s.request.Vias[0]))
	switch {
	case !has:
		return seen(no, show)
	case v != "": // RFC 3581 §3: it must not have a value
		f := seen(yes, show)
		f.Why = "with a value, which it must not have (RFC 3581 §3)"
		return f
	}
	return seen(yes, show)
}

// withoutBranch is a Via without what is another in each run.
func withoutBranch(via string) string {
	head, rest, ok := strings.Cut(via, ";branch=")
	if !ok {
		return via
	}
	if i := strings.IndexByte(rest, ';'); i >= 0 {
		return head + rest[i:]
	}
	return head
}

// symmetric tells whether the port that SIP is sent from is the one that it is wanted at.
func (e evidence) symmetric() Finding {
	s := e[probeCall].first(phone, method("REGISTER"))
	if s == nil {
		return unknown(yes, "it sent no REGISTER")
	}
	contact := s.contact()
	show := s.shows("from port %d, Via port %d, Contact port %d", s.Src.Port(), s.via().Port(), contact.Port())
	if s.Src.Port() == s.via().Port() && (!contact.IsValid() || contact.Port() == s.Src.Port()) {
		return seen(yes, show)
	}
	f := seen(no, show)
	f.Beyond, f.Assumed = "SIP that leaves from another port than it is wanted at", yes
	return f
}

func (e evidence) symmetricMedia() Finding {
	t := e[probeCall]
	_, d, ok := t.described()
	s := t.first(phone, kind(sipmsg.RTP))
	if !ok || s == nil {
		return unknown(yes, "it sent no session description, or no media")
	}
	show := s.shows("RTP from port %d, m= has %d", s.Src.Port(), d.RTP.Port())
	if s.Src.Port() == d.RTP.Port() {
		return seen(yes, show)
	}
	f := seen(no, show)
	f.Beyond, f.Assumed = "media that leaves from another port than it is wanted at (RFC 4961)", yes
	return f
}

// foreignVia: who has no use for a response whose Via names another sends its request again.
func (e evidence) foreignVia() Finding {
	t := e[probeVia]
	all := t.every(phone, method("REGISTER"))
	answer := t.first(status("REGISTER", 200, 200))
	switch {
	case len(all) == 0 || answer == nil || answer.arrived != cell.BoxA:
		return unknown(no, "it got no response to a REGISTER")
	case len(all) > 1:
		return seen(yes, all[1].shows("REGISTER again, though it had a 200 whose Via names %s (RFC 3261 §18.1.2)", foreignHost))
	}
	return seen(no, answer.shows("200 whose Via names %s, after which it sent no REGISTER again", foreignHost))
}

func (e evidence) stranger() Finding {
	t := e[probeCall]
	asked := t.first(from(cell.BoxSTUN), method("OPTIONS"))
	if asked == nil || asked.arrived != cell.BoxA {
		return unknown(no, "no request of a stranger reached it: its port is not "+fmt.Sprint(cell.SIPPort))
	}
	if s := t.first(phone, status("OPTIONS", 100, 699)); s != nil {
		return seen(yes, s.shows("%d to OPTIONS of a stranger", s.answer.StatusCode))
	}
	return seen(no, asked.shows("OPTIONS of a stranger, which it did not answer"))
}

func (e evidence) stun() Finding {
	t := e[probeNAT]
	all := t.every(phone, toSTUN)
	if len(all) == 0 {
		return told(no, "it sent the STUN server nothing in "+probeNAT)
	}
	sockets := map[netip.AddrPort]bool{}
	for _, s := range all {
		sockets[s.Src] = true
	}
	f := seen(yes, all[0].shows("a Binding request"))
	f.Why = fmt.Sprintf("from %d of its sockets", len(sockets))
	idle := e[probeIdle]
	if again := idle.every(phone, toSTUN, since(idle.times[partIdle])); len(again) > 1 {
		f.Why += fmt.Sprintf(", then every %v", between(again))
	}
	return f
}

// between is the usual time between sightings, in whole seconds.
func between(all []*sighting) time.Duration {
	return ((all[len(all)-1].At - all[0].At) / time.Duration(len(all)-1)).Round(time.Second)
}

func (e evidence) challenge() Finding {
	t := e[probeChallenge]
	asked := t.first(status("REGISTER", 401, 401))
	if asked == nil {
		return unknown(no, "it was asked for no credentials")
	}
	if s := t.first(phone, method("REGISTER"), func(s *sighting) bool { return s.field("authorization") != "" }); s != nil {
		scheme, _, _ := strings.Cut(s.field("authorization"), " ")
		return seen(yes, s.shows("Authorization: %s (RFC 3261 §22)", scheme))
	}
	return seen(no, asked.shows("401, after which it sent no REGISTER with credentials; it may have none"))
}

func (e evidence) refresh() Finding {
	t := e[probeRefresh]
	all := t.every(phone, method("REGISTER"))
	begun, end := t.times[partIdle], t.times[partEnd]
	if len(all) == 0 || t.said["register"] != nil {
		return unknown(no, "it did not register")
	}
	for _, s := range all[1:] {
		if s.At >= begun {
			return seen(fmt.Sprintf("after %v of %v", (s.At-begun).Round(time.Second), grants), s.shows("REGISTER, %d %% of the time that was granted", 100*(s.At-begun)/grants))
		}
	}
	if end-begun < grants {
		return unknown("in time", fmt.Sprintf("it did not within %v, and %v were granted", end-begun, grants))
	}
	return told(no, fmt.Sprintf("it did not within %v, though only %v were granted", end-begun, grants))
}

func (e evidence) timer() Finding {
	for _, name := range []string{probeCall, probeCalled} {
		for _, s := range e[name].every(phone, func(s *sighting) bool { return len(s.body()) > 0 }) {
			if v := s.field("session-expires"); v != "" {
				return seen(yes, s.shows("Session-Expires: %s", v))
			}
			if v := s.field("supported"); strings.Contains(v, "timer") {
				return seen("supported", s.shows("Supported: %s", v))
			}
		}
	}
	if e[probeCall].first(phone, method("INVITE")) == nil {
		return unknown(no, "it sent no INVITE")
	}
	return told(no, "neither Session-Expires nor Supported: timer in its INVITE")
}
