package media

import (
	"testing"
	"time"
)

// A BYE of the peer halves what is left to the next report, and what has passed since the
// last; one of somebody else, a second one, and one that comes before the peer was counted do
// not (RFC 3550 §6.3.4).
func TestReverseReconsideration(t *testing.T) {
	start := time.Unix(1000, 0)
	now := start.Add(2 * time.Second)
	for name, x := range map[string]struct {
		members    int
		byes       []uint32
		last, next time.Duration // since start
		present    bool
	}{
		"of the peer":   {2, []uint32{7}, 1 * time.Second, 4 * time.Second, false},
		"twice":         {2, []uint32{7, 7}, 1 * time.Second, 4 * time.Second, false},
		"of a stranger": {2, []uint32{8}, 0, 6 * time.Second, true},
		"not counted":   {1, []uint32{7}, 0, 6 * time.Second, false},
	} {
		r := reporter{last: start, next: start.Add(6 * time.Second)}
		r.members = x.members
		r.hear(7, now)
		for _, ssrc := range x.byes {
			r.left(ssrc, now)
		}
		if r.last.Sub(start) != x.last || r.next.Sub(start) != x.next || r.present != x.present {
			t.Errorf("%s: last %v, next %v, present %v", name, r.last.Sub(start), r.next.Sub(start), r.present)
		}
	}
}

// Who is silent for five intervals is no member any more, and is one again once heard.
func TestASilentMember(t *testing.T) {
	var s Stream
	s.report.schedule = schedule{members: 1, averageSize: guessedSize}
	start := time.Unix(1000, 0)
	s.report.hear(7, start)
	for _, x := range []struct {
		after time.Duration
		want  int
	}{{0, 2}, {25 * time.Second, 2}, {25*time.Second + 1, 1}, {26 * time.Second, 1}} {
		if s.count(start.Add(x.after)); s.report.members != x.want {
			t.Errorf("after %v: %d members, want %d", x.after, s.report.members, x.want)
		}
	}
	s.report.hear(7, start.Add(time.Minute))
	if s.count(start.Add(time.Minute)); s.report.members != 2 {
		t.Errorf("heard again: %d members", s.report.members)
	}
}
