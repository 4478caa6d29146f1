package emulator

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// files are what programs see in the place of the host's files.
func (c Config) files() map[string]string {
	all := map[string]string{
		"/etc/hosts":         hostsFile(c.Hosts),
		"/etc/resolv.conf":   resolvFile(c.DNS, c.Search),
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
	}
	return all
}

// hostsFile is hosts(5): the names of an address on one line, in order.
func hostsFile(names map[string]netip.Addr) string {
	by := map[netip.Addr][]string{}
	for name, a := range names {
		by[a] = append(by[a], name)
	}
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
	for _, a := range slices.SortedFunc(maps.Keys(by), netip.Addr.Compare) {
		all := by[a]
		slices.SortFunc(all, func(x, y string) int { return cmp.Or(cmp.Compare(len(y), len(x)), cmp.Compare(x, y)) }) // the full name first
		fmt.Fprintf(&b, "%v %s\n", a, strings.Join(all, " "))
	}
	return b.String()
}

// resolvFile is resolv.conf(5). Without a server it says so: a resolver that finds none asks one on this host.
func resolvFile(servers []netip.Addr, search string) string {
	var b strings.Builder
	if search != "" {
		fmt.Fprintf(&b, "search %s\n", search)
	}
	for _, a := range servers {
		fmt.Fprintf(&b, "nameserver %v\n", a)
	}
	if len(servers) == 0 {
		b.WriteString("# the lab has no DNS server\n")
	}
	b.WriteString("options timeout:2 attempts:2\n")
	return b.String()
}
