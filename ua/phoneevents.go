package ua

import (
	"strconv"

	"github.com/natproof/natproof/internal/eventbody"
)

// PresencePackage is the presence of a phone (RFC 3856, RFC 3863): open, with a note while
// there is a call. Those who watch are told when a call begins or ends.
func PresencePackage() EventPackage {
	return EventPackage{Event: "presence", ContentType: eventbody.PresenceType, State: presenceOf, ofCalls: true}
}

// DialogPackage is the calls of a phone (RFC 4235). Those who watch are told of each change.
func DialogPackage() EventPackage {
	return EventPackage{Event: "dialog", ContentType: eventbody.DialogInfoType, State: dialogsOf, ofCalls: true}
}

func presenceOf(s *ServerSubscription, _ uint32) []byte {
	p := eventbody.Presence{Entity: s.ends.local.String(), Tuples: []eventbody.Tuple{{ID: "phone", Basic: eventbody.Open}}}
	if len(s.c.callsOf(s.profile)) > 0 {
		p.Notes = []eventbody.Note{{Text: "on the phone"}}
	}
	return s.c.stateBody(p.Write())
}

func dialogsOf(s *ServerSubscription, version uint32) []byte {
	d := eventbody.DialogInfo{Entity: s.ends.local.String(), Version: version}
	for _, call := range s.c.callsOf(s.profile) {
		if x := call.dialogInfo(); x.State != "" {
			d.Dialogs = append(d.Dialogs, x)
		}
	}
	return s.c.stateBody(d.Write())
}

// stateBody is a body that could be written, or nothing.
func (c *Client) stateBody(b []byte, err error) []byte {
	if err != nil {
		c.log.Warn("state", "error", err)
	}
	return b
}

// callsOf are the calls of a profile; nil is all.
func (c *Client) callsOf(p *Profile) []*Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []*Session
	for _, s := range c.listSessions() {
		if p == nil || s.profile == p {
			list = append(list, s)
		}
	}
	return list
}

// dialogInfo says where a call stands in the words of RFC 4235 section 3.7.1.
func (s *Session) dialogInfo() eventbody.Dialog {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := eventbody.Dialog{
		ID: "call-" + strconv.FormatUint(s.made, 10), CallID: s.ends.callID, LocalTag: s.ends.localTag, RemoteTag: s.ends.remoteTag,
		Direction: "recipient", Local: s.ends.local.String(), Remote: s.ends.remote.String(),
	}
	if s.outgoing {
		d.Direction = "initiator"
	}
	switch s.state {
	case InProgress:
		d.State = "trying"
	case Incoming, Answering:
		d.State = "early"
	case Connected, Hold:
		d.State = "confirmed"
	}
	return d
}

// callsChanged tells those who watch calls.
func (c *Client) callsChanged() {
	for _, p := range c.cfg.Notifier.Packages {
		if p.ofCalls {
			c.Changed(p.Event)
		}
	}
}
