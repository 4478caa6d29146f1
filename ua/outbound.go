package ua

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// Outbound makes a profile register by flows (RFC 5626): the registrar knows a device by its
// instance, a registration by its reg-id, and sends requests back the way a REGISTER came.
// The zero value registers as RFC 3261 has it.
//
// A registrar or first hop that does not take part (439, or a 200 without Require: outbound)
// is registered with all the same, and a FlowEvent tells. A flow whose keepalive fails is
// registered anew at once, and with the waiting times of RFC 5626 section 4.5 from then on.
// RFC 5626 section 4.4 wants keepalives: over UDP KeepAliveSTUN. They come as often as a
// Flow-Timer of the registrar says, or more often if KeepAlive.Interval is shorter.
type Outbound struct {
	// Instance is who the device is, however often it starts: a URN like
	// urn:uuid:00000000-0000-1000-8000-000a95a0e128 (RFC 5626 section 4.1).
	Instance string
	// Proxies are the outbound-proxy-set: one flow each, with the reg-ids 1, 2 and so on.
	// Requests leave by the first that is up, and by the next after a 430 (Flow Failed).
	// A client has one SIP port, and so one flow to an address. None is a single flow to
	// ProfileConfig.Proxy or Registrar.
	Proxies []netip.AddrPort
	// GRUU asks for globally routable URIs (RFC 5627) and puts the public one into Contact in
	// calls.
	GRUU bool
}

