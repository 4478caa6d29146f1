package wire

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/vnet"
)

func TestDropCause(t *testing.T) {
	e := vnet.Event{
		Kind: vnet.Dropped, Box: cell.BoxInternet, Reason: vnet.NoRoute,
		Src: netip.MustParseAddrPort("203.0.113.30:5060"), Dst: netip.MustParseAddrPort("10.0.0.2:5060"),
		Detail: "no-route: 10.0.0.2 is a private address",
	}
	got := DropCause("INVITE", e).String()
	if want := "internet dropped INVITE 203.0.113.30:5060 -> 10.0.0.2:5060: no-route: 10.0.0.2 is a private address"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// One message, relayed by the proxy, from a to b: one copy of it must arrive.
func TestMessage(t *testing.T) {
	invite := request("INVITE", "a1")
	again := bytes.Replace(invite, []byte("CSeq: 1"), []byte("CSeq: 2"), 1)
	for _, x := range []struct {
		name string
		play func(*script)
		told []Told
		want string
	}{
		{"nobody sends it", func(s *script) { s.arrives("b", "proxy", invite) }, nil, "not-sent"},
		{"it arrives", func(s *script) { s.arrives("a", "proxy", invite); s.arrives("proxy", "b", invite) }, nil, "ok"},
		{"one copy of three arrives", func(s *script) {
			s.lost("a", "nat-a", "filtered", invite)
			s.arrives("a", "proxy", invite)
			s.lost("proxy", "nat-b", "expired", invite)
			s.arrives("proxy", "b", invite)
		}, nil, "ok"},
		{"the last drop is the cause", func(s *script) {
			s.arrives("a", "proxy", invite)
			s.lost("proxy", "nat-b", "filtered", invite)
			s.lost("proxy", "nat-b", "expired", invite)
		}, nil, "lost nat-b expired"},
		{"a copy still on its way is no drop", func(s *script) {
			s.lost("a", "nat-a", "filtered", invite)
			s.onItsWay("a", invite)
		}, nil, "lost nat-a filtered"},
		{"it reached the proxy and nothing more is known", func(s *script) { s.arrives("a", "proxy", invite) }, nil, "lost proxy no-drop-observed"},
		{"the proxy tells that it could not read it", func(s *script) { s.arrives("a", "proxy", invite) },
			[]Told{{Box: "proxy", Rule: cell.RuleMalformed, Src: addrA}}, "lost proxy malformed"},
		{"it could not read what came from elsewhere", func(s *script) { s.arrives("a", "proxy", invite) },
			[]Told{{Box: "proxy", Rule: cell.RuleMalformed, Src: addrNone}}, "lost proxy no-drop-observed"},
		{"a drop is the better reason", func(s *script) {
			s.arrives("a", "proxy", invite)
			s.lost("a", "nat-a", "filtered", invite)
		}, []Told{{Box: "proxy", Rule: cell.RuleMalformed, Src: addrA}}, "lost nat-a filtered"},
		{"the proxy refuses it", func(s *script) {
			s.arrives("a", "proxy", invite)
			s.arrives("proxy", "a", response(100, "INVITE", "a1"))
			s.arrives("proxy", "a", response(404, "INVITE", "a1"))
		}, nil, "lost proxy refused"},
		{"be the refusal lost", func(s *script) {
			s.lost("a", "nat-a", "expired", invite)
			s.arrives("a", "proxy", invite)
			s.lost("proxy", "nat-a", "filtered", response(404, "INVITE", "a1"))
		}, nil, "lost proxy refused"},
		{"what it tells is the better name", func(s *script) {
			s.arrives("a", "proxy", invite)
			s.arrives("proxy", "a", response(400, "INVITE", "a1"))
		}, []Told{{Box: "proxy", Rule: cell.RuleMalformed, Src: addrA}}, "lost proxy malformed"},
		{"it answers because what it sent on was lost", func(s *script) {
			s.arrives("a", "proxy", invite)
			s.lost("proxy", "nat-b", "filtered", invite)
			s.arrives("proxy", "a", response(408, "INVITE", "a1"))
			s.arrives("a", "proxy", invite)
		}, nil, "lost nat-b filtered"},
		{"it refuses another request", func(s *script) {
			s.arrives("a", "proxy", invite)
			s.arrives("proxy", "a", response(404, "INVITE", "z"))
			s.arrives("proxy", "a", response(404, "BYE", "a1"))
			s.arrives("b", "a", response(404, "INVITE", "a1"))
		}, nil, "lost proxy no-drop-observed"},
		{"it asks for credentials and is given none", func(s *script) {
			s.arrives("a", "proxy", invite)
			s.arrives("proxy", "a", response(407, "INVITE", "a1"))
		}, nil, "lost proxy refused"},
		{"the request with credentials is lost", func(s *script) {
			s.arrives("a", "proxy", invite)
			s.arrives("proxy", "a", response(407, "INVITE", "a1"))
			s.lost("a", "nat-a", "expired", again)
		}, nil, "lost nat-a expired"},
		{"or lost behind the proxy", func(s *script) {
			s.arrives("a", "proxy", invite)
			s.arrives("proxy", "a", response(407, "INVITE", "a1"))
			s.arrives("a", "proxy", again)
			s.lost("proxy", "nat-b", "filtered", again)
		}, nil, "lost nat-b filtered"},
		{"another call of b is not it", func(s *script) {
			s.lost("a", "nat-a", "filtered", invite)
			s.arrives("b", "proxy", request("INVITE", "b1"))
			s.arrives("proxy", "b", request("INVITE", "b1"))
		}, nil, "lost nat-a filtered"},
	} {
		var s script
		x.play(&s)
		fate, cause := s.tape().Message("INVITE", "a", "b", Request("INVITE"), x.told)
		if got := judgement(fate, cause); got != x.want {
			t.Errorf("%s: got %s, want %s", x.name, got, x.want)
		}
		if fate != cell.Arrived && cause.Message != "INVITE" {
			t.Errorf("%s: the cause is of %q", x.name, cause.Message)
		}
	}
}

// A response belongs to the call of who gets it, and may reach it in vain.
func TestResponse(t *testing.T) {
	ok := response(200, "INVITE", "a1")
	call := func(s *script) { s.arrives("a", "proxy", request("INVITE", "a1")) }
	discarded := []Told{{Box: "a", Rule: cell.RuleForeignVia, Status: 200, Method: "INVITE", CallID: "call-a1", Why: "another Via"}}
	for _, x := range []struct {
		name string
		play func(*script)
		told []Told
		want string
	}{
		{"it arrives", func(s *script) { call(s); s.arrives("b", "proxy", ok); s.arrives("proxy", "a", ok) }, nil, "ok"},
		{"any 2xx does", func(s *script) {
			call(s)
			s.arrives("b", "proxy", response(202, "INVITE", "a1"))
			s.arrives("proxy", "a", response(202, "INVITE", "a1"))
		}, nil, "ok"},
		{"a provisional or a refusal does not", func(s *script) {
			call(s)
			for _, status := range []int{100, 180, 302, 404, 603} {
				s.arrives("b", "proxy", response(status, "INVITE", "a1"))
				s.arrives("proxy", "a", response(status, "INVITE", "a1"))
			}
		}, nil, "not-sent"},
		{"nor the 2xx to another request", func(s *script) { call(s); s.arrives("b", "a", response(200, "BYE", "a1")) }, nil, "not-sent"},
		{"nor one of a call that a did not make", func(s *script) { call(s); s.arrives("b", "a", response(200, "INVITE", "z")) }, nil, "not-sent"},
		{"it is lost", func(s *script) { call(s); s.arrives("b", "proxy", ok); s.lost("proxy", "nat-a", "no-mapping", ok) }, nil, "lost nat-a no-mapping"},
		{"it arrives and is thrown away", func(s *script) { call(s); s.arrives("b", "proxy", ok); s.arrives("proxy", "a", ok) }, discarded, "lost a foreign-via"},
		{"another one is thrown away", func(s *script) { call(s); s.arrives("b", "proxy", ok); s.arrives("proxy", "a", ok) },
			[]Told{{Box: "a", Rule: cell.RuleForeignVia, Status: 200, Method: "INVITE", CallID: "other"}}, "ok"},
		{"b throws it away, which has no use for it", func(s *script) { call(s); s.arrives("b", "proxy", ok); s.arrives("proxy", "a", ok) },
			[]Told{{Box: "b", Rule: cell.RuleForeignVia, Status: 200, Method: "INVITE", CallID: "call-a1"}}, "ok"},
	} {
		var s script
		x.play(&s)
		fate, cause := s.tape().Message("200 to INVITE", "b", "a", Success("INVITE"), x.told)
		if got := judgement(fate, cause); got != x.want {
			t.Errorf("%s: got %s, want %s", x.name, got, x.want)
		}
	}
	// What is told is in the cause, with the packet.
	var s script
	call(&s)
	s.arrives("b", "proxy", ok)
	s.arrives("proxy", "a", ok)
	_, cause := s.tape().Message("200 to INVITE", "b", "a", Success("INVITE"), discarded)
	if want := "a dropped 200 to INVITE 10.0.0.2:5060 -> 192.0.2.2:5060: foreign-via: another Via"; cause.String() != want {
		t.Errorf("got  %s\nwant %s", cause, want)
	}
}

// The ACK of a failed INVITE is the business of a hop (RFC 3261 §17.1.1.3): only who got a
// 2xx that was of use to it sends one that counts.
func TestAck(t *testing.T) {
	ack, ok := request("ACK", "a1"), response(200, "INVITE", "a1")
	refused := response(404, "INVITE", "a1")
	discarded := []Told{{Box: "a", Rule: cell.RuleForeignVia, Status: 200, Method: "INVITE", CallID: "call-a1"}}
	for _, x := range []struct {
		name  string
		final []byte
		told  []Told
		want  string
	}{
		{"after a 2xx", ok, nil, "ok"},
		{"after a refusal", refused, nil, "not-sent"},
		{"after a 2xx that was thrown away", ok, discarded, "not-sent"},
	} {
		var s script
		s.arrives("proxy", "a", x.final)
		s.arrives("a", "proxy", ack)
		s.arrives("proxy", "b", ack)
		if got := judgement(s.tape().Message("ACK", "a", "b", Ack, x.told)); got != x.want {
			t.Errorf("%s: got %s, want %s", x.name, got, x.want)
		}
	}
}

// A talk begins with the ACK at the callee, and ends with the first BYE of the same call.
func TestTalked(t *testing.T) {
	ack, bye := request("ACK", "a1"), request("BYE", "a1")
	answer := func(s *script) { s.arrives("b", "a", response(200, "INVITE", "a1")) }
	for _, x := range []struct {
		name     string
		play     func(*script)
		from, to time.Duration
		ok       bool
	}{
		{"nobody answered", func(s *script) { s.arrives("a", "b", ack) }, 0, 0, false},
		{"the ACK was lost", func(s *script) { answer(s); s.lost("a", "nat-b", "filtered", ack) }, 0, 0, false},
		{"nobody hung up", func(s *script) { answer(s); s.arrives("a", "b", ack); s.at = time.Second; s.arrives("a", "b", rtp) },
			3 * time.Millisecond, time.Second + time.Millisecond, true},
		{"a hung up", func(s *script) { answer(s); s.arrives("a", "b", ack); s.at = time.Second; s.arrives("a", "b", bye) },
			3 * time.Millisecond, time.Second, true},
		{"b hung up, in vain", func(s *script) {
			answer(s)
			s.arrives("a", "b", ack)
			s.at = time.Second
			s.lost("b", "nat-b", "filtered", bye)
		},
			3 * time.Millisecond, time.Second, true},
		{"another call ended", func(s *script) {
			answer(s)
			s.arrives("a", "b", ack)
			s.at = time.Second
			s.arrives("a", "b", request("BYE", "other"))
			s.arrives("a", "b", bye)
		}, 3 * time.Millisecond, time.Second + 2*time.Millisecond, true},
	} {
		var s script
		x.play(&s)
		talk, ok := s.tape().Talked("a", "b", nil)
		if ok != x.ok || talk != (Talk{x.from, x.to}) {
			t.Errorf("%s: got %+v, %v, want %v to %v, %v", x.name, talk, ok, x.from, x.to, x.ok)
		}
	}
}

func TestWindows(t *testing.T) {
	for talk, want := range map[time.Duration]struct {
		rtp, rtcp time.Duration
		judges    bool
	}{
		0:                                     {0, 0, false},
		300 * time.Millisecond:                {300 * time.Millisecond, 0, false},
		10 * time.Second:                      {time.Second, 0, false},
		10*time.Second + 499*time.Millisecond: {time.Second, 0, false},
		10*time.Second + 500*time.Millisecond: {time.Second, 6500 * time.Millisecond, true},
		12 * time.Second:                      {time.Second, 6500 * time.Millisecond, true},
	} {
		rtp, rtcp, judges := Windows(talk)
		if rtp != want.rtp || rtcp != want.rtcp || judges != want.judges {
			t.Errorf("%v: %v, %v, %v, want %+v", talk, rtp, rtcp, judges, want)
		}
	}
}

// A stream is judged by the last second of a talk (RTP), or its last 6.5 s (RTCP).
func TestStream(t *testing.T) {
	long := Talk{0, 12 * time.Second}
	// each sends a packet every 20 ms in a part of the talk.
	each := func(s *script, from, to time.Duration, one func()) {
		for s.at = from; s.at < to; {
			next := s.at + 20*time.Millisecond
			one()
			s.at = next
		}
	}
	for _, x := range []struct {
		name   string
		part   cell.Part
		talk   Talk
		play   func(*script)
		told   []Told
		want   string
		judged bool
	}{
		{"it runs", cell.RTP, long, func(s *script) { each(s, 0, 12*time.Second, func() { s.arrives("a", "b", rtp) }) }, nil, "ok", true},
		{"it ran only in the beginning", cell.RTP, long, func(s *script) {
			each(s, 0, 11*time.Second, func() { s.arrives("a", "b", rtp) })
			each(s, 11*time.Second, 12*time.Second, func() { s.lost("a", "nat-b", "expired", rtp) })
		}, nil, "lost nat-b expired", true},
		{"its beginning was lost", cell.RTP, long, func(s *script) {
			each(s, 0, 11*time.Second, func() { s.lost("a", "nat-b", "filtered", rtp) })
			each(s, 11*time.Second, 12*time.Second, func() { s.arrives("a", "b", rtp) })
		}, nil, "ok", true},
		{"a link loses a third of it", cell.RTP, long, func(s *script) {
			each(s, 0, 12*time.Second, func() {
				if s.packet%3 == 0 {
					s.lost("a", "site-a", vnet.LinkLoss, rtp)
				} else {
					s.arrives("a", "b", rtp)
				}
			})
		}, nil, "ok", true},
		{"most of it is lost", cell.RTP, long, func(s *script) {
			each(s, 0, 12*time.Second, func() {
				if s.packet%3 != 0 {
					s.lost("a", "site-a", vnet.LinkLoss, rtp)
				} else {
					s.arrives("a", "b", rtp)
				}
			})
		}, nil, "lost site-a link-loss", true},
		{"why it is lost before or after the window does not count", cell.RTP, long, func(s *script) {
			s.at = 11*time.Second - time.Millisecond
			s.lost("a", "nat-a", "expired", rtp)
			each(s, 11*time.Second, 12*time.Second, func() { s.lost("a", "nat-b", "filtered", rtp) })
			s.lost("a", "site-a", vnet.LinkLoss, rtp)
		}, nil, "lost nat-b filtered", true},
		{"but of what was sent in it, when it is dropped", cell.RTP, long, func(s *script) {
			s.at = 12*time.Second - time.Nanosecond
			s.lost("a", "nat-b", "filtered", rtp)
		}, nil, "lost nat-b filtered", true},
		{"RTP is lost for reasons of its own", cell.RTP, long, func(s *script) {
			each(s, 11*time.Second, 11900*time.Millisecond, func() { s.lost("a", "nat-b", "filtered", rtp) })
			s.lost("a", "nat-b", "expired", rtcp)
		}, nil, "lost nat-b filtered", true},
		{"it arrives at somebody else", cell.RTP, long, func(s *script) { each(s, 11*time.Second, 12*time.Second, func() { s.arrives("a", "c", rtp) }) },
			nil, "lost c elsewhere", true},
		{"nobody sends", cell.RTP, long, func(s *script) { each(s, 0, 12*time.Second, func() { s.arrives("b", "a", rtp) }) }, nil, "not-sent", true},
		{"it is not sent any more", cell.RTP, long, func(s *script) { each(s, 0, 10*time.Second, func() { s.arrives("a", "b", rtp) }) }, nil, "not-sent", true},
		{"what comes after the talk is not counted", cell.RTP, long, func(s *script) { each(s, 12*time.Second, 13*time.Second, func() { s.arrives("a", "b", rtp) }) }, nil, "not-sent", true},
		{"RTCP is no RTP", cell.RTP, long, func(s *script) { s.at = 11 * time.Second; s.arrives("a", "b", rtcp) }, nil, "not-sent", true},
		{"the receiver throws it away", cell.RTP, long, func(s *script) { each(s, 0, 12*time.Second, func() { s.arrives("a", "b", rtp) }) },
			[]Told{{Box: "b", Rule: cell.RuleStrict, Part: cell.RTP, Src: outA, Why: "not signalled"}}, "lost b strict-source", true},
		{"it would, had it come", cell.RTP, long, func(s *script) { each(s, 0, 12*time.Second, func() { s.lost("a", "nat-b", "filtered", rtp) }) },
			[]Told{{Box: "b", Rule: cell.RuleStrict, Part: cell.RTP, Src: outA}}, "lost nat-b filtered", true},
		{"the sender throws away what it gets", cell.RTP, long, func(s *script) { each(s, 0, 12*time.Second, func() { s.arrives("a", "b", rtp) }) },
			[]Told{{Box: "a", Rule: cell.RuleStrict, Part: cell.RTP}}, "ok", true},
		{"only RTCP is thrown away", cell.RTP, long, func(s *script) { each(s, 0, 12*time.Second, func() { s.arrives("a", "b", rtp) }) },
			[]Told{{Box: "b", Rule: cell.RuleStrict, Part: cell.RTCP}}, "ok", true},
		{"a short talk is judged by all of it", cell.RTP, Talk{0, 100 * time.Millisecond}, func(s *script) { s.arrives("a", "b", rtp) }, nil, "ok", true},
		{"RTCP of a short talk is not judged", cell.RTCP, Talk{0, 10 * time.Second}, func(s *script) { s.arrives("a", "b", rtcp) }, nil, "", false},
		{"one report of two is enough", cell.RTCP, long, func(s *script) {
			s.at = 6 * time.Second
			s.lost("a", "nat-b", "filtered", rtcp)
			s.arrives("a", "b", rtcp)
			s.lost("a", "nat-b", "filtered", rtcp)
		}, nil, "ok", true},
		{"reports before the window are not", cell.RTCP, long, func(s *script) {
			s.arrives("a", "b", rtcp)
			s.at = 6 * time.Second
			s.lost("a", "nat-b", "filtered", rtcp)
		}, nil, "lost nat-b filtered", true},
	} {
		var s script
		x.play(&s)
		fate, cause, judged := s.tape().Stream(x.part, "a", "b", x.talk, x.told)
		if got := judgement(fate, cause); got != x.want || judged != x.judged {
			t.Errorf("%s: got %s, judged %v, want %s, %v", x.name, got, judged, x.want, x.judged)
		}
	}
}

// A copy that a link makes is its sender's, as is what is left of it.
func TestDuplicates(t *testing.T) {
	var s script
	s.lost("a", "nat-b", "filtered", request("INVITE", "a1"))
	s.packet++
	for _, e := range []vnet.Event{
		{Kind: vnet.Translated, Box: "nat-a", Parent: 1, Payload: request("INVITE", "a1")},
		{Kind: vnet.Delivered, Box: "b", Parent: 1, Payload: request("INVITE", "a1")},
	} {
		s.event(e)
	}
	tape := s.tape()
	if got := judgement(tape.Message("INVITE", "a", "b", Request("INVITE"), nil)); got != "ok" {
		t.Errorf("got %s", got)
	}
	if got := tape.flights[1].From; got != "a" {
		t.Errorf("the copy is from %q", got)
	}
}

func TestReached(t *testing.T) {
	var s script
	s.arrives("a", "proxy", request("ACK", "a1"))
	s.lost("proxy", "nat-b", "filtered", request("ACK", "a1"))
	s.arrives("b", "a", response(200, "ACK", "a1"))
	tape := s.tape()
	for box, want := range map[string]bool{"proxy": true, "b": false, "a": false} {
		if got := tape.Reached("ACK", box); got != want {
			t.Errorf("an ACK reached %s: %v, want %v", box, got, want)
		}
	}
}

func TestMediaOf(t *testing.T) {
	for _, x := range []struct {
		payload []byte
		want    cell.Part
	}{
		{rtp, cell.RTP}, {rtcp, cell.RTCP}, {[]byte{0xbf, 191}, cell.RTP}, {[]byte{0xbf, 192}, cell.RTCP}, {[]byte{0x80, 223}, cell.RTCP}, {[]byte{0x80, 224}, cell.RTP},
		{[]byte{0x80}, 0}, {nil, 0}, {[]byte{0x7f, 0}, 0}, {[]byte{0xc0, 0}, 0}, {[]byte{0, 1}, 0}, {[]byte("INVITE"), 0}, {[]byte("\r\n\r\n"), 0},
	} {
		if got := mediaOf(x.payload); got != x.want {
			t.Errorf("% x is %v, want %v", x.payload, got, x.want)
		}
	}
}
