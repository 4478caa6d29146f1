package stun

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/stunclient/attr"
)

// An answer is a datagram to be sent: from which socket, and where to.
type answer struct {
	raw  []byte
	in   *pion.Message // whose bytes those are, lent from messages
	via  int
	dest netip.AddrPort
}

// handle deals with one datagram that arrived on socket i.
func (s *Server) handle(i int, b []byte, src netip.AddrPort) {
	a, outcome := s.guarded(i, b, src)
	s.count(outcome) // first, so that who has the answer sees it counted
	if a.raw == nil {
		return
	}
	defer messages.Put(a.in)
	if _, err := s.grid.conns[a.via].WriteTo(a.raw, net.UDPAddrFromAddrPort(a.dest)); err != nil {
		s.writeErr.Add(1)
	}
}

// answer decides what to do with a datagram. It touches no socket.
func (s *Server) answer(i int, b []byte, src netip.AddrPort) (answer, Outcome) {
	if src.Port() == 0 {
		return answer{}, BadSource
	}
	h, m, err := attr.Decode(b)
	switch {
	case errors.Is(err, attr.ErrShort):
		return answer{}, TooShort
	case errors.Is(err, attr.ErrNotSTUN):
		return answer{}, NotSTUN
	case errors.Is(err, attr.ErrLength):
		return answer{}, BadLength
	}
	// RFC 8489 section 6.3: method and class must be supported, or the message
	// is silently discarded.
	if h.Type != pion.BindingRequest && (h.Type != bindingIndication || h.ID.Legacy()) {
		return answer{}, Unsupported
	}
	r := request{Server: s, at: i, src: src, header: h, message: m}
	switch {
	case err != nil && h.Type == bindingIndication:
		return answer{}, BadAttributes
	case err != nil:
		return r.fail(pion.CodeBadRequest, nil)
	case !h.ID.Legacy() && attr.CheckFingerprint(m) != nil:
		return answer{}, BadFingerprint
	case h.Type == bindingIndication:
		return answer{}, Indication // RFC 8489 section 6.3.2: no response
	}
	return r.respond()
}

var bindingIndication = pion.NewType(pion.MethodBinding, pion.ClassIndication)

// A request is a Binding request that arrived on socket at.
type request struct {
	*Server
	at      int
	src     netip.AddrPort
	header  attr.Header
	message *pion.Message // nil if its attributes cannot be read
}

func (r request) legacy() bool { return r.header.ID.Legacy() }

// known says which comprehension-required attributes this server understands
// in this request.
func (r request) known(t pion.AttrType) bool {
	switch t {
	case pion.AttrChangeRequest:
		// RFC 5780 section 6.1: without an alternate address CHANGE-REQUEST
		// is answered with 420.
		return r.grid.full()
	case attr.ResponseAddressType:
		return r.legacy() && r.cfg.ResponseAddress
	case pion.AttrPadding, pion.AttrResponsePort:
		return true
	}
	return attr.Basic(t) || r.legacy() && attr.Classic(t)
}

// options are what a request may ask for.
type options struct {
	change  attr.ChangeRequest
	padding bool
	dest    netip.AddrPort
	// reflect says that dest is not the source's choice of port alone: REFLECTED-FROM is due.
	reflect bool
}

// respond makes the answer to a request that was read without error.
func (r request) respond() (answer, Outcome) {
	if unknown := attr.Unknown(r.message, r.known); unknown != nil {
		return r.fail(pion.CodeUnknownAttribute, unknown)
	}
	o, ok := r.options()
	if !ok {
		return r.fail(pion.CodeBadRequest, nil)
	}
	via := r.at
	if r.grid.full() {
		via = r.grid.find(r.at, o.change.IP, o.change.Port)
	}
	setters := r.attributes(via, o)
	outcome := Answered
	if r.legacy() {
		setters, outcome = r.legacyAttributes(via, o), AnsweredLegacy
	}
	return r.build(pion.BindingSuccess, via, o.dest, outcome, setters)
}

// options reads what the request asks for; it fails if that makes no sense.
func (r request) options() (options, bool) {
	o := options{dest: r.src}
	if err := o.change.GetFrom(r.message); err != nil && !errors.Is(err, attr.ErrNotFound) {
		return o, false
	}
	o.padding = r.message.Contains(pion.AttrPadding)

	var port attr.ResponsePort
	switch err := port.GetFrom(r.message); {
	case err == nil:
		// RFC 5780 section 6.1: PADDING together with RESPONSE-PORT is 400.
		if o.padding || port == 0 {
			return o, false
		}
		o.dest = netip.AddrPortFrom(r.src.Addr(), uint16(port))
	case !errors.Is(err, attr.ErrNotFound):
		return o, false
	}

	if r.legacy() && r.cfg.ResponseAddress {
		named := attr.Address{Type: attr.ResponseAddressType}
		switch err := named.GetFrom(r.message); {
		case err == nil:
			if named.Port() == 0 || named.Addr().Is4() != r.src.Addr().Is4() {
				return o, false
			}
			o.dest, o.reflect = named.AddrPort, true
		case !errors.Is(err, attr.ErrNotFound):
			return o, false
		}
	}
	return o, true
}

