package registrar

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// A side is an address that the server writes into messages, and the socket behind it.
type side struct {
	socket *sipstack.Socket
	addr   netip.AddrPort
}

// sides are those of a server. Where it has no second one, inner and call are outer.
type sides struct {
	outer  *side // Config.Advertise
	inner  *side // Config.Local
	call   *side // Config.CallConn
	inside []netip.Prefix
	names  []netip.AddrPort // every address the server goes by
}

// privateNetworks are those of RFC 1918 and RFC 4193.
var privateNetworks = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7"),
}

// sidesDefault fills in the addresses of the sides, or says why they make no sense.
func (c *Config) sidesDefault(local net.Addr) error {
	named := func(a netip.AddrPort) bool { return a.IsValid() && !a.Addr().IsUnspecified() && a.Port() != 0 }
	apart := policies[c.Policy].apart
	switch {
	case apart && c.CallConn == nil:
		return fmt.Errorf("policy %v without CallConn", c.Policy)
	case !apart && (c.CallConn != nil || c.CallAdvertise.IsValid()):
		return fmt.Errorf("CallConn or CallAdvertise with policy %v", c.Policy)
	}
	if apart {
		if !c.CallAdvertise.IsValid() {
			c.CallAdvertise = sipmsg.AddrPort(c.CallConn.LocalAddr())
		}
		if c.CallAdvertise = sipmsg.Unmap(c.CallAdvertise); !named(c.CallAdvertise) {
			return fmt.Errorf("address %v of CallConn cannot be advertised: set CallAdvertise", c.CallConn.LocalAddr())
		}
		if c.CallAdvertise == c.Advertise {
			return errors.New("CallAdvertise is Advertise")
		}
	}
	if c.Local.IsValid() && !named(c.Local) {
		return fmt.Errorf("Local %v", c.Local)
	}
	if !c.Local.IsValid() {
		c.Local = sipmsg.AddrPort(local)
	}
	c.Local = sipmsg.Unmap(c.Local)
	two := named(c.Local) && c.Local != c.Advertise
	switch {
	case c.DoubleRecordRoute && !two && !apart:
		return errors.New("DoubleRecordRoute with one address: set Advertise, Local or CallConn")
	case c.Inside != nil && !(c.DoubleRecordRoute && two):
		return errors.New("Inside without DoubleRecordRoute of Advertise and Local")
	case c.DoubleRecordRoute && two && c.Inside == nil:
		c.Inside = privateNetworks
	}
	c.Inside = slices.Clone(c.Inside)
	return nil
}

// open makes the sides; the first socket is open.
func (s *Server) open(local net.Addr) (sides, error) {
	c := &s.cfg
	outer := &side{s.socket, c.Advertise}
	v := sides{outer: outer, inner: outer, call: outer, inside: c.Inside, names: []netip.AddrPort{c.Advertise, c.Local, sipmsg.AddrPort(local)}}
	if c.Inside != nil {
		v.inner = &side{s.socket, c.Local}
	}
	if c.CallConn != nil {
		k, err := s.stack.Open(c.CallConn)
		if err != nil {
			return v, err
		}
		v.call = &side{k, c.CallAdvertise}
		v.names = append(v.names, c.CallAdvertise, k.Local)
	}
	return v, nil
}

// serve reads all sockets until Close, or until one is broken.
func (s *Server) serve() error {
	if s.sides.call.socket == s.socket {
		return s.stack.Serve(s.socket)
	}
	ended := make(chan error, 2)
	for _, k := range []*sipstack.Socket{s.socket, s.sides.call.socket} {
		go func() { ended <- s.stack.Serve(k) }()
	}
	err := <-ended
	if err != nil { // the other socket alone is no server
		err = errors.Join(err, s.stack.Close())
	}
	return errors.Join(err, <-ended)
}

// of is the side that a peer and this server meet at.
func (v *sides) of(k *sipstack.Socket, peer netip.AddrPort) *side {
	if k != v.outer.socket {
		return v.call
	}
	if slices.ContainsFunc(v.inside, func(p netip.Prefix) bool { return p.Contains(peer.Addr()) }) {
		return v.inner
	}
	return v.outer
}

// named is the side that a URI of ours names.
func (v *sides) named(u *sip.Uri) *side {
	a, ok := sipmsg.HostAddr(u.Host)
	if at := netip.AddrPortFrom(a, sipmsg.URIPort(u)); ok && v.call != v.outer && (at == v.call.addr || at == v.call.socket.Local) {
		return v.call
	}
	return v.outer
}

func (v *sides) hasPort(port uint16) bool {
	return slices.ContainsFunc(v.names, func(a netip.AddrPort) bool { return a.Port() == port })
}

// leaveUser is the side that a request of the server's own to a user leaves by.
func (s *Server) leaveUser(t *target) *side {
	if s.policy.apart {
		return s.sides.call
	}
	return s.sides.of(s.socket, t.to)
}

// leave is the side that a request leaves by: that of calls to users and in their dialogs,
// else the one that the target is on.
func (s *Server) leave(req *request, t *target) *side {
	if s.policy.apart && (t.user || req.dialog && req.out == s.sides.call) {
		return s.sides.call
	}
	return s.sides.of(s.socket, t.to)
}

// recordRoutes are the values to add so that later requests of the dialog come this way:
// one, or two when it comes in by one side and leaves by another (RFC 5658), or by one flow
// and another (RFC 5626). The d parameter proves that this server put itself there, see
// preprocess.
func (s *Server) recordRoutes(req *request, t *target, out *side) []string {
	switch req.Method {
	case sip.INVITE, sip.SUBSCRIBE, sip.NOTIFY, sip.REFER:
	default:
		return nil
	}
	value := func(at *side, flow netip.AddrPort) string {
		uri := at.addr.String() + ";lr"
		if flow.IsValid() {
			uri = s.flowToken(flow) + "@" + uri + ";ob"
		}
		return "<sip:" + uri + ";d=" + s.dialogMark(req.CallID) + ">"
	}
	own := s.ownFlow(req)
	switch {
	case s.cfg.DoubleRecordRoute && req.in != out, own.IsValid() && t.flow.IsValid():
		return []string{value(out, t.flow), value(req.in, own)}
	case own.IsValid():
		return []string{value(out, own)}
	}
	return []string{value(out, t.flow)}
}
