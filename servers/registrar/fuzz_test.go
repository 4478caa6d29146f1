package registrar

import (
	"net/netip"
	"testing"

	"github.com/natproof/natproof/internal/torture"
)

// FuzzDatagram feeds one datagram to a server with a binding and a running call, and
// checks that the server answers nobody but the sender and still serves.
func FuzzDatagram(f *testing.F) {
	for _, m := range torture.Messages() {
		f.Add(m.Data)
	}
	for _, s := range []string{
		"INVITE sip:user@example.com SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKx;rport\nFrom: <sip:a@b>;tag=1\nTo: <sip:user@example.com>\nCall-ID: c\nCSeq: 1 INVITE\nContact: <sip:a@h;ob>",
		"CANCEL sip:user@example.com SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKx;rport\nFrom: <sip:a@b>;tag=1\nTo: <sip:user@example.com>\nCall-ID: c\nCSeq: 1 CANCEL",
		"ACK sip:user@198.51.100.2;alias=192.0.2.1~5~1 SIP/2.0\nVia: SIP/2.0/UDP [::1]:9;branch=z9hG4bKy\nRoute: <sip:203.0.113.5;lr;d=00>,<sip:a>\nFrom: a;tag=1\nTo: <sip:b@c>;tag=2\nCall-ID: c\nCSeq: 1 ACK",
		"REGISTER sip:example.com SIP/2.0\nv: SIP/2.0/UDP h:5070;branch=z9hG4bKz\nf: <sip:user@example.com>;tag=1\nt: sip:user@example.com\ni: c\nCSeq: 9 REGISTER\nm: *\nExpires: 0\nAuthorization: Digest username=\"user\",realm=\"example.com\",nonce=\"x\",uri=\"sip:example.com\",response=\"0\",qop=auth,nc=00000001,cnonce=\"y\"",
		"REGISTER sip:example.com SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKz;rport\nFrom: <sip:user@example.com>;tag=1\nTo: <sip:user@example.com>\nCall-ID: c\nCSeq: 9 REGISTER\nContact: <sip:user@h;ob>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\nSupported: outbound, gruu, path\nPath: <sip:h;ob>",
		"INVITE sip:user@example.com;gr=urn:uuid:1 SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\nRoute: <sip:xjNkAqTuWL3n11vBYi4@203.0.113.5;lr;ob>, <sip:10.0.0.5;lr;ob>\nFrom: <sip:a@b>;tag=1\nTo: <sip:user@example.com>\nCall-ID: c\nCSeq: 1 INVITE\nContact: <sip:a@h;ob>",
		"SIP/2.0 200 OK\nVia: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bKx\nFrom: <sip:a@b>;tag=1\nTo: <sip:b@c>;tag=2\nCall-ID: c\nCSeq: 1 INVITE",
	} {
		f.Add([]byte(crlf(s)))
	}
	from := netip.MustParseAddrPort("192.0.2.200:34567")
	user := netip.MustParseAddrPort("198.51.100.2:5060")
	f.Fuzz(func(t *testing.T, data []byte) {
		for i, cfg := range []Config{
			{Domain: "example.com", Seed: 1, Policy: PolicyReceived},
			{Domain: "example.com", Seed: 1, IgnoreRport: true, Users: map[string]string{"user": "x"}, AuthInvite: true},
			{Domain: "example.com", Seed: 1, Outbound: true, FlowTimer: 120e9, GRUU: true, Local: ap("10.0.0.5:5060"), DoubleRecordRoute: true,
				Ping: Ping{Kind: PingOptions}},
		} {
			h := newHub()
			s, err := New(h.listen(proxyAddr), cfg)
			if err != nil {
				t.Fatal(err)
			}
			h.tap = func(p packet, to netip.AddrPort) {
				if to.Addr() != from.Addr() && to != user && !s.cfg.Relay {
					t.Errorf("%v gets\n%s", to, p.data)
				}
			}
			s.commit("user", nil, []Binding{{User: "user", Contact: "sip:user@198.51.100.2:5060", Instance: "<urn:uuid:1>", RegID: i / 2,
				Received: user, Expires: s.now().Add(3600e9), Q: 1, Outbound: i == 2}})
			s.stack.Receive(s.socket, data, from)
			s.stack.Receive(s.socket, data, from)
			before := s.Stats().Rejected[404]
			s.stack.Receive(s.socket, []byte(crlf("OPTIONS sip:nobody@example.com SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKlast\nFrom: <sip:a@b>;tag=1\nTo: <sip:b@c>\nCall-ID: last\nCSeq: 1 OPTIONS")), from)
			if s.Stats().Rejected[404] != before+1 {
				t.Errorf("does not serve any more: %+v", s.Stats())
			}
			if st := s.Stats(); st.Datagrams != 3 || outcomes(st) != 3 {
				t.Errorf("not one outcome each: %+v", st)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// outcomes adds up what Stats says became of the datagrams.
func outcomes(st Stats) uint64 {
	return st.Keepalives + st.NotSIP + st.STUN + st.Oversize + st.Malformed + st.Requests + st.Absorbed +
		st.AcksForwarded + st.AcksUnmatched + st.Responses + st.ResponsesUnmatched
}

// FuzzAlias checks that the alias of a Contact is written once.
func FuzzAlias(f *testing.F) {
	for _, s := range []string{
		`"A, <b>" <sip:a@b;alias=1.2.3.4~5~1?x=y>;q=1;expires=3`, "sip:a@b;tag=1", "<sip:a>, <sip:b>", `"\"<`, ",,;;==<<>>",
	} {
		f.Add(s)
	}
	from := netip.MustParseAddrPort("192.0.2.1:999")
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range []Policy{PolicyReceived, PolicyIPOnly} {
			if once := policies[p].aliased(s, from); policies[p].aliased(once, from) != once {
				t.Errorf("%v: aliased twice: %q, %q, %q", p, s, once, policies[p].aliased(once, from))
			}
		}
	})
}
