package sipalg

import (
	"net/netip"
	"strconv"
	"strings"
)

// endpoints rewrites each IPv4 address, with its port, that stands as a host in a
// line: behind a blank, "@" or ":" as in "SIP/2.0/UDP 10.0.0.2:5060" and
// "sip:alice@10.0.0.2". Parameters such as received= are not hosts. Without a port it
// stands for port 5060.
func endpoints(line string, f func(netip.AddrPort) (netip.AddrPort, bool)) string {
	var out strings.Builder
	done := 0
	for i := 1; i < len(line); i++ {
		if !isDigit(line[i]) || !strings.ContainsRune(" \t@:", rune(line[i-1])) {
			continue
		}
		end := i
		for end < len(line) && (isDigit(line[end]) || line[end] == '.') {
			end++
		}
		a, err := netip.ParseAddr(line[i:end])
		if err != nil {
			i = end - 1
			continue
		}
		port, stop := portAt(line, end)
		e := netip.AddrPortFrom(a, port)
		if port == 0 {
			e = netip.AddrPortFrom(a, sipPort)
		}
		if to, ok := f(e); ok {
			out.WriteString(line[done:i])
			out.WriteString(to.Addr().String())
			if port != 0 || to.Port() != sipPort {
				out.WriteString(":" + strconv.Itoa(int(to.Port())))
			}
			done = stop
		}
		i = stop - 1
	}
	return out.String() + line[done:]
}

// portAt reads ":5060" behind an address, and returns 0 if there is none.
func portAt(line string, at int) (port uint16, end int) {
	if at >= len(line) || line[at] != ':' {
		return 0, at
	}
	end = at + 1
	for end < len(line) && isDigit(line[end]) {
		end++
	}
	n, err := strconv.ParseUint(line[at+1:end], 10, 16)
	if err != nil {
		return 0, at
	}
	return uint16(n), end
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }
