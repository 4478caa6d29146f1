package registrar

import (
	"slices"

	"github.com/natproof/natproof/internal/sipmsg"
)

// outbound decides which Contacts of a REGISTER are flows of a user agent (RFC 5626 §6).
func (s *Server) outbound(req *request, contacts []contact) *failure {
	if !s.cfg.Outbound || !slices.Contains(req.Values("supported"), "outbound") {
		return nil
	}
	live := 0
	for i := range contacts {
		c := &contacts[i]
		if c.expires > 0 {
			live++
		}
		c.outbound = c.regID > 0 && c.instance != ""
		req.outbound = req.outbound || c.outbound
	}
	switch {
	case !req.outbound:
		return nil
	case live > 1:
		return fail(400, "Several Contacts With reg-id", "")
	case len(req.Vias) > 1 && !s.obPath(req):
		return fail(439, "First Hop Lacks Outbound Support", "")
	}
	return nil
}

// obPath says whether the first proxy on the way here put itself into the Path as one that
// does RFC 5626. Proxies add to the top (RFC 3327 §5.2).
func (s *Server) obPath(req *request) bool {
	path := req.Values("path")
	if len(path) == 0 {
		return false
	}
	text, _, _, ok := sipmsg.SplitAddress(path[len(path)-1])
	u, valid := sipmsg.ParseURI(text)
	return ok && valid && hasOb(&u)
}

// outboundHeaders tell a user agent that its Contact is a flow (RFC 5626 §6), and how often it
// has to be heard of.
func (s *Server) outboundHeaders(req *request) []sipmsg.Header {
	if !req.outbound {
		return nil
	}
	headers := []sipmsg.Header{header("Require", "outbound")}
	if h := s.flowTimer(); h.Value != "" && len(req.Vias) == 1 { // §5.4: the edge proxy says it
		headers = append(headers, h)
	}
	return headers
}

// flowTarget makes the target of a binding one by flow.
func (s *Server) flowTarget(t *target, b *Binding) {
	now := s.now()
	if _, known := s.flows.heard[b.Received]; !known { // the binding is older than this server
		s.flows.open(b.Received, now)
	}
	t.to, t.by, t.flow = b.Received, ByFlow, b.Received
	t.gone = !s.flows.alive(b.Received, now)
}

// byInstance leaves one target for each user agent, with its other flows behind it: no
// request goes to one instance twice at a time (RFC 5626 §7). They are in order already.
func byInstance(targets []*target) []*target {
	first := make(map[string]*target)
	return slices.DeleteFunc(targets, func(t *target) bool {
		if t.instance == "" {
			return false
		}
		head := first[t.instance]
		if head == nil {
			first[t.instance] = t
			return false
		}
		head.others = append(head.others, t)
		return true
	})
}

// instead tries the next flow to the same user agent when one has failed (RFC 5626 §7), and
// else takes the failure for its answer.
func (f *forward) instead(t *target, v final) {
	if len(t.others) == 0 || f.done || f.cancelled {
		f.consider(v)
		return
	}
	next := t.others[0]
	next.others = t.others[1:]
	f.start(next)
}

// lost is the failure of a branch. The next flow is tried when the way failed and not the user
// agent; not after 32 s of another method, whose client has given up by then (RFC 4320).
func (f *forward) lost(t *target, v final) {
	if v.code == 430 || v.code == 408 && f.invite || v.res == nil && v.code == 503 {
		f.instead(t, v)
		return
	}
	f.consider(v)
}
