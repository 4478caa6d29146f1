package wire

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/natproof/natproof/scenarios/cell"
)

// numbered is a message with another number in CSeq.
func numbered(b []byte, n int) []byte {
	return bytes.Replace(b, []byte("CSeq: 1"), fmt.Appendf(nil, "CSeq: %d", n), 1)
}

// The INVITEs of a call are told apart by their numbers, copies or not; what the other end began,
// and what is of another call, is not counted.
func TestNth(t *testing.T) {
	invite, ack, ok := request("INVITE", "a1"), request("ACK", "a1"), response(200, "INVITE", "a1")
	var s script
	s.arrives("a", "b", invite)
	s.arrives("b", "a", ok)
	s.arrives("a", "b", ack)
	s.arrives("b", "a", numbered(request("INVITE", "b1"), 7)) // of the other end
	s.lost("a", "nat-b", "filtered", numbered(invite, 2))
	s.arrives("a", "b", numbered(invite, 2)) // again
	s.lost("b", "nat-a", "flushed", numbered(ok, 2))
	s.arrives("a", "b", numbered(request("INVITE", "a2"), 3)) // another call
	s.lost("a", "nat-b", "expired", numbered(invite, 4))
	for _, x := range []struct {
		n               int
		invite, ok, ack string
	}{
		{1, "ok", "ok", "ok"},
		{2, "ok", "lost nat-a flushed", "not-sent"},
		{3, "lost nat-b expired", "not-sent", "not-sent"},
		{4, "not-sent", "not-sent", "not-sent"},
	} {
		tape := s.tape()
		for _, y := range []struct {
			from, to string
			match    Match
			want     string
		}{{"a", "b", Nth("INVITE", x.n), x.invite}, {"b", "a", NthSuccess("INVITE", x.n), x.ok}, {"a", "b", NthAck(x.n), x.ack}} {
			if got := judgement(tape.Message("it", y.from, y.to, y.match, nil)); got != y.want {
				t.Errorf("%d, from %s: got %s, want %s", x.n, y.from, got, y.want)
			}
		}
	}
}

func TestReachesAndAvoids(t *testing.T) {
	for _, x := range []struct {
		name            string
		play            func(*script)
		reaches, avoids string
	}{
		{"nothing was sent", func(*script) {}, "not-sent", "ok"},
		{"it is not let in", func(s *script) { s.lost("s", "nat-a", "filtered", rtp) }, "lost nat-a filtered", "ok"},
		{"one is let in", func(s *script) { s.lost("s", "nat-a", "filtered", rtp); s.arrives("s", "a", rtp) }, "ok", "lost a elsewhere"},
		{"somebody else gets it", func(s *script) { s.arrives("s", "b", rtp) }, "lost a no-drop-observed", "ok"},
		{"RTCP is no RTP", func(s *script) { s.arrives("s", "a", rtcp) }, "not-sent", "ok"},
	} {
		var s script
		x.play(&s)
		tape := s.tape()
		if got := judgement(tape.Reaches(cell.RTP, "s", "a")); got != x.reaches {
			t.Errorf("%s: got %s, want %s", x.name, got, x.reaches)
		}
		if got := judgement(tape.Avoids(cell.RTP, "s", "a")); got != x.avoids {
			t.Errorf("%s: got %s, want it avoided: %s", x.name, got, x.avoids)
		}
	}
}
