package registrar

import (
	"crypto/hmac"
	"encoding/hex"
	"hash/fnv"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// preprocess validates a request (RFC 3261 §16.3) and takes the routing information meant
// for this server off it (§16.4).
func (s *Server) preprocess(req *request) *failure {
	if sch := req.uri.Scheme; sch != "sip" && sch != "tel" {
		return fail(416, "Unsupported URI Scheme", sch) // sips would need TLS
	}
	if !s.popRoutes(req) {
		return fail(403, "Forbidden", "a flow token that was not made here")
	}
	if mf, ok := req.Value("max-forwards"); ok && mf == "0" && !s.endsHere(req) {
		return fail(483, "Too Many Hops", "")
	}
	if s.looped(req) {
		return fail(482, "Loop Detected", "")
	}
	if opts := req.Unsupported("proxy-require"); len(opts) > 0 { // §16.3 step 5
		return fail(420, "Bad Extension", "", header("Unsupported", strings.Join(opts, ", ")))
	}
	return nil
}

// endsHere reports whether a request is for this server itself.
func (s *Server) endsHere(req *request) bool {
	return s.agentsServe(req) || len(req.routes) == 0 && s.isSelf(&req.uri) &&
		(req.Method == sip.REGISTER || req.Method == sip.OPTIONS && req.uri.User == "")
}

// popRoutes removes this server from the Route. It is false if a flow token there is forged.
func (s *Server) popRoutes(req *request) bool {
	req.routes = req.Values("route")
	if s.isMarked(&req.uri, req.CallID) && len(req.routes) > 0 {
		// §16.4: a strict router put our own Record-Route into the Request-URI.
		last := len(req.routes) - 1
		text, _, _, ok := sipmsg.SplitAddress(req.routes[last])
		if u, valid := sipmsg.ParseURI(text); ok && valid {
			if !s.popFlow(req, &req.uri) {
				return false
			}
			req.dialog = true
			req.uri, req.uriText = u, text
			req.routes = req.routes[:last]
		}
	}
	for len(req.routes) > 0 {
		text, _, _, ok := sipmsg.SplitAddress(req.routes[0])
		u, valid := sipmsg.ParseURI(text)
		if !ok || !valid || !s.isSelf(&u) {
			return true
		}
		if !s.popFlow(req, &u) {
			return false
		}
		req.dialog = req.dialog || s.isMarked(&u, req.CallID)
		req.out = s.sides.named(&u)
		req.routes = req.routes[1:]
	}
	return true
}

// dialogMark is the proof, in the Record-Route, that this server let a dialog through.
// Without it anybody could relay anything anywhere by inventing a Route and a To tag.
func (s *Server) dialogMark(callID string) string {
	s.mark.Reset()
	s.mark.Write([]byte("dialog\x00" + callID))
	return hex.EncodeToString(s.mark.Sum(nil)[:6])
}

func (s *Server) isMarked(u *sip.Uri, callID string) bool {
	d, ok := sipmsg.URIParam(u, "d")
	return ok && s.isSelf(u) && hmac.Equal([]byte(d), []byte(s.dialogMark(callID)))
}

// isSelf reports whether a URI names this server or its domain. A domain that is an
// address only stands for other ports of that address when the URI gives none.
func (s *Server) isSelf(u *sip.Uri) bool {
	if !sipmsg.IsSIP(u) {
		return false
	}
	if strings.EqualFold(u.Host, s.cfg.Domain) {
		_, literal := sipmsg.HostAddr(u.Host)
		if u.Port == 0 || u.Port == sipmsg.DefaultPort && !literal {
			return true
		}
		if s.sides.hasPort(uint16(u.Port)) {
			return true
		}
	}
	return s.isSelfAddr(u.Host, sipmsg.URIPort(u))
}

// isSelfAddr reports whether host and port are an address of this server.
func (s *Server) isSelfAddr(host string, port uint16) bool {
	a, ok := sipmsg.HostAddr(host)
	at := netip.AddrPortFrom(a, port)
	return ok && slices.Contains(s.sides.names, at)
}

// loopHash covers what decides the way of a request through this server. Equal hash,
// equal way: a loop. Unlike RFC 3261 §16.6 step 8 has it, the Via is no part of it (RFC 5393 §4.2).
func (s *Server) loopHash(req *request) string {
	h := fnv.New64a()
	add := func(p string) { h.Write([]byte(p)); h.Write([]byte{0}) }
	for _, p := range []string{req.uriText, sipmsg.TagOf(req.From), sipmsg.TagOf(req.To), req.CallID, strconv.Itoa(int(req.CSeq.Number))} {
		add(p)
	}
	for _, r := range req.routes {
		add(r)
	}
	pa, _ := req.Value("proxy-authorization")
	add(pa)
	return sipmsg.Fixed(h.Sum64())
}

// newBranch has a unique part and the loop hash (RFC 3261 §16.6 step 8).
func (s *Server) newBranch(req *request) string {
	return sipmsg.MagicCookie + s.token() + "." + s.loopHash(req)
}

// statelessBranch is the same for every retransmission of a request (RFC 3261 §16.11).
func (s *Server) statelessBranch(req *request) string {
	h := fnv.New64a()
	h.Write([]byte(req.Key(string(req.Method))))
	return sipmsg.MagicCookie + "s" + sipmsg.Fixed(h.Sum64()) + "." + s.loopHash(req)
}

func (s *Server) looped(req *request) bool {
	hash := ""
	for _, value := range req.Vias[1:] {
		v, ok := sipmsg.ParseVia(value)
		if !ok || !s.isSelfAddr(v.Host, v.Port) {
			continue
		}
		if hash == "" {
			hash = s.loopHash(req)
		}
		if _, old, _ := strings.Cut(v.Branch, "."); old == hash {
			return true
		}
	}
	return false
}
