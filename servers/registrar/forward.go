package registrar

import (
	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// A forward is the response context of one request (RFC 3261 §16): the branches it was
// forked into, and the best final response so far.
type forward struct {
	s         *Server
	tx        *sipstack.ServerTx
	by        Cause // rule that says where its responses go
	invite    bool
	users     bool // the targets are bindings
	req       *request
	targets   []*target // not tried yet, best q first
	branches  []*branch
	pending   int // branches without a final response
	starting  bool
	cancelled bool // by the client
	done      bool // a final response went back

	best       final
	challenges []sipmsg.Header // of every 401 and 407 (RFC 3261 §16.7 step 7)
}

// A final is a final response to choose from.
type final struct {
	code   int
	reason string
	res    *response // nil when it is our own verdict
}

// next tries the targets with the highest q at once; the rest wait for those to fail.
func (f *forward) next() {
	n := 0
	for n < len(f.targets) && f.targets[n].q == f.targets[0].q {
		n++
	}
	group := f.targets[:n]
	f.targets = f.targets[n:]
	f.starting = true // so that an immediate failure of one does not end it for all
	for _, t := range group {
		f.start(t)
	}
	f.starting = false
	f.settle()
}

func (f *forward) start(t *target) {
	s := f.s
	if t.gone {
		f.instead(t, final{code: 430, reason: "Flow Failed"})
		return
	}
	if !t.to.IsValid() {
		f.consider(final{code: 502, reason: "Cannot Reach " + sipmsg.Printable(t.rule)})
		return
	}
	o := s.outgoing(f.req, t, s.newBranch(f.req))
	if len(o.Wire) > s.cfg.MTU-200 { // RFC 3261 §18.1.1
		f.consider(final{code: 513, reason: "Message Too Large"})
		return
	}
	b := &branch{f: f, t: t}
	s.emit(Event{Kind: Forwarded, Method: o.Method, CallID: o.CallID, User: f.req.uri.User,
		Source: f.req.Source, Target: t.to, By: t.by, URI: t.rule})
	tx, err := s.stack.Request(o.from.socket, o.dest, &o.Sent, b)
	if err != nil { // RFC 3261 §16.9: as if 503 had been received
		f.instead(t, final{code: 503, reason: "Cannot Send"})
		return
	}
	s.stats.RequestsForwarded++
	b.tx = tx
	f.branches = append(f.branches, b)
	f.pending++
	if f.invite {
		b.restartTimerC()
	}
}

// cancel stops all branches (RFC 3261 §16.10).
func (f *forward) cancel() {
	f.cancelled = true
	f.targets = nil
	f.cancelRest()
}

func (f *forward) cancelRest() {
	for _, b := range f.branches {
		b.cancel()
	}
}

// consider remembers a final response if it beats the best so far (RFC 3261 §16.7 step 6).
func (f *forward) consider(v final) {
	if v.res != nil && (v.code == 401 || v.code == 407) {
		for _, h := range v.res.Headers() {
			if n := sipmsg.Canonical(h.Name()); n == "www-authenticate" || n == "proxy-authenticate" {
				f.challenges = append(f.challenges, header(h.Name(), h.Value()))
			}
		}
	}
	if f.best.code == 0 || rank(v) < rank(f.best) {
		f.best = v
	}
	if v.code >= 600 { // step 5: the others need not go on
		f.targets = nil
		f.cancelRest()
	}
}

// rank orders final responses: 6xx, then by class, in 4xx those first that the client can
// do something about; an answer of somebody else before our own verdict.
func rank(v final) int {
	r := v.code / 100 * 10
	switch {
	case v.code >= 600:
		r = 0
	case v.code == 401, v.code == 407, v.code == 415, v.code == 420, v.code == 484:
	case v.res != nil:
		r++
	default:
		r += 2
	}
	return r
}

// settle goes on when nothing is pending: to the next targets, or back with the best response.
func (f *forward) settle() {
	if f.pending > 0 || f.starting {
		return
	}
	if !f.done && len(f.targets) > 0 {
		f.next()
		return
	}
	if !f.done {
		f.done = true
		f.finish()
	}
	// What stays for 64*T1 is the way back for further 2xx.
	f.req, f.branches, f.best, f.challenges = nil, nil, final{}, nil
	f.tx.User = nil
}

func (f *forward) finish() {
	v := f.best
	switch {
	case v.res == nil && f.cancelled:
		f.s.refuse(f.tx, f.req, fail(487, "Request Terminated", ""))
	case v.code == 430 && f.users: // that is between proxies: the caller has no other flow (RFC 5626)
		f.s.refuse(f.tx, f.req, fail(480, "Temporarily Unavailable", "no flow is left"))
	case v.res == nil && v.code == 408 && !f.invite:
		// RFC 4320 §4.2: no 408 for anything but INVITE; the client has given up by now.
		f.tx.Drop()
	case v.res == nil:
		f.s.refuse(f.tx, f.req, fail(v.code, v.reason, ""))
	case v.code == 503: // §16.7 step 6: it is that server which is overloaded, not this one
		f.s.refuse(f.tx, f.req, fail(500, "Server Internal Error", "503 from downstream"))
	case v.code == 401 || v.code == 407:
		f.giveBackChallenges(v.res)
	default:
		f.giveBack(v.res)
	}
}

// giveBack passes a response to the client.
func (f *forward) giveBack(res *response) {
	f.s.stats.ResponsesForwarded++
	f.s.emit(Event{Kind: Returned, Method: res.CSeq.Method, CallID: res.CallID, Code: res.StatusCode,
		Source: res.Source, Target: f.tx.To, By: f.by})
	f.tx.Respond(res.StatusCode, f.s.incoming(res))
}

// giveBackChallenges passes a 401 or 407 on with the challenges of all branches.
func (f *forward) giveBackChallenges(res *response) {
	own := 0
	for _, h := range res.Headers() {
		if n := sipmsg.Canonical(h.Name()); n == "www-authenticate" || n == "proxy-authenticate" {
			own++
		}
	}
	if len(f.challenges) > own {
		for _, name := range []string{"WWW-Authenticate", "Proxy-Authenticate"} {
			for res.RemoveHeader(name) {
			}
		}
		for _, h := range f.challenges {
			res.AppendHeader(sip.NewHeader(h.Name, h.Value))
		}
	}
	f.giveBack(res)
}
