package registrar

// receiveAck passes the ACK of a 2xx on, statelessly.
func (s *Server) receiveAck(req *request) {
	if s.preprocess(req) != nil {
		s.dropAck(req, "not fit to forward")
		return
	}
	// An ACK outside of a dialog acknowledges a response nobody remembers.
	if !req.dialog && !s.cfg.Relay {
		s.dropAck(req, "no transaction and no dialog")
		return
	}
	targets, f := s.route(req)
	if f != nil || len(targets) != 1 || targets[0].gone || !targets[0].to.IsValid() {
		s.dropAck(req, "no target")
		return
	}
	t := targets[0]
	s.emit(Event{Kind: Forwarded, Method: "ACK", CallID: req.CallID, User: req.uri.User,
		Source: req.Source, Target: t.to, By: t.by, URI: t.rule})
	o := s.outgoing(req, t, s.statelessBranch(req))
	s.stats.AcksForwarded++
	s.stack.Write(o.from.socket, o.Wire, o.dest) // a failed write is counted and told by the stack
}

func (s *Server) dropAck(req *request, why string) {
	s.stats.AcksUnmatched++
	s.emit(Event{Kind: Dropped, Method: "ACK", CallID: req.CallID, Source: req.Source, Detail: why})
}
