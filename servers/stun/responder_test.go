package stun_test

import (
	"errors"
	"net/netip"
	"testing"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/servers/stun"
)

func TestResponder(t *testing.T) {
	origin, client := netip.MustParseAddrPort("203.0.113.5:5060"), netip.MustParseAddrPort("198.51.100.2:42222")
	r, err := stun.NewResponder(origin)
	if err != nil {
		t.Fatal(err)
	}
	req := pion.MustBuild(pion.TransactionID, pion.BindingRequest, pion.Fingerprint)
	raw, to, o := r.Answer(req.Raw, netip.AddrPortFrom(netip.AddrFrom16(client.Addr().As16()), client.Port()))
	if o != stun.Answered || to != client {
		t.Fatal(o, to)
	}
	m := &pion.Message{Raw: raw}
	var mapped pion.XORMappedAddress
	if err := errors.Join(m.Decode(), mapped.GetFrom(m), pion.Fingerprint.Check(m)); err != nil || m.TransactionID != req.TransactionID ||
		mapped.String() != client.String() {
		t.Error(err, m, mapped)
	}
	for want, b := range map[stun.Outcome][]byte{
		stun.TooShort:         {0, 1},
		stun.UnknownAttribute: pion.MustBuild(pion.TransactionID, pion.BindingRequest, pion.RawAttribute{Type: 0x7777, Value: []byte{1, 2, 3, 4}}).Raw,
		stun.Indication:       pion.MustBuild(pion.TransactionID, pion.NewType(pion.MethodBinding, pion.ClassIndication)).Raw,
		stun.Unsupported:      pion.MustBuild(pion.TransactionID, pion.BindingSuccess).Raw,
	} {
		if raw, _, o := r.Answer(b, client); o != want || (raw != nil) != (want == stun.UnknownAttribute) {
			t.Errorf("%v: %v, answer %x", want, o, raw)
		}
	}
	if _, _, o := r.Answer(req.Raw, netip.AddrPort{}); o != stun.BadSource {
		t.Error(o)
	}
	for _, bad := range []string{"0.0.0.0:5060", "203.0.113.5:0"} {
		if _, err := stun.NewResponder(netip.MustParseAddrPort(bad)); !errors.Is(err, stun.ErrSockets) {
			t.Error(bad, err)
		}
	}
}
