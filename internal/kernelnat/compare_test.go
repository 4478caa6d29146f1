package kernelnat

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWithout(t *testing.T) {
	s := mustParse(t, `udp A:1 > S1:1
udp B:1 > S1:1
udp S1:1 > #1
unreachable/3 B about #3
udp S1:1 > #2
`)
	for at, want := range []string{
		"udp B:1 > S1:1 | udp S1:1 > #1",
		"udp A:1 > S1:1 | udp S1:1 > #1 | unreachable/3 B about #2",
		"udp A:1 > S1:1 | udp B:1 > S1:1 | udp S1:1 > #2",
		"udp A:1 > S1:1 | udp B:1 > S1:1 | udp S1:1 > #1 | udp S1:1 > #2",
		"udp A:1 > S1:1 | udp B:1 > S1:1 | udp S1:1 > #1 | unreachable/3 B about #3",
	} {
		var got []string
		for _, step := range s.Without(at) {
			got = append(got, step.String())
		}
		if strings.Join(got, " | ") != want {
			t.Errorf("without %d: %s\nwant %s", at+1, strings.Join(got, " | "), want)
		}
	}
}

func mustRuleset(t testing.TB, name string) Ruleset {
	t.Helper()
	rs, err := FindRuleset(name)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func TestFindRuleset(t *testing.T) {
	for _, rs := range Rulesets {
		if got := mustRuleset(t, rs.Name); got != rs {
			t.Errorf("%s: found %v", rs.Name, got)
		}
	}
	if _, err := FindRuleset("pf"); !errors.Is(err, ErrNoRuleset) {
		t.Errorf("%v, want ErrNoRuleset", err)
	}
}

func TestShrink(t *testing.T) {
	d := Difference{
		Runner: Virtual{"plain", rulesMaker(mustRuleset(t, "masquerade"), KernelTimers, 1)},
		Model:  rulesMaker(mustRuleset(t, "masquerade-guarded"), KernelTimers, 1),
	}
	found, err := d.Find([]Sequence{mustParse(t, `udp A:40000 > S1:1000
udp B:40000 > S2:1000
udp S1:1000 > #1
udp C:40000 > S3:1000
pause 1s
udp S3:1001 > #4
udp A:40000 > S2:1000
`)})
	if err != nil || len(found) != 1 {
		t.Fatalf("%d divergences, %v; want 1", len(found), err)
	}
	short, err := d.Shrink(found[0])
	if err != nil {
		t.Fatal(err)
	}
	const want = "!  2  udp S3:1001 > #1                             plain: " +
		"outside: icmp unreachable/3 ext > S3 about {udp S3:1001 > ext:40000}\n" +
		"!                                                  model: dropped\n"
	if got := short.String(); len(short.Seq) != 2 || !strings.HasSuffix(got, want) {
		t.Errorf("shrunk to\n%s\nwant two steps ending in\n%s", got, want)
	}
}

// brokenBox answers every packet with an error.
type brokenBox struct{}

var errBroken = errors.New("broken")

func (brokenBox) Send(Side, Packet, time.Duration) ([]Emission, error) { return nil, errBroken }

func TestErrorsOfBoxes(t *testing.T) {
	seqs := []Sequence{mustParse(t, "udp A:1 > S1:1")}
	broken := func() (Box, error) { return brokenBox{}, nil }
	good := rulesMaker(Rulesets[0], KernelTimers, 1)
	for _, d := range []Difference{
		{Runner: Virtual{"broken", broken}, Model: good},
		{Runner: Virtual{"good", good}, Model: broken},
		{Runner: Virtual{"good", good}, Model: func() (Box, error) { return nil, errBroken }},
	} {
		if _, err := d.Find(seqs); !errors.Is(err, errBroken) {
			t.Errorf("%v, want the error of the box", err)
		}
	}
}

// TestChance: two random ports that are equal by chance are no divergence, or with
// 424 ports to choose from there would be many.
func TestChance(t *testing.T) {
	rs := mustRuleset(t, "masquerade-random")
	d := Difference{
		Runner: Virtual{"one", rulesMaker(rs, KernelTimers, 1)},
		Model:  rulesMaker(rs, KernelTimers, 1_000_000),
	}
	seq := mustParse(t, `udp A:700 > S1:1000
udp A:700 > S1:1001
udp A:700 > S2:1000
udp B:700 > S1:1000
udp B:700 > S2:1000
udp C:700 > S3:1000
`)
	found, err := d.Find(slices.Repeat([]Sequence{seq}, 200))
	if err != nil || len(found) != 0 {
		t.Errorf("%d divergences, %v", len(found), err)
	}
}
