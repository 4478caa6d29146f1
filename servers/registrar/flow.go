package registrar

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// A flow (RFC 5626) is the way to a user agent that it opened itself. Over UDP that is the
// address its REGISTER came from, as seen at the socket it registered at.

// flowGrace is how much later than Flow-Timer says a sign of life may come.
const flowGrace = 10 * time.Second

// flows are the flows that are there, with when they were last heard of.
type flows struct {
	timer  time.Duration // that user agents must be heard of within, 0 is none
	forget time.Duration // no flow is silent for longer
	heard  map[netip.AddrPort]time.Time
	sweep  int // how many there are when the silent ones are looked for
}

func newFlows(c *Config) flows {
	return flows{timer: c.FlowTimer, forget: c.MaxExpires + c.FlowTimer + flowGrace, heard: make(map[netip.AddrPort]time.Time), sweep: 64}
}

// open notes that a user agent registered over a flow.
func (f *flows) open(peer netip.AddrPort, now time.Time) {
	f.heard[peer] = now
	if len(f.heard) < f.sweep {
		return
	}
	for p, at := range f.heard { // the order makes no difference
		if now.Sub(at) > f.forget {
			delete(f.heard, p)
		}
	}
	f.sweep = max(64, 2*len(f.heard))
}

// hear notes a sign of life.
func (f *flows) hear(peer netip.AddrPort, now time.Time) {
	if _, open := f.heard[peer]; open {
		f.heard[peer] = now
	}
}

// close is the failure of a flow.
func (f *flows) close(peer netip.AddrPort) { delete(f.heard, peer) }

// alive says whether requests may go by a flow (RFC 5626 §5.3).
func (f *flows) alive(peer netip.AddrPort, now time.Time) bool {
	at, open := f.heard[peer]
	return open && (f.timer == 0 || now.Sub(at) <= f.timer+flowGrace)
}

// flowToken names a flow in a Path or Record-Route (RFC 5626 §5.2), with a proof that this
// server made it.
func (s *Server) flowToken(peer netip.AddrPort) string {
	b := binary.BigEndian.AppendUint16(peer.Addr().AsSlice(), peer.Port())
	return base64.RawURLEncoding.EncodeToString(append(b, s.flowMark(b)...))
}

func (s *Server) flowMark(b []byte) []byte {
	s.mark.Reset()
	s.mark.Write([]byte("flow\x00"))
	s.mark.Write(b)
	return s.mark.Sum(nil)[:flowMarkLen]
}

const flowMarkLen = 8

// openToken is the flow of a token that this server made.
func (s *Server) openToken(token string) (netip.AddrPort, bool) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if n := len(b) - flowMarkLen; err == nil && (n == 6 || n == 18) && hmac.Equal(b[n:], s.flowMark(b[:n])) {
		addr, _ := netip.AddrFromSlice(b[:n-2])
		return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[n-2:])), true
	}
	return netip.AddrPort{}, false
}

// isFlow says whether a Route or Record-Route of ours names the flow to a peer.
func (s *Server) isFlow(u *sip.Uri, peer netip.AddrPort) bool {
	if !s.cfg.Outbound || !hasOb(u) {
		return false
	}
	at, ok := s.openToken(u.User)
	return ok && at == peer
}

// hasOb says whether a URI has the parameter of user agents and edge proxies that do RFC 5626.
func hasOb(u *sip.Uri) bool { _, ok := sipmsg.URIParam(u, "ob"); return ok }

// popFlow reads the flow token of a Route of ours. A request that comes by the flow is one
// of its user agent, and only recorded it; another goes to that user agent (RFC 5626 §5.3).
// It is false for a token that somebody has changed.
func (s *Server) popFlow(req *request, u *sip.Uri) bool {
	if !s.cfg.Outbound || u.User == "" || !hasOb(u) {
		return true
	}
	peer, ok := s.openToken(u.User)
	if ok && peer != req.Source {
		req.flow = peer
	}
	return ok
}

// routeFlow is the target of a request that names a flow.
func (s *Server) routeFlow(req *request) ([]*target, *failure) {
	if !s.flows.alive(req.flow, s.now()) {
		return nil, fail(430, "Flow Failed", "flow to "+req.flow.String()+" is gone")
	}
	return []*target{{uri: req.uriText, to: req.flow, routes: req.routes, by: ByFlow, rule: req.uriText, flow: req.flow}}, nil
}

// ownFlow is the flow of a user agent that wants later requests of its dialog to come by it:
// the ob parameter of its Contact says so (RFC 5626 §5.3). Invalid if there is none.
func (s *Server) ownFlow(req *request) netip.AddrPort {
	if !s.cfg.Outbound || len(req.Vias) != 1 || !s.flows.alive(req.Source, s.now()) {
		return netip.AddrPort{}
	}
	v, _ := req.Value("contact")
	if text, _, _, ok := sipmsg.SplitAddress(v); ok {
		if u, valid := sipmsg.ParseURI(text); valid && hasOb(&u) {
			return req.Source
		}
	}
	return netip.AddrPort{}
}

// edgePath is the Path that this server as edge proxy puts into a REGISTER for another
// registrar (RFC 5626 §5.1).
func (s *Server) edgePath(req *request, out *side) string {
	if !s.cfg.Outbound || req.Method != sip.REGISTER || len(req.Vias) != 1 {
		return ""
	}
	return "<sip:" + s.flowToken(req.Source) + "@" + out.addr.String() + ";lr;ob>"
}

// edgeRegistered takes note of what another registrar has made of a flow, and adds Flow-Timer
// (RFC 5626 §5.4).
func (s *Server) edgeRegistered(req *request, res *response) {
	if !s.cfg.Outbound || req.Method != sip.REGISTER || len(req.Vias) != 1 || !slices.Contains(res.Values("require"), "outbound") {
		return
	}
	s.flows.open(req.Source, s.now())
	if h := s.flowTimer(); h.Value != "" {
		res.AppendHeader(sip.NewHeader(h.Name, h.Value))
	}
}

// flowTimer is the header field that says how often to be heard of, without a value if that
// is not asked for.
func (s *Server) flowTimer() sipmsg.Header {
	if s.cfg.FlowTimer == 0 {
		return sipmsg.Header{}
	}
	return header("Flow-Timer", seconds(s.cfg.FlowTimer))
}
