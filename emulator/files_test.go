package emulator

import (
	"net/netip"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	a, b := netip.MustParseAddr("203.0.113.20"), netip.MustParseAddr("203.0.113.3")
	c := Config{Hosts: map[string]netip.Addr{"stun": a, "stun.example.com": a, "registrar": b}, DNS: []netip.Addr{b, a}, Search: "example.com"}
	files := c.files()
	const hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n203.0.113.3 registrar\n203.0.113.20 stun.example.com stun\n"
	if files["/etc/hosts"] != hosts {
		t.Errorf("%s", files["/etc/hosts"])
	}
	const resolv = "search example.com\nnameserver 203.0.113.3\nnameserver 203.0.113.20\noptions timeout:2 attempts:2\n"
	if files["/etc/resolv.conf"] != resolv {
		t.Errorf("%s", files["/etc/resolv.conf"])
	}
	if text := (Config{}).files()["/etc/resolv.conf"]; strings.Contains(text, "nameserver") {
		t.Errorf("%s", text)
	}
}
