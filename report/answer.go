package report

import (
	"cmp"
	"net/netip"
	"regexp"

	"github.com/natproof/natproof/scenarios/cell"
)

// answered is how an engine tells that it answered a packet: by what, from whom, to whom,
// about which packet, and why.
var answered = regexp.MustCompile(`^answered by (.+?) (\S+) -> (\S+?)(?: about \{.*\})?: (?:[a-z0-9-]+: )?(.*)$`)

// answers are the ICMP messages by the names that RFC 792 and RFC 4443 section 3.1 have for them.
var answers = map[string]string{
	"icmp unreachable/0":   "ICMP net unreachable",
	"icmp unreachable/1":   "ICMP host unreachable",
	"icmp unreachable/2":   "ICMP protocol unreachable",
	"icmp unreachable/3":   "ICMP port unreachable",
	"icmp unreachable/4":   "ICMP fragmentation needed",
	"icmpv6 unreachable/0": "ICMPv6 no route to destination",
	"icmpv6 unreachable/1": "ICMPv6 administratively prohibited",
	"icmpv6 unreachable/3": "ICMPv6 address unreachable",
	"icmpv6 unreachable/4": "ICMPv6 port unreachable",
}

// readable is an explanation as a reader wants it: why first, then the answer, without the
// packets that stand beside it anyway.
func readable(why string) string {
	m := answered.FindStringSubmatch(why)
	if m == nil {
		return why
	}
	to := m[3]
	if a, err := netip.ParseAddrPort(to); err == nil && a.Port() == 0 { // ICMP has no ports
		to = a.Addr().String()
	}
	return m[4] + "; answered by " + cmp.Or(answers[m[1]], m[1]) + " to " + to
}

// causeText is the cause in one sentence.
func causeText(c cell.Cause) string {
	c.Why = readable(c.Why)
	return c.String()
}
