package registrar

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
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
		"SUBSCRIBE sip:user@example.com SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKs;rport\nFrom: <sip:a@b>;tag=1\nTo: <sip:user@example.com>\nCall-ID: c\nCSeq: 1 SUBSCRIBE\nContact: <sip:a@h;ob>\nEvent: presence;id=4\nExpires: 600\nAccept: application/pidf+xml\nRecord-Route: <sip:192.0.2.200;lr>, <sip:h>",
		"SUBSCRIBE sip:user@example.com SIP/2.0\nv: SIP/2.0/UDP h;branch=z9hG4bKs,SIP/2.0/UDP i\nFrom: a@b\nTo: sip:user@example.com\ni: c\nCSeq: 1 SUBSCRIBE\nm: sip:a@192.0.2.200\no: message-summary\nExpires: 0",
		"PUBLISH sip:user@example.com SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKp;rport\nFrom: <sip:a@b>;tag=1\nTo: <sip:user@example.com>\nCall-ID: c\nCSeq: 1 PUBLISH\nEvent: presence\nContent-Type: application/pidf+xml\n\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:user@example.com\"><tuple id=\"a\"><status><basic>open</basic></status></tuple></presence>",
		"PUBLISH sip:user@example.com SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKp;rport\nFrom: <sip:a@b>;tag=1\nTo: <sip:user@example.com>\nCall-ID: c\nCSeq: 1 PUBLISH\nEvent: presence\nSIP-If-Match: x\nExpires: 0",
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
			{Domain: "example.com", Seed: 1, Policy: PolicyReceived, Agents: both, Store: newShelf()},
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

// FuzzEvents publishes and subscribes with a body and header fields of any kind, with a
// subscriber there and over a restart: what was kept can be taken over.
func FuzzEvents(f *testing.F) {
	f.Add("presence", "<sip:a@192.0.2.200>", "application/pidf+xml", []byte(pidf("sip:user@example.com", "a", "open")), uint8(0))
	f.Add("presence;id=1", "sip:a@h;ob", "text/plain", []byte("<presence/>"), uint8(1))
	f.Add("message-summary", "<sip:a@[::1]>;q=1, <sip:b@h>", "", []byte(nil), uint8(2))
	from := netip.MustParseAddrPort("192.0.2.200:34567")
	f.Fuzz(func(t *testing.T, event, contact, media string, body []byte, users uint8) {
		user := []string{"user", "%00\xff", "a%20b;c", "%3Cx%3E"}[users%4]
		cfg := Config{Domain: "example.com", Seed: 1, Policy: PolicyReceived, Agents: both, Store: newShelf()}
		h := newHub()
		h.tap = func(p packet, to netip.AddrPort) {
			if to.Addr() != from.Addr() {
				t.Errorf("%v gets\n%s", to, p.data)
			}
			if m, err := parse(p.data); err != nil {
				t.Errorf("%v of\n%s%v", err, p.data, m)
			}
		}
		s, err := New(h.listen(proxyAddr), cfg)
		if err != nil {
			t.Fatal(err)
		}
		req := func(method string, n int, fields string, body []byte) {
			uri := "sip:" + user + "@example.com"
			head := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK%d;rport\r\nFrom: <sip:a@b>;tag=1\r\nTo: <%s>\r\nCall-ID: %d\r\nCSeq: 1 %s\r\n%sContent-Length: %d\r\n\r\n",
				method, uri, n, uri, n, method, fields, len(body))
			s.stack.Receive(s.socket, append([]byte(head), body...), from)
		}
		req("REGISTER", 1, "Contact: <sip:a@192.0.2.200>\r\n", nil)
		s.location.users[sipmsg.Unescape(user)] = &record{}
		req("SUBSCRIBE", 2, "Event: presence\r\nContact: <sip:a@192.0.2.200>\r\n", nil)
		req("SUBSCRIBE", 3, "Event: "+event+"\r\nContact: "+contact+"\r\n", nil)
		req("PUBLISH", 4, "Event: "+event+"\r\nContent-Type: "+media+"\r\n", body)
		req("PUBLISH", 5, "Event: presence\r\nContent-Type: application/pidf+xml\r\n", body)
		s.stack.Elapse(5 * time.Second)
		before := s.Stats()
		if before.Datagrams != 5 || outcomes(before) != 5 {
			t.Errorf("not one outcome each: %+v", before)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = New(h.listen(proxyAddr), cfg); err != nil {
			t.Fatal(err)
		}
		if after := s.Stats(); after.Subscriptions != before.Subscriptions || after.Publications != before.Publications {
			t.Errorf("%+v became %+v", before, after)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzRestore has a store return anything.
func FuzzRestore(f *testing.F) {
	now := time.Now()
	f.Add(kindBindings, "user", encode([]Binding{{User: "user", Contact: "sip:a@h", Received: ap(proxyAddr), Expires: now.Add(time.Hour)}}))
	f.Add(kindMessages, "user", encode(messages{1, 2}))
	f.Add(kindPresence, "user", encode(setPresence{true, "x"}))
	f.Add(kindPublication, "x user", encode(publication{User: "user", ETag: "x", Body: []byte(pidf("sip:user@example.com", "a", "open")), Expires: now.Add(time.Hour)}))
	b := subscriber{User: "user", Event: presenceEvent, CallID: "c", Local: "<sip:user@h>;tag=1", Remote: "<sip:a@h>;tag=2",
		Contact: "sip:a@192.0.2.1", Received: ap("192.0.2.1:5060"), Expires: now.Add(time.Hour)}
	f.Add(kindSubscription, b.key(), encode(b))
	f.Fuzz(func(t *testing.T, kind, key string, data []byte) {
		store := newShelf()
		store.records["x"] = Record{Kind: kind, Key: key, Expires: time.Now().Add(time.Hour), Data: data}
		s, err := New(newHub().listen(proxyAddr), Config{Domain: "example.com", Seed: 1, Agents: both, Store: store})
		if err != nil {
			if !errors.Is(err, ErrStore) {
				t.Error(err)
			}
			return
		}
		s.resume()
		s.stack.Elapse(time.Hour)
		s.Stats()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
