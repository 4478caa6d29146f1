package registrar

import (
	"net/netip"
	"strings"
	"testing"
)

const outerAddr, innerAddr = "203.0.113.5:5060", "10.0.0.5:5070"

// inNATLab runs f with a server at 10.0.0.5:5070 behind a port forward of 203.0.113.5:5060 that
// does no hairpinning. Phones in 10.0.0.0/24 are its neighbours.
func inNATLab(t *testing.T, cfg Config, f func(l *lab)) {
	t.Helper()
	inLabAt(t, innerAddr, func(h *hub) Config {
		h.nat = &nat{inner: ap(innerAddr), outer: ap(outerAddr), network: netip.MustParsePrefix("10.0.0.0/24")}
		cfg.Advertise = ap(outerAddr)
		return cfg
	}, f)
}

// at is a phone that sends to this address of the server.
func (p *phone) at(proxy string) *phone { p.proxy = proxy; return p }

// follow sends later requests of the dialog to the first hop of a route set.
func (p *phone) follow(m *message, caller bool) {
	rr := m.all("Record-Route")
	first := rr[0]
	if caller {
		first = rr[len(rr)-1]
	}
	addr, _, _ := strings.Cut(strings.TrimPrefix(first, "<sip:"), ";")
	if _, host, ok := strings.Cut(addr, "@"); ok {
		addr = host
	}
	p.at(addr)
}

// A server behind a NAT goes by both addresses: in the Request-URI, in the To, in a Route, in
// the Via of a loop.
func TestBehindNAT(t *testing.T) {
	inNATLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060").at(outerAddr), l.phone("bob", "10.0.0.7:5060").at(innerAddr)
		bob.send(bob.build("REGISTER", "sip:"+innerAddr, "<sip:bob@"+innerAddr+">", "Contact: <"+bob.contact+">"))
		bob.response(200)
		for _, uri := range []string{"sip:bob@example.com", "sip:bob@" + innerAddr, "sip:bob@" + outerAddr, "sip:bob@203.0.113.5"} {
			alice.ask("MESSAGE", uri, "Route: <sip:"+outerAddr+";lr>, <sip:"+innerAddr+";lr>")
			m := bob.request("MESSAGE")
			if len(m.all("Route")) != 0 || !strings.HasPrefix(m.all("Via")[0], "SIP/2.0/UDP "+outerAddr+";") {
				t.Error(m.raw)
			}
			bob.reply(m, 200, "OK")
			alice.response(200)
		}
		for _, self := range []string{innerAddr, outerAddr} {
			alice.ask("MESSAGE", "sip:bob@example.com")
			m := bob.request("MESSAGE")
			mine := strings.Replace(m.all("Via")[0], outerAddr, self, 1)
			bob.reply(m, 200, "OK")
			alice.response(200)
			alice.send(strings.Replace(alice.build("MESSAGE", "sip:bob@example.com", "<sip:bob@example.com>", "CSeq: "+m.one("CSeq"), "-Max-Forwards"), "\nFrom", "\nVia: "+mine+"\nFrom", 1))
			alice.response(482)
		}
		// One Record-Route: the neighbour's BYE needs hairpinning, which this NAT has not.
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		invite := bob.request("INVITE")
		bob.ok(invite)
		ok := alice.response(200)
		alice.follow(ok, true)
		alice.within("ACK", ok)
		bob.request("ACK")
		bob.follow(invite, false)
		bob.inDialog("BYE", invite, true)
		l.wantLost(outerAddr)
	})
}

