package theory

import (
	"fmt"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
)

const (
	// setUp is how long the messages of a registration and of the call after it take at most
	// where each is answered.
	setUp = 1500 * time.Millisecond
	// atOnce is how long they take at least.
	atOnce = time.Millisecond
	// timerF is how long a REGISTER is tried that gets no answer, and T2 how long it is from
	// one attempt to the next at most (RFC 3261 §17.1.2.2).
	timerF = 32 * time.Second
	t2     = 4 * time.Second
	// keepalive is how often an end asks a STUN server again, at most (RFC 8445 §11).
	keepalive = 15 * time.Second
	// helped is how long the SIP helper of Linux keeps a connection (nf_conntrack_sip).
	helped = time.Hour
)

// RequestAfterTalk is Request for the one that ends a call, when nothing but media was sent
// since the ACK. RTP keeps a mapping of its own alive, and not that of SIP.
func (n *Network) RequestAfterTalk(to cell.Side, message string) Answer {
	e := n.end(to)
	if a := n.Request(to, message); a.Fate != cell.Arrived || n.lasts(e) == yes {
		return a
	}
	c := cell.Cause{Box: e.nat, Rule: cell.RuleExpired, Message: message, Why: fmt.Sprintf(
		"%s sent and got no SIP for %v, longer than its mapping lives (RFC 4787 §4.3)", e.host, n.talk)}
	if e.open {
		c.Rule = cell.RuleNoMapping // it makes an entry of its own of what comes then
	}
	return answer(c)
}

// certainty is an answer that may depend on what the theory does not know.
type certainty uint8

const (
	no certainty = iota
	perhaps
	yes
)

// lasts says whether the mapping by which the proxy reaches an end is there at the end of the
// talk. When exactly the messages pass the NAT depends on links and on who is slow, so it
// must be the same for the shortest and for the longest that it can take.
func (n *Network) lasts(e end) certainty {
	switch {
	case !e.behavior.Translates() || e.traits.Address == Forwarded:
		return yes
	case e.behavior.SIPHelper:
		e.behavior.Unreplied, e.behavior.Idle = helped, helped
	}
	begun := n.registered(e)
	soon := Alive(e.behavior, signalled(begun, atOnce), lastUse(begun)+atOnce+n.talk)
	late := Alive(e.behavior, signalled(begun, setUp), lastUse(begun)+setUp+n.talk+setUp)
	switch {
	case soon && late:
		return yes
	case soon || late, e.traits.Address == Asked && (e.behavior.Tracks() || n.talk > keepalive):
		return perhaps // who asked a STUN server may ask it again, and its answers are connections of their own
	}
	return no
}

// registered are the uses of the mapping towards the proxy until the end is called.
func (n *Network) registered(e end) []Use {
	if n.Response(e.side, "200 to REGISTER").Cause.Rule == "" || n.bySource(e) {
		return []Use{{}, {Inbound: true}} // the response comes by the mapping of the request
	}
	var all []Use
	for at := time.Duration(0); at < timerF; at += t2 {
		all = append(all, Use{At: at})
	}
	return all
}

// signalled adds the messages of a call, which take a while.
func signalled(begun []Use, takes time.Duration) []Use {
	at := lastUse(begun)
	return append(begun[:len(begun):len(begun)],
		Use{At: at + takes/3, Inbound: true}, // INVITE
		Use{At: at + takes*2/3},              // 2xx
		Use{At: at + takes, Inbound: true})   // ACK
}

func lastUse(uses []Use) time.Duration { return uses[len(uses)-1].At }
