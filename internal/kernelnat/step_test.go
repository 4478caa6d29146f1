package kernelnat

import (
	"errors"
	"slices"
	"testing"
)

func mustParse(t testing.TB, text string) Sequence {
	t.Helper()
	s, err := ParseSequence(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNotation(t *testing.T) {
	const text = ` 1  udp A:40000 > S1:3478
 2  udp S1:3478 > #1
 3  pause 2.5s
 4  tcp SYN+ACK S2:80 > ext:80
 5  echo-request A:7 > S1:7
 6  unreachable/3 S3 about #1
 7  time-exceeded/0 A about #2
 8  echo-reply S1:7 > #5
 9  udp B:1 > extA:2
10  udp S1:5060 > #1 "BYE sip:{#1} SIP/2.0\r\nVia: {#1.port} \"{S1}\"\r\n\r\n"
`
	if got := mustParse(t, text).String(); got != text {
		t.Errorf("read and written again:\n%s\nwant:\n%s", got, text)
	}
}

func TestNotationErrors(t *testing.T) {
	for _, bad := range []string{
		"udp", "udp A:1 S1:2", "udp A:1 > S9:1", "udp A:70000 > S1:1", "udp A > S1:1", "udp A:1 > #1", "udp A:1 > #0", `udp A:1 > S1:1 "x`, `udp A:1 > S1:1 "{#1}"`,
		"pause", "pause soon", "tcp A:1 > S1:1", "tcp XYZ A:1 > S1:1", "sctp A:1 > S1:1",
		"unreachable/3 S1", "unreachable/x S1 about #1", "unreachable/3 S1 about #1", "redirect/1 S1 about #1",
	} {
		if s, err := ParseSequence(bad); !errors.Is(err, ErrNotation) {
			t.Errorf("%q: %v, %v; want ErrNotation", bad, s, err)
		}
	}
}

func FuzzParseSequence(f *testing.F) {
	f.Add("udp A:40000 > S1:3478\nudp S1:3478 > #1\npause 2s\nunreachable/3 S3 about #1\n")
	f.Add(Rulesets[0].Generator(1).Sequence().String())
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSequence(text)
		if err != nil {
			return
		}
		again, err := ParseSequence(s.String())
		if err != nil || !slices.Equal(s, again) {
			t.Fatalf("%q became %q: %v", s, again, err)
		}
	})
}

func TestGeneratorIsDeterministic(t *testing.T) {
	const each = 200
	for _, rs := range Rulesets {
		a, b, c := rs.Generator(7), rs.Generator(7), rs.Generator(8)
		others := 0
		for range each {
			s := a.Sequence()
			if !slices.Equal(s, b.Sequence()) {
				t.Fatalf("%s: equal seeds, other sequences", rs.Name)
			}
			if !slices.Equal(s, c.Sequence()) {
				others++
			}
			if got := mustParse(t, s.String()); !slices.Equal(got, s) {
				t.Fatalf("%s: not what was written:\n%v", rs.Name, s)
			}
		}
		if others < each*9/10 {
			t.Errorf("%s: only %d of %d sequences differ with the seed", rs.Name, others, each)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, pl := range []Place{0, 1, 63, 64, 5000, Places - 1} {
		for h := A; h <= S3; h++ {
			if a := pl.Addr(h); pl.Name(a) != h.String() {
				t.Errorf("place %d: %v is %s, want %v", pl, a, pl.Name(a), h)
			}
		}
		for h := A; h <= C; h++ {
			if got := insideOf(OneToOne(pl.Addr(h))); got != pl.Addr(h) {
				t.Errorf("place %d: 1:1 and back, %v became %v", pl, pl.Addr(h), got)
			}
		}
	}
	last := Place(Places - 1)
	if !serverNet.Contains(last.Addr(S3)) || !staticNet.Contains(last.Addr(C)) || !last.Addr(S3).Less(sentinelServer) {
		t.Errorf("the last place is out of bounds: %v, %v", last.Addr(S3), last.Addr(C))
	}
}

func TestTextsFollowTheirSteps(t *testing.T) {
	seq := mustParse(t, `
		udp A:1 > S1:1
		udp A:5060 > S1:5060
		udp S1:5060 > #2 "{#2} {#2.port} {A}"`)
	if got := seq.Without(0).String(); got != mustParse(t, `
		udp A:5060 > S1:5060
		udp S1:5060 > #1 "{#1} {#1.port} {A}"`).String() {
		t.Error(got)
	}
	if got := seq.Without(1); len(got) != 1 {
		t.Errorf("%v refers to what is gone", got)
	}
}