// attributes are those of a success response (RFC 5780 section 6.1).
func (r request) attributes(via int, o options) []pion.Setter {
	set := make([]pion.Setter, 0, 8)
	set = append(set,
		attr.Address{Type: pion.AttrMappedAddress, AddrPort: r.src},
		attr.XORMapped{AddrPort: r.src},
		attr.Address{Type: pion.AttrResponseOrigin, AddrPort: r.grid.addrs[via]},
	)
	if r.grid.full() {
		// Ca:Cp relative to where the request arrived, whatever it asked for.
		other := r.grid.find(r.at, true, true)
		set = append(set, attr.Address{Type: pion.AttrOtherAddress, AddrPort: r.grid.addrs[other]})
	}
	set = append(set, r.software()...)
	if o.padding {
		// RFC 5780 section 7.6: the MTU, rounded up to a multiple of four.
		set = append(set, attr.Padding(r.cfg.MTU))
	}
	return append(set, r.fingerprint()...)
}

// legacyAttributes are those of a Binding Response of RFC 3489 section 8.1.
// With one socket there is no CHANGED-ADDRESS to tell.
func (r request) legacyAttributes(via int, o options) []pion.Setter {
	set := []pion.Setter{
		attr.Address{Type: pion.AttrMappedAddress, AddrPort: r.src},
		attr.Address{Type: pion.AttrSourceAddress, AddrPort: r.grid.addrs[via]},
	}
	if r.grid.full() {
		other := r.grid.find(r.at, true, true)
		set = append(set, attr.Address{Type: pion.AttrChangedAddress, AddrPort: r.grid.addrs[other]})
	}
	if o.reflect {
		set = append(set, attr.Address{Type: attr.ReflectedFromType, AddrPort: r.src})
	}
	if o.padding {
		set = append(set, attr.Padding(r.cfg.MTU))
	}
	return set
}

// fail makes an error response. It leaves from where the request arrived and
// goes to where the request came from, whatever the request asked for.
func (r request) fail(code pion.ErrorCode, unknown []pion.AttrType) (answer, Outcome) {
	outcome, reason := BadRequest, "Bad Request"
	if code == pion.CodeUnknownAttribute {
		outcome, reason = UnknownAttribute, "Unknown Attribute"
	}
	if r.legacy() {
		// RFC 3489 pads no attribute: sections 11.2.9 and 11.2.10 want the
		// reason phrase a multiple of four bytes long and, if the number of
		// unknown attributes is odd, one of them repeated.
		for len(reason)%4 != 0 {
			reason += " "
		}
		if len(unknown)%2 != 0 {
			unknown = append(unknown, unknown[len(unknown)-1])
		}
	}
	set := []pion.Setter{pion.ErrorCodeAttribute{Code: code, Reason: []byte(reason)}}
	if unknown != nil {
		set = append(set, pion.UnknownAttributes(unknown))
	}
	if !r.legacy() {
		set = append(set, attr.Address{Type: pion.AttrResponseOrigin, AddrPort: r.grid.addrs[r.at]})
		set = append(set, r.software()...)
		set = append(set, r.fingerprint()...)
	}
	return r.build(pion.BindingError, r.at, r.src, outcome, set)
}

func (r request) software() []pion.Setter {
	if r.cfg.Software == "" {
		return nil
	}
	return []pion.Setter{pion.NewSoftware(r.cfg.Software)}
}

// fingerprint is the FINGERPRINT of an answer, if the request had one.
func (r request) fingerprint() []pion.Setter {
	if r.message == nil || !r.message.Contains(pion.AttrFingerprint) {
		return nil
	}
	return []pion.Setter{pion.Fingerprint}
}

func (r request) build(t pion.MessageType, via int, dest netip.AddrPort, outcome Outcome, set []pion.Setter) (answer, Outcome) {
	m := messages.Get().(*pion.Message)
	err := m.Build(t, r.header.ID)
	for i := 0; i < len(set) && err == nil; i++ {
		err = set[i].AddTo(m)
	}
	if err != nil {
		messages.Put(m)
		return answer{}, Unencodable
	}
	return answer{raw: m.Raw, in: m, via: via, dest: dest}, outcome
}

// messages are those that answers are made in.
var messages = sync.Pool{New: func() any { return new(pion.Message) }}
