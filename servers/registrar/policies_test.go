package registrar

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Where a call to a phone goes under each policy, and the ACK and BYE after it. The phone is
// at 198.51.100.2:42222 and writes 10.0.0.2:5070 into its Contact.
func TestPolicies(t *testing.T) {
	const at, byIP, private, callFrom = "198.51.100.2:42222", "198.51.100.2:5070", "10.0.0.2:5070", "203.0.113.6:5060"
	for _, c := range []struct {
		policy  Policy
		call    string // where the INVITE goes
		within  string // where ACK and BYE go
		from    string // where they come from
		cause   string
		alias   string
		reached string // received parameter in the 200 to REGISTER
	}{
		{PolicyContact, private, private, proxyAddr, "by contact", "", ""},
		{PolicyReceived, at, at, proxyAddr, "by received", ";alias=198.51.100.2~42222~1", at},
		{PolicyReceivedNoAlias, at, private, proxyAddr, "by received", "", at},
		{PolicyIPOnly, byIP, byIP, proxyAddr, "by source-ip", ";alias=198.51.100.2~5070~1", ""},
		{PolicyAnotherSource, at, at, callFrom, "by received", ";alias=198.51.100.2~42222~1", at},
	} {
		t.Run(c.policy.String(), func(t *testing.T) {
			config := func(h *hub) Config {
				cfg := Config{Policy: c.policy}
				if c.policy == PolicyAnotherSource {
					cfg.CallConn = h.listen(callFrom)
				}
				return cfg
			}
			inLabAt(t, proxyAddr, config, func(l *lab) {
				alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", at)
				ends := map[string]*phone{at: bob, byIP: l.phone("bob", byIP), private: l.phone("bob", private)}
				for _, p := range ends {
					p.contact = "sip:bob@" + private
				}
				got := bob.register().one("Contact")
				if _, v, _ := strings.Cut(got, "received="); strings.Trim(v, `"`) != strings.TrimSuffix("sip:"+c.reached, "sip:") {
					t.Error(got)
				}
				alice.ask("INVITE", "sip:bob@example.com")
				alice.response(100)
				invite := ends[c.call].request("INVITE")
				if !strings.HasPrefix(invite.one("Record-Route"), "<sip:"+c.from+";lr;") ||
					!strings.HasPrefix(invite.all("Via")[0], "SIP/2.0/UDP "+c.from+";") || invite.from.String() != c.from {
					t.Errorf("from %v\n%s", invite.from, invite.raw)
				}
				ends[c.call].ok(invite)
				ok := alice.response(200)
				if got, want := ok.one("Contact"), "<sip:bob@"+private+c.alias+">"; got != want || ok.from.String() != proxyAddr {
					t.Errorf("from %v\n got %s\nwant %s", ok.from, got, want)
				}
				alice.proxy = c.from // the Record-Route
				alice.within("ACK", ok)
				if m := ends[c.within].request("ACK"); m.from.String() != c.from {
					t.Error("ACK from", m.from)
				}
				alice.within("BYE", ok)
				bye := ends[c.within].request("BYE")
				if bye.from.String() != c.from || !strings.HasPrefix(bye.all("Via")[0], "SIP/2.0/UDP "+c.from+";") {
					t.Errorf("from %v\n%s", bye.from, bye.raw)
				}
				ends[c.within].reply(bye, 200, "OK")
				if m := alice.response(200); m.from.String() != c.from {
					t.Error("200 from", m.from)
				}
				l.wantEvent("INVITE bob -> "+c.call, c.cause)
				l.wantLost()
				if st := l.srv.Stats(); st.ResponsesUnmatched != 0 || st.AcksForwarded != 1 || st.ResponsesForwarded != 2 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// The classic drop: without an alias the ACK goes to the private Contact, the callee repeats
// its 200 until 64*T1 are over, and so does its BYE reach the caller after 32 s.
func TestNoAliasDropsAfter32Seconds(t *testing.T) {
	inLab(t, Config{Policy: PolicyReceivedNoAlias}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:42222")
		bob.contact = "sip:bob@10.0.0.2"
		bob.register()
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		invite := bob.request("INVITE")
		wait, lost := 500*time.Millisecond, []string{}
		for begun := time.Now(); time.Since(begun) < 32*time.Second; wait = min(2*wait, 4*time.Second) { // RFC 3261 §13.3.1.4
			bob.ok(invite)
			alice.within("ACK", alice.response(200))
			bob.quiet()
			lost = append(lost, "10.0.0.2:5060")
			time.Sleep(wait)
		}
		bob.inDialog("BYE", invite, true)
		alice.reply(alice.request("BYE"), 200, "OK")
		bob.response(200)
		l.wantLost(lost...)
		if len(lost) != 11 {
			t.Errorf("%d copies of the 200", len(lost))
		}
	})
}

// Calls from another source: responses that come to the registered socket, a CANCEL, and a
// request to somebody who is no user.
func TestAnotherSource(t *testing.T) {
	const callFrom, gateway = "203.0.113.6:5080", "198.51.100.50:5060"
	config := func(h *hub) Config {
		return Config{Policy: PolicyAnotherSource, CallConn: h.listen(callFrom), Routes: []Route{{Prefix: "+", To: ap(gateway)}}}
	}
	inLabAt(t, proxyAddr, config, func(l *lab) {
		alice, bob, pstn := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060"), l.phone("pstn", gateway)
		bob.register()
		alice.ask("INVITE", "sip:bob@example.com", "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKx;rport")
		alice.response(100)
		invite := bob.request("INVITE")
		bob.reply(invite, 180, "Ringing")
		if m := alice.response(180); m.from.String() != proxyAddr {
			t.Error(m.from)
		}
		alice.ask("CANCEL", "sip:bob@example.com", "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKx;rport")
		alice.response(200)
		cancel := bob.request("CANCEL")
		if cancel.from.String() != callFrom {
			t.Error("CANCEL from", cancel.from)
		}
		bob.reply(cancel, 200, "OK")
		bob.reply(invite, 487, "Request Terminated")
		if m := bob.request("ACK"); m.from.String() != callFrom {
			t.Error("ACK from", m.from)
		}
		alice.response(487)

		bob.ask("OPTIONS", "sip:alice@example.com")
		bob.response(404)
		alice.ask("MESSAGE", "sip:+1555@example.com")
		if m := pstn.request("MESSAGE"); m.from.String() != proxyAddr {
			t.Error("to the gateway from", m.from)
		}
		// Either address is the server.
		alice.sendTo(callFrom, alice.build("OPTIONS", "sip:203.0.113.6:5080", "<sip:203.0.113.6:5080>"))
		if m := alice.response(200); m.from.String() != callFrom {
			t.Error(m.from)
		}
	})
}

func TestPoliciesByName(t *testing.T) {
	names := []string{"contact", "received", "received-no-alias", "ip-only", "another-source"}
	for i, p := range Policies() {
		if got, err := ParsePolicy(names[i]); got != p || p.String() != names[i] || err != nil {
			t.Error(got, p, err)
		}
	}
	if _, err := ParsePolicy("alias"); err == nil || !strings.Contains(err.Error(), `policy "alias" is none of contact, received, received-no-alias, ip-only, another-source`) {
		t.Error(err)
	}
}

func TestSidesRefused(t *testing.T) {
	conn := func() *end { return newHub().listen("203.0.113.6:5060") }
	for name, cfg := range map[string]Config{
		"another source without a socket": {Policy: PolicyAnotherSource},
		"a socket for another policy":     {CallConn: conn()},
		"an address for another policy":   {CallAdvertise: ap(proxyAddr)},
		"wildcard":                        {Policy: PolicyAnotherSource, CallConn: newHub().listen("0.0.0.0:5060")},
		"one address for both":            {Policy: PolicyAnotherSource, CallConn: conn(), CallAdvertise: ap(proxyAddr)},
		"two Record-Routes of one":        {DoubleRecordRoute: true},
		"local wildcard":                  {Local: ap("0.0.0.0:5060")},
		"inside without two":              {Advertise: ap("192.0.2.1:5060"), Inside: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
	} {
		if s, err := New(newHub().listen(proxyAddr), cfg); !errors.Is(err, ErrConfig) || s != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
