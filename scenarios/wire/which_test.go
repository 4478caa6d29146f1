package wire

import (
	"fmt"
	"strings"
	"testing"
)

// about is a request of a subscription.
func about(method, tag string, seq int, field, body string) []byte {
	return []byte(strings.Join([]string{method + " sip:x@example.com SIP/2.0", "From: <sip:x@example.com>;tag=" + tag,
		"Call-ID: c", fmt.Sprintf("CSeq: %d %s", seq, method), field, fmt.Sprintf("Content-Length: %d", len(body)), "", body}, "\r\n"))
}

func to(method string, seq, status int) []byte {
	return []byte(strings.Join([]string{fmt.Sprintf("SIP/2.0 %d -", status), "From: <sip:x@example.com>;tag=t",
		"Call-ID: c", fmt.Sprintf("CSeq: %d %s", seq, method), "", ""}, "\r\n"))
}

// A subscription that is refreshed in between: a NOTIFY of the first state again, one of a change
// that is lost twice, and the last.
func TestWhich(t *testing.T) {
	notify := func(seq int, state, body string) []byte {
		return about("NOTIFY", "p", seq, "Subscription-State: "+state, body)
	}
	var s script
	s.arrives("a", "proxy", about("SUBSCRIBE", "a", 1, "Expires: 3600", ""))
	s.arrives("proxy", "a", to("SUBSCRIBE", 1, 200))
	s.lost("proxy", "nat-a", "filtered", notify(1, "active", "away"))
	s.arrives("a", "proxy", about("SUBSCRIBE", "a", 2, "Expires: 3600", ""))
	s.arrives("proxy", "a", to("SUBSCRIBE", 2, 200))
	s.arrives("proxy", "a", notify(2, "active;expires=9", "away"))
	s.arrives("a", "proxy", to("NOTIFY", 2, 200))
	s.lost("proxy", "link", "link-loss", notify(3, "active", "there"))
	s.lost("proxy", "nat-a", "expired", notify(3, "active", "there"))
	s.arrives("proxy", "a", notify(3, "active", "there"))
	s.arrives("a", "proxy", to("NOTIFY", 3, 481))
	s.arrives("a", "proxy", about("SUBSCRIBE", "a", 3, "Expires: 0", ""))
	s.lost("proxy", "nat-a", "expired", to("SUBSCRIBE", 3, 200))
	s.lost("proxy", "nat-a", "expired", notify(4, " terminated ; reason=timeout", "there"))
	tape := s.tape()

	for _, x := range []struct {
		name     string
		from, to string
		match    Match
		want     string
		copy     int
	}{
		{"the first SUBSCRIBE", "a", "proxy", Requests(First("SUBSCRIBE")), "ok", 1},
		{"its 200", "proxy", "a", Successes(First("SUBSCRIBE")), "ok", 1},
		{"the first state, the second time it is told", "proxy", "a", Requests(State(0)), "ok", 2},
		{"the 200 to it", "a", "proxy", Successes(State(0)), "ok", 1},
		{"the second state; what a link lost is no copy", "proxy", "a", Requests(State(1)), "ok", 2},
		{"no 200 to it", "a", "proxy", Successes(State(1)), "not-sent", 0},
		{"there is no third", "proxy", "a", Requests(State(2)), "not-sent", 0},
		{"the SUBSCRIBE that ends it", "a", "proxy", Requests(Ending("SUBSCRIBE")), "ok", 1},
		{"its 200", "proxy", "a", Successes(Ending("SUBSCRIBE")), "lost nat-a expired", 0},
		{"the last NOTIFY", "proxy", "a", Requests(Ending("NOTIFY")), "lost nat-a expired", 0},
		{"nobody publishes", "b", "proxy", Requests(First("PUBLISH")), "not-sent", 0},
		{"nor ends what it publishes", "b", "proxy", Requests(Ending("PUBLISH")), "not-sent", 0},
	} {
		if got := judgement(tape.Message("x", x.from, x.to, x.match, nil)); got != x.want {
			t.Errorf("%s: %s, want %s", x.name, got, x.want)
		}
		if got := tape.Copy(x.from, x.to, x.match, nil); got != x.copy {
			t.Errorf("%s: copy %d, want %d", x.name, got, x.copy)
		}
	}
}
