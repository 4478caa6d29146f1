package ua

import (
	"fmt"
	"net/netip"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// learner is Options.LearnContact at work for one profile; Profile.mu guards it.
type learner struct {
	via       netip.AddrPort // the address that contact stands for
	contact   netip.AddrPort // what is registered instead; invalid if nothing was learned
	confirmed bool           // a response has shown contact since
	doubts    int            // responses since that speak against it
	over      bool
}

// maxDoubts in a row end the learning: whoever rewrites our messages does so again.
const maxDoubts = 2

// hear judges where a response says that a REGISTER came from. It is true if that is what is
// to be registered now; an error says why not.
func (l *learner) hear(via, wrote, seen, server netip.AddrPort) (bool, error) {
	if l.via != via {
		*l = learner{via: via} // the port manager has the say
	}
	switch {
	case l.over || !seen.IsValid():
		return false, nil
	case seen == wrote:
		l.confirmed, l.doubts = true, 0
		return false, nil
	}
	hidden := isInside(seen.Addr()) && !isInside(wrote.Addr()) && !isInside(server.Addr())
	if !hidden && (wrote != l.contact || l.confirmed) {
		l.contact, l.confirmed = seen, false
		return true, nil
	}
	l.doubts++
	l.over = l.doubts == maxDoubts
	if hidden { // somebody has put the inside address back into the response
		return false, fmt.Errorf("%w: %s is no address that %s can have seen", ErrContact, seen, server)
	}
	err := fmt.Errorf("%w: %s was registered and %s seen", ErrContact, wrote, seen)
	if l.over {
		return false, err
	}
	l.contact = seen
	return true, err
}

// isInside says of an address that nobody outside can have.
func isInside(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || shared.Contains(a)
}

var shared = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598

// learn takes what a response to a REGISTER says about where that came from; true means that
// another Contact is to be registered.
func (p *Profile) learn(at path, res *sipmsg.Response) bool {
	if !p.c.cfg.LearnContact {
		return false
	}
	seen, wrote, server := res.Top.Seen(), p.contactAt(at), p.hop()
	p.mu.Lock()
	change, err := p.learned.hear(at.via, wrote, seen, server)
	over := p.learned.over
	p.mu.Unlock()
	if change {
		p.c.ctr.contactsLearned.Add(1)
	}
	if err != nil {
		p.c.ctr.contactsDoubted.Add(1)
	}
	if change || err != nil {
		p.c.emit(ContactEvent{Profile: p.owner, Flow: p.regID, Old: wrote, New: seen, Learned: change, Err: err, Over: err != nil && over})
	}
	return change
}

// contactAt is the address that Contact has where requests leave by at.
func (p *Profile) contactAt(at path) netip.AddrPort {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := &p.learned; l.contact.IsValid() && l.via == at.via {
		return l.contact
	}
	return at.via
}

// contact is what is registered by a flow.
func (p *Profile) contact(at path) *sip.ContactHeader {
	at.via = p.contactAt(at)
	return at.contact(p.aor().User)
}

// dialogContact is where requests of dialogs are to be sent, by the flow in use.
func (p *Profile) dialogContact(at path) *sip.ContactHeader {
	f := p.flow()
	return f.mark(f.contact(at))
}

// contact is where requests of the dialog are to be sent.
func (s *Session) contact(at path) *sip.ContactHeader {
	if s.profile != nil {
		return s.profile.dialogContact(at)
	}
	return at.contact(s.user())
}

// maxBound is how many addresses a profile remembers that may still be bound.
const maxBound = 4

// writeContacts puts into a REGISTER the Contact for so many seconds, and for none what may be
// bound of what was sent before: the old goes as the new comes.
func (p *Profile) writeContacts(req *sip.Request, at path, seconds string) {
	for req.RemoveHeader("Contact") {
	}
	now := p.contact(at)
	now.Params.Add("expires", seconds)
	p.announce(req, now)
	req.AppendHeader(now)
	here, replaces := p.contactAt(at), p.outbounds()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bound = append(without(p.bound, here), here)
	if len(p.bound) > maxBound {
		p.bound = p.bound[1:]
	}
	if replaces { // the reg-id says what goes
		return
	}
	for _, old := range p.bound[:len(p.bound)-1] {
		gone := at.contact(p.aor().User)
		gone.Address.Host, gone.Address.Port = old.Addr().String(), int(old.Port())
		gone.Params.Add("expires", "0")
		req.AppendHeader(gone)
	}
}

func without(list []netip.AddrPort, a netip.AddrPort) []netip.AddrPort {
	var rest []netip.AddrPort
	for _, x := range list {
		if x != a {
			rest = append(rest, x)
		}
	}
	return rest
}
