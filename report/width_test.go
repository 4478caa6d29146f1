package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

// Every line of every report fits, but for a word that cannot be broken.
func TestWidths(t *testing.T) {
	devices := []string{"linux-masquerade-open", "juniper-srx-target-host-port", "rfc4787-recommended", "docker"}
	cells, err := scenarios.Plan(cell.Choice{
		"flow": {"call"}, "a": devices, "b": devices,
		"registrar": {"received"}, "rport": {"true"}, "latch": {"both"},
	})
	if err != nil {
		t.Fatal(err)
	}
	reports := map[string]func(*bytes.Buffer, Options) error{
		"default": func(b *bytes.Buffer, o Options) error { return write(Text(b, o), defaultSections(t)) },
		"odd":     func(b *bytes.Buffer, o Options) error { return write(Text(b, o), oddSections(t)) },
		"devices": func(b *bytes.Buffer, o Options) error {
			return write(Text(b, o), []section{{title: strings.Repeat("A long title. ", 12), results: played(t, cells)}})
		},
		"register": func(b *bytes.Buffer, o Options) error {
			return Ladder(b, ladderResult(t, "register/stun[a=symmetric]", registerTape), o)
		},
		"call": func(b *bytes.Buffer, o Options) error {
			return Ladder(b, ladderResult(t, "call/stun[a=symmetric,b=port-restricted,registrar=received,rport=true]", callTape), o)
		},
		"odd ladder": func(b *bytes.Buffer, o Options) error {
			return Ladder(b, ladderResult(t, "call/local[a=port-restricted,b=none]", oddTape), o)
		},
	}
	for name, show := range reports {
		for _, width := range []int{60, 80, 120} {
			t.Run(fmt.Sprintf("%s %d", name, width), func(t *testing.T) {
				var b bytes.Buffer
				if err := show(&b, Options{Width: width}); err != nil {
					t.Fatal(err)
				}
				for i, line := range strings.Split(b.String(), "\n") {
					if n := utf8.RuneCountInString(line); n > width && len(strings.Fields(line)) > 1 {
						t.Errorf("line %d has %d columns:\n%s", i+1, n, line)
					}
				}
			})
		}
	}
}

// A label above an arrow at the right edge is moved to the left, not cut.
func TestLabelsAreWhole(t *testing.T) {
	for _, width := range []int{60, 80, 120} {
		var b bytes.Buffer
		if err := Ladder(&b, ladderResult(t, "call/stun[a=symmetric,b=port-restricted,registrar=received,rport=true]", callTape), Options{Width: width}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if strings.Count(line, "(INVITE") != strings.Count(line, "(INVITE)") {
				t.Errorf("%d columns: a label is cut:\n%s", width, line)
			}
		}
	}
}

func TestReadable(t *testing.T) {
	const open = "198.51.100.1:40000 is a port of the box itself, which has it not open"
	for why, want := range map[string]string{
		"answered by icmp unreachable/3 198.51.100.1:0 -> 192.0.2.2:0 about {udp 192.0.2.2:40000 -> 198.51.100.1:40000}: no-mapping: " + open: open + "; answered by ICMP port unreachable to 192.0.2.2",
		"answered by icmpv6 unreachable/4 [2001:db8::1]:0 -> [2001:db8::2]:0 about {udp [2001:db8::2]:1 -> [2001:db8::1]:2}: no-mapping: x":   "x; answered by ICMPv6 port unreachable to 2001:db8::2",
		"answered by tcp RST 198.51.100.1:80 -> 192.0.2.2:4000: no-mapping: x":                                                                "x; answered by tcp RST to 192.0.2.2:4000",
		"mapping was removed": "mapping was removed",
		"":                    "",
	} {
		if got := readable(why); got != want {
			t.Errorf("readable(%q) = %q, want %q", why, got, want)
		}
	}
}
