package report_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/vnet"
)

func TestDrops(t *testing.T) {
	var d report.Drops
	var b strings.Builder
	if err := d.Write(&b, report.Options{}); err != nil || b.String() != "nothing was dropped\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	from, to := netip.MustParseAddrPort("203.0.113.66:9"), netip.MustParseAddrPort("198.51.100.1:5060")
	event := func(seq uint64, kind vnet.EventKind, box string, why vnet.Reason) vnet.Event {
		return vnet.Event{Seq: seq, At: time.Duration(seq) * time.Second, Kind: kind, Box: box, Proto: natmodels.UDP, Src: from, Dst: to, Reason: why, Detail: "for a reason"}
	}
	d.Add(event(1, vnet.Sent, "phone", ""))
	d.Add(event(2, vnet.Dropped, "nat", "filtered"))
	d.Add(event(3, vnet.Dropped, "site.link", vnet.LinkLoss))
	d.Add(event(4, vnet.Dropped, "nat", "filtered"))
	d.Add(event(5, vnet.Dropped, "nat", vnet.HostDown))
	b.Reset()
	if err := d.Write(&b, report.Options{}); err != nil {
		t.Fatal(err)
	}
	const want = `dropped:
  nat  UDP filtered 2 times, first 203.0.113.66:9 -> 198.51.100.1:5060 at 2.000: for a reason
  site.link  UDP link-loss once, 203.0.113.66:9 -> 198.51.100.1:5060 at 3.000: for a reason
`
	if b.String() != want || d.Len() != 3 {
		t.Errorf("%d drops\n%s", d.Len(), b.String())
	}
}

func TestMappings(t *testing.T) {
	all := make([]natmodels.MappingInfo, 22)
	for i := range all {
		all[i] = natmodels.MappingInfo{
			ID: uint64(i + 1), Protocol: natmodels.UDP,
			Internal: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), uint16(i)), External: netip.MustParseAddrPort("198.51.100.1:5060"),
		}
	}
	for n, want := range map[int]string{0: "nat has no mappings\n", 1: "mappings of nat:\n  UDP 10.0.0.2:0 <-> 198.51.100.1:5060\n", 22: "  and 2 more\n"} {
		var b strings.Builder
		if err := report.Mappings(&b, "nat", all[:n], report.Options{}); err != nil || !strings.HasSuffix(b.String(), want) {
			t.Errorf("%q, %v", b.String(), err)
		}
	}
}