// With two Record-Routes every phone sends to the address it can reach.
func TestDoubleRecordRoute(t *testing.T) {
	phones := map[string]string{"outer": "198.51.100.1:5060", "outer2": "198.51.100.2:5060", "inner": "10.0.0.7:5060", "inner2": "10.0.0.8:5060"}
	side := map[string]string{"outer": outerAddr, "outer2": outerAddr, "inner": innerAddr, "inner2": innerAddr}
	for _, c := range []struct{ from, to string }{{"outer", "inner"}, {"inner", "outer"}, {"outer", "outer2"}, {"inner", "inner2"}} {
		t.Run(c.from+" calls "+c.to, func(t *testing.T) {
			inNATLab(t, Config{DoubleRecordRoute: true, Policy: PolicyReceived}, func(l *lab) {
				a, b := l.phone(c.from, phones[c.from]).at(side[c.from]), l.phone(c.to, phones[c.to]).at(side[c.to])
				a.register()
				b.register()
				a.ask("INVITE", "sip:"+c.to+"@example.com")
				a.response(100)
				invite := b.request("INVITE")
				want := []string{side[c.to]}
				if side[c.from] != side[c.to] {
					want = append(want, side[c.from])
				}
				rr := invite.all("Record-Route")
				for i := range rr {
					if !strings.HasPrefix(rr[i], "<sip:"+want[min(i, len(want)-1)]+";lr;d=") {
						t.Error(rr)
					}
				}
				if len(rr) != len(want) || !strings.HasPrefix(invite.all("Via")[0], "SIP/2.0/UDP "+side[c.to]+";") {
					t.Errorf("want %v\n%s", want, invite.raw)
				}
				b.ok(invite)
				ok := a.response(200)
				a.follow(ok, true)
				b.follow(invite, false)
				if a.proxy != side[c.from] || b.proxy != side[c.to] {
					t.Error("first hops", a.proxy, b.proxy)
				}
				a.within("ACK", ok)
				b.request("ACK")
				for range 2 { // both ways: requests of the dialog, and a re-INVITE
					a.within("INVITE", ok)
					a.response(100)
					again := b.request("INVITE")
					if len(again.all("Record-Route")) != len(want) {
						t.Error(again.raw)
					}
					b.ok(again)
					a.within("ACK", a.response(200))
					b.request("ACK")
					b.inDialog("INFO", invite, true)
					info := a.request("INFO")
					if v := info.all("Via")[0]; !strings.HasPrefix(v, "SIP/2.0/UDP "+side[c.from]+";") {
						t.Error(v)
					}
					a.reply(info, 200, "OK")
					b.response(200)
				}
				b.inDialog("BYE", invite, true)
				a.reply(a.request("BYE"), 200, "OK")
				b.response(200)
				l.wantLost()
				if st := l.srv.Stats(); st.ResponsesUnmatched != 0 || st.AcksUnmatched != 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// A strict router puts the first of our two Record-Routes into the Request-URI.
func TestDoubleRecordRouteStrict(t *testing.T) {
	inNATLab(t, Config{DoubleRecordRoute: true}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060").at(outerAddr), l.phone("bob", "10.0.0.7:5060").at(innerAddr)
		bob.register()
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		bob.ok(bob.request("INVITE"))
		ok := alice.response(200)
		rr := ok.all("Record-Route")
		text := alice.build("ACK", strings.Trim(rr[1], "<>"), ok.one("To"), "From: "+ok.one("From"), "Call-ID: "+ok.one("Call-ID"),
			"CSeq: "+strings.Replace(ok.one("CSeq"), "INVITE", "ACK", 1), "Route: "+rr[0]+", <"+bob.contact+">")
		alice.send(text)
		if ack := bob.request("ACK"); ack.short() != "ACK "+bob.contact+" SIP/2.0" || len(ack.all("Route")) != 0 {
			t.Error(ack.raw)
		}
	})
}

// Two sockets: callers keep the address they know, callees the one they are called from.
func TestDoubleRecordRouteAnotherSource(t *testing.T) {
	const callFrom = "203.0.113.6:5080"
	config := func(h *hub) Config {
		return Config{Policy: PolicyAnotherSource, CallConn: h.listen(callFrom), DoubleRecordRoute: true}
	}
	inLabAt(t, proxyAddr, config, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		invite := bob.request("INVITE")
		if rr := invite.all("Record-Route"); len(rr) != 2 || !strings.HasPrefix(rr[0], "<sip:"+callFrom) || !strings.HasPrefix(rr[1], "<sip:"+proxyAddr) {
			t.Error(rr)
		}
		bob.ok(invite)
		ok := alice.response(200)
		alice.follow(ok, true)
		bob.follow(invite, false)
		alice.within("ACK", ok)
		if m := bob.request("ACK"); m.from.String() != callFrom {
			t.Error("ACK from", m.from)
		}
		bob.inDialog("BYE", invite, true)
		bye := alice.request("BYE")
		if bye.from.String() != proxyAddr {
			t.Error("BYE from", bye.from)
		}
		alice.reply(bye, 200, "OK")
		if m := bob.response(200); m.from.String() != callFrom {
			t.Error("200 from", m.from)
		}
		l.wantLost()
	})
}