var uuidURN = regexp.MustCompile(`^(?i)urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func (o Outbound) on() bool { return o.Instance != "" }

func (o Outbound) check(proxy netip.AddrPort) error {
	if !o.on() {
		if o.GRUU || len(o.Proxies) > 0 {
			return fmt.Errorf("%w: Outbound without an Instance", ErrConfig)
		}
		return nil
	}
	if !uuidURN.MatchString(o.Instance) {
		return fmt.Errorf("%w: Outbound.Instance %q is not like urn:uuid:00000000-0000-1000-8000-000a95a0e128", ErrConfig, o.Instance)
	}
	if len(o.Proxies) > 0 && proxy.IsValid() {
		return fmt.Errorf("%w: Proxy and Outbound.Proxies", ErrConfig)
	}
	for i, a := range o.Proxies {
		if !usable(a) {
			return fmt.Errorf("%w: Outbound.Proxies: %q is no address to send to", ErrConfig, a)
		}
		if slices.Contains(o.Proxies[:i], a) {
			return fmt.Errorf("%w: Outbound.Proxies: %s twice; one SIP port has one flow to an address", ErrConfig, a)
		}
	}
	return nil
}

// binding is what the registrar has agreed to; Profile.mu guards it.
type binding struct {
	up       bool // registered, as far as we know
	plain    bool // without outbound, after a 439
	outbound bool // the registrar does RFC 5626
	told     bool // that it does not
	timer    time.Duration
	routes   []sip.Uri // Service-Route
	pub      *sip.Uri  // GRUUs
	temp     *sip.Uri
}

// Option tags (RFC 5626, RFC 3327, RFC 5627).
const (
	tagOutbound = "outbound"
	tagPath     = "path"
	tagGRUU     = "gruu"
)

// statusFlowFailed and statusFirstHopLacksOutbound are of RFC 5626.
const (
	statusFlowFailed            = 430
	statusFirstHopLacksOutbound = 439
)

// outbounds says whether a REGISTER asks for outbound.
func (p *Profile) outbounds() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.regID > 0 && !p.plain
}

// announce puts into a REGISTER and its Contact who we are (RFC 5626 section 4.2.1).
func (p *Profile) announce(req *sip.Request, contact *sip.ContactHeader) {
	if p.regID == 0 {
		return
	}
	tags := []string{tagPath}
	contact.Params.Add("+sip.instance", `"<`+p.cfg.Outbound.Instance+`>"`)
	if p.outbounds() {
		contact.Address.UriParams.Add("ob", "")
		contact.Params.Add("reg-id", strconv.Itoa(p.regID))
		tags = append(tags, tagOutbound)
	}
	if p.cfg.Outbound.GRUU {
		tags = append(tags, tagGRUU)
	}
	if req.GetHeader("Supported") == nil {
		req.AppendHeader(sip.NewHeader("Supported", strings.Join(tags, ", ")))
	}
}

// refused says whether a REGISTER is to be sent again without outbound.
func (p *Profile) refused(res *sipmsg.Response) bool {
	if res.StatusCode != statusFirstHopLacksOutbound || !p.outbounds() {
		return false
	}
	p.mu.Lock()
	p.plain, p.told = true, true
	p.mu.Unlock()
	p.emitFlow(res.StatusCode, ErrNoOutbound)
	return true
}

// agree notes what a 2xx to REGISTER says beyond the expiry.
func (p *Profile) agree(res *sipmsg.Response, contact netip.AddrPort) {
	b := binding{up: true, routes: serviceRoute(res)}
	if p.outbounds() && slices.Contains(res.Values("require"), tagOutbound) {
		b.outbound = true
		if n, ok := seconds(res, "flow-timer"); ok && n > 0 {
			b.timer = time.Duration(n) * time.Second
		}
	}
	if p.cfg.Outbound.GRUU {
		b.pub, b.temp = p.gruus(res, contact)
	}
	p.mu.Lock()
	b.plain = p.plain
	b.told = p.regID > 0 && !b.outbound
	tell := b.told && !p.told
	p.binding = b
	p.mu.Unlock()
	if tell {
		p.emitFlow(res.StatusCode, ErrNoOutbound)
	}
}

// serviceRoute is what requests outside of dialogs are to pass (RFC 3608). Its URIs are loose
// routers; with another one none of them is used.
func serviceRoute(res *sipmsg.Response) []sip.Uri {
	var list []sip.Uri
	for _, v := range res.Values("service-route") {
		a, ok := sipmsg.ParseAddress(v)
		if _, loose := sipmsg.URIParam(&a.URI, "lr"); !ok || !loose {
			return nil
		}
		list = append(list, a.URI)
	}
	return list
}

// isOurs says whether a Contact of a 2xx is what we registered.
func (p *Profile) isOurs(a *sipmsg.Address, contact netip.AddrPort) bool {
	instance, ok := a.Param("+sip.instance")
	if p.regID == 0 || !ok {
		return sipmsg.Resolve(&a.URI) == contact
	}
	id, ok := a.Param("reg-id")
	return strings.EqualFold(instance, "<"+p.cfg.Outbound.Instance+">") && (!ok || id == strconv.Itoa(p.regID))
}

// gruus are those of our Contact in a 2xx (RFC 5627).
func (p *Profile) gruus(res *sipmsg.Response, contact netip.AddrPort) (pub, temp *sip.Uri) {
	for _, v := range res.Values("contact") {
		if a, ok := sipmsg.ParseAddress(v); ok && p.isOurs(&a, contact) {
			return gruu(&a, "pub-gruu"), gruu(&a, "temp-gruu")
		}
	}
	return nil, nil
}

func gruu(a *sipmsg.Address, name string) *sip.Uri {
	text, _ := a.Param(name)
	u, ok := sipmsg.ParseURI(text)
	if _, gr := sipmsg.URIParam(&u, "gr"); !ok || !gr || u.Scheme != "sip" {
		return nil
	}
	return &u
}

// GRUU are the public and the temporary globally routable URI that the registrar gave (RFC
// 5627); empty if it gave none, or is not known to be alive.
func (p *Profile) GRUU() (public, temporary string) {
	f := p.flow()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pub != nil {
		public = f.pub.String()
	}
	if f.temp != nil {
		temporary = f.temp.String()
	}
	return public, temporary
}

// mark makes a Contact for calls of one by an address: requests come back by the flow (RFC 5626
// section 4.3), or to the GRUU.
func (p *Profile) mark(contact *sip.ContactHeader) *sip.ContactHeader {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.pub != nil:
		contact.Address = *p.pub.Clone()
	case p.outbound:
		contact.Address.UriParams.Add("ob", "")
	}
	return contact
}
