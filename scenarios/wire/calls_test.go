package wire

import (
	"bytes"
	"testing"
	"time"
)

// Messages of one method in several calls are told apart by who began which.
func TestOfSeveralCalls(t *testing.T) {
	hold := bytes.Replace(request("INVITE", "b1"), []byte("Call-ID: call-b1"), []byte("Call-ID: call-a1"), 1)
	s := &script{}
	s.arrives("a", "proxy", request("INVITE", "a1"))
	s.arrives("proxy", "b", request("INVITE", "a1"))
	s.arrives("b", "proxy", response(200, "INVITE", "a1"))
	s.arrives("b", "proxy", hold)
	s.lost("proxy", "nat-a", "filtered", hold)
	s.arrives("a", "proxy", request("INVITE", "a2"))
	s.arrives("proxy", "c", request("INVITE", "a2"))
	s.arrives("proxy", "c", request("ACK", "a2"))
	s.arrives("b", "proxy", request("INVITE", "b2"))
	s.arrives("proxy", "c", request("ACK", "b2"))
	tape := s.tape()
	for _, x := range []struct {
		name, from, to string
		match          Match
		want           string
	}{
		{"the first of a", "a", "b", Of("a", 0, Request("INVITE")), "ok"},
		{"the second of a", "a", "c", Of("a", 1, Request("INVITE")), "ok"},
		{"which is not for b", "a", "b", Of("a", 1, Request("INVITE")), "lost c elsewhere"},
		{"a third there is not", "a", "b", Of("a", 2, Request("INVITE")), "not-sent"},
		{"what b sends in the call of a is no call of b", "b", "c", Of("b", 0, Request("INVITE")), "lost proxy no-drop-observed"},
		{"but is of the call of a", "b", "a", Of("a", 0, Request("INVITE")), "lost nat-a filtered"},
		{"a response is to who asked", "proxy", "b", Success("INVITE"), "not-sent"},
	} {
		fate, cause := tape.Message("INVITE", x.from, x.to, x.match, nil)
		if got := judgement(fate, cause); got != x.want {
			t.Errorf("%s: %s, want %s", x.name, got, x.want)
		}
	}
	if got := tape.Calls("ACK", "c"); got != 2 {
		t.Errorf("%d calls had an ACK", got)
	}
}

// The time in which a callee is heard that has not answered.
func TestRang(t *testing.T) {
	s := &script{}
	s.arrives("a", "proxy", request("INVITE", "a1"))
	s.arrives("b", "proxy", response(180, "INVITE", "a1"))
	from := s.at
	s.arrives("b", "proxy", response(183, "INVITE", "a1"))
	s.at += time.Second
	if got, rang := s.tape().Rang("a", "b", 183); rang {
		t.Errorf("not answered: %v", got)
	}
	to := s.at
	s.arrives("b", "proxy", response(200, "INVITE", "a1"))
	if got, rang := s.tape().Rang("a", "b", 183); !rang || got != (Talk{from, to}) {
		t.Errorf("%v, %v", got, rang)
	}
	if _, rang := s.tape().Rang("b", "a", 183); rang {
		t.Error("b called nobody")
	}
}
