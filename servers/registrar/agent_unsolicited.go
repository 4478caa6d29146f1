package registrar

// tellUnasked tells the bindings of a user of messages, if nobody has subscribed to them. What
// becomes of the NOTIFY changes nothing.
func (s *Server) tellUnasked(r resource) {
	if r.event != messagesEvent || !s.cfg.Agents.Unsolicited || len(s.agents.subs[r]) > 0 {
		return
	}
	self := "<" + s.addressOf(r.user) + ">"
	for _, b := range s.lookup(r.user, s.now()) {
		s.sendNotify(&subscription{over: true, subscriber: subscriber{
			User: r.user, Event: r.event, CallID: s.token(), Local: self + ";tag=" + s.token(), Remote: self,
			Contact: b.Contact, Received: b.Received, Routes: b.Path,
		}}, "active")
	}
}
