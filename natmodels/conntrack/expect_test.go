package conntrack_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/conntrack"
)

var (
	expectBox    = netip.MustParseAddr("198.51.100.1")
	expectPhone  = netip.MustParseAddrPort("10.0.0.2:4000")
	expectServer = netip.MustParseAddrPort("203.0.113.20:6000")
	expectStart  = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
)

// expecting is a Linux router whose SIP flow, of the mapping that master is the ID of,
// has announced things.
type expecting struct {
	*conntrack.Tracker
	t      *testing.T
	master uint64
	now    time.Time
}

func newExpecting(t *testing.T) *expecting {
	t.Helper()
	nat, err := conntrack.New(conntrack.Config{SIPHelper: true}, natmodels.Place{External: []netip.Addr{expectBox}})
	if err != nil {
		t.Fatal(err)
	}
	e := &expecting{Tracker: nat, t: t, now: expectStart}
	e.master = e.out("10.0.0.2:5060", "203.0.113.20:5060").Mapping.ID
	return e
}

func (e *expecting) out(src, dst string) natmodels.Verdict {
	return e.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst)}, e.now)
}

func (e *expecting) in(src, dst string) natmodels.Verdict {
	return e.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst)}, e.now)
}

// media is the expectation of one flow from the server.
func (e *expecting) media() natmodels.Expectation {
	return natmodels.Expectation{Protocol: natmodels.UDP, Remote: expectServer.Addr(), Internal: expectPhone, Tracked: natmodels.TrackedExpectation{Master: e.master}}
}

func (e *expecting) expect(x natmodels.Expectation) netip.AddrPort {
	e.t.Helper()
	external, reason := e.Expect(x, e.now)
	if reason != natmodels.NotDropped {
		e.t.Fatalf("not expected: %v", reason)
	}
	return external
}

func (e *expecting) admits(src, dst, want string) {
	e.t.Helper()
	v := e.in(src, dst)
	if v.Action != natmodels.Forward || v.Packet.Dst != netip.MustParseAddrPort(want) {
		e.t.Errorf("%s to %s: %v, want it forwarded to %s", src, dst, e.Explain(v), want)
	}
}

func (e *expecting) refuses(src, dst string) {
	e.t.Helper()
	if v := e.in(src, dst); v.Action != natmodels.Drop {
		e.t.Errorf("%s to %s: %v, want it dropped", src, dst, e.Explain(v))
	}
}

func TestExpectedIsLetInOnce(t *testing.T) {
	e := newExpecting(t)
	if external := e.expect(e.media()); external != netip.AddrPortFrom(expectBox, 4000) {
		t.Errorf("announced %v", external)
	}
	e.refuses("203.0.113.21:6000", "198.51.100.1:4000")
	e.refuses("203.0.113.20:6000", "198.51.100.1:4001")
	e.admits("203.0.113.20:7000", "198.51.100.1:4000", "10.0.0.2:4000")
	e.refuses("203.0.113.20:7001", "198.51.100.1:4000")
	e.admits("203.0.113.20:7000", "198.51.100.1:4000", "10.0.0.2:4000")
	if v := e.out("10.0.0.2:4000", "203.0.113.20:7000"); v.Packet.Src.Port() != 4000 || v.Created {
		t.Errorf("the answer: %v", v.Packet)
	}
}

func TestExpectationsWait(t *testing.T) {
	e := newExpecting(t)
	e.expect(e.media())
	e.now = expectStart.Add(natmodels.DefaultExpectationLifetime - 1)
	if _, ok := e.Expected(natmodels.UDP, expectServer.Addr(), netip.AddrPortFrom(expectBox, 4000), e.now); !ok {
		t.Error("gone a nanosecond before its time")
	}
	e.now = expectStart.Add(natmodels.DefaultExpectationLifetime)
	e.refuses("203.0.113.20:6000", "198.51.100.1:4000")
}

func TestExpectationFromAnybodyForGood(t *testing.T) {
	e := newExpecting(t)
	x := e.media()
	x.Remote, x.Tracked.Permanent = netip.Addr{}, true
	e.expect(x)
	e.admits("203.0.113.20:6000", "198.51.100.1:4000", "10.0.0.2:4000")
	e.admits("203.0.113.21:6000", "198.51.100.1:4000", "10.0.0.2:4000")
}

func TestExpectationThatIsRenewed(t *testing.T) {
	e := newExpecting(t)
	x := e.media()
	x.Tracked.Inactive = true
	external := e.expect(x)
	e.refuses("203.0.113.20:6000", "198.51.100.1:4000")
	if !e.RenewExpectation(e.master, 0, external, time.Minute, e.now) {
		t.Fatal("there is none")
	}
	e.now = e.now.Add(time.Minute - 1)
	e.admits("203.0.113.20:6000", "198.51.100.1:4000", "10.0.0.2:4000")
	if e.RenewExpectation(e.master, 0, external, time.Minute, e.now) {
		t.Error("it was used up")
	}
}

func TestExpectationOfAPair(t *testing.T) {
	e := newExpecting(t)
	x := e.media()
	x.Tracked.Pair = true
	e.expect(x)
	e.admits("203.0.113.20:6001", "198.51.100.1:4001", "10.0.0.2:4001")
	e.admits("203.0.113.20:6000", "198.51.100.1:4000", "10.0.0.2:4000")
}

func TestExpectationsOfAClassAreLimited(t *testing.T) {
	e := newExpecting(t)
	x := e.media()
	x.Tracked.Pair, x.Tracked.Limit = true, 2
	e.expect(x)
	x.Internal = netip.MustParseAddrPort("10.0.0.2:4002")
	e.expect(x)
	e.refuses("203.0.113.20:6000", "198.51.100.1:4000")
	e.admits("203.0.113.20:6002", "198.51.100.1:4002", "10.0.0.2:4002")
	e.Unexpect(e.master, x.Tracked.Class, e.now)
	e.refuses("203.0.113.20:6003", "198.51.100.1:4003")
}

// TestExpectationsClash pins that media of another master is refused, and that
// signalling gets another port.
func TestExpectationsClash(t *testing.T) {
	e := newExpecting(t)
	e.expect(e.media())
	e.expect(e.media()) // the same once more takes its place
	other := e.media()
	other.Internal = netip.MustParseAddrPort("10.0.0.3:4000")
	other.Tracked.Master = e.out("10.0.0.3:5060", "203.0.113.20:5060").Mapping.ID
	if _, reason := e.Expect(other, e.now); reason != natmodels.PortConflict {
		t.Errorf("expected by two: %v", reason)
	}
	other.Tracked.Signalling = true
	if external := e.expect(other); external.Port() <= 4000 {
		t.Errorf("signalling is announced at %v", external)
	}
	other.Tracked.Signalling, other.Remote = false, netip.MustParseAddr("203.0.113.21")
	if external := e.expect(other); external.Port() != 4000 {
		t.Errorf("from another server, announced at %v", external)
	}
	e.admits("203.0.113.21:6000", "198.51.100.1:4000", "10.0.0.3:4000")
	e.admits("203.0.113.20:6000", "198.51.100.1:4000", "10.0.0.2:4000")
}

func TestExpectationsEndWithTheirMaster(t *testing.T) {
	e := newExpecting(t)
	e.expect(e.media())
	e.now = e.now.Add(time.Hour - time.Minute)
	e.expect(e.media())
	e.now = e.now.Add(time.Minute)
	e.refuses("203.0.113.20:6000", "198.51.100.1:4000")
}

func TestExpectationsGoWithFlushAndRenumber(t *testing.T) {
	e := newExpecting(t)
	x := e.media()
	x.Tracked.Master = 0
	e.expect(x)
	e.Flush()
	e.refuses("203.0.113.20:6000", "198.51.100.1:4000")
	e.expect(x)
	if err := e.Renumber([]netip.Addr{netip.MustParseAddr("198.51.100.2")}); err != nil {
		t.Fatal(err)
	}
	if _, ok := e.Expected(natmodels.UDP, expectServer.Addr(), netip.AddrPortFrom(expectBox, 4000), e.now); ok {
		t.Error("still expected at the old address")
	}
}

func TestMediaLeavesFromWhatWasAnnounced(t *testing.T) {
	e := newExpecting(t)
	e.out("10.0.0.3:4000", "203.0.113.21:6000")
	e.out("10.0.0.2:4000", "203.0.113.21:6000") // from another port, which it keeps towards others
	e.expect(e.media())
	answer := natmodels.Expectation{Protocol: natmodels.UDP, Remote: expectPhone.Addr(), Internal: expectServer, Tracked: natmodels.TrackedExpectation{Outward: true, Master: e.master}}
	if external := e.expect(answer); external != expectServer {
		t.Errorf("announced %v", external)
	}
	if v := e.out("10.0.0.2:4000", "203.0.113.20:6001"); v.Packet.Src.Port() == 4000 {
		t.Errorf("other media leaves from %v", v.Packet.Src)
	}
	if v := e.out("10.0.0.2:4000", "203.0.113.20:6000"); v.Packet.Src.Port() != 4000 {
		t.Errorf("expected media leaves from %v", v.Packet.Src)
	}
}

func TestExpectationsInASnapshot(t *testing.T) {
	e := newExpecting(t)
	e.expect(e.media())
	saved := e.Snapshot()
	e.admits("203.0.113.20:6000", "198.51.100.1:4000", "10.0.0.2:4000")
	e.Tracker = saved.Restore().(*conntrack.Tracker)
	e.Unexpect(e.master, 0, e.now)
	e.refuses("203.0.113.20:7000", "198.51.100.1:4000")
	e.Tracker = saved.Restore().(*conntrack.Tracker)
	e.admits("203.0.113.20:7000", "198.51.100.1:4000", "10.0.0.2:4000")
}

func TestRetractTakesTheLastMappingBack(t *testing.T) {
	e := newExpecting(t)
	v := e.out("10.0.0.4:5060", "203.0.113.20:5062")
	e.Retract(e.master, e.now)
	if e.Stats(e.now).Live != 2 {
		t.Error("a mapping that is not the last one was taken back")
	}
	e.Retract(v.Mapping.ID, e.now)
	if e.Stats(e.now).Live != 1 {
		t.Error("not taken back")
	}
}

func TestExpectNeedsAnEndpoint(t *testing.T) {
	e := newExpecting(t)
	if _, reason := e.Expect(natmodels.Expectation{Protocol: natmodels.UDP}, e.now); reason != natmodels.BadPacket {
		t.Error(reason)
	}
}

func TestExpectationThroughAFirewall(t *testing.T) {
	nat, err := conntrack.NewFirewall(conntrack.Firewall{Filtering: natmodels.AddressAndPortDependent}, natmodels.Place{})
	if err != nil {
		t.Fatal(err)
	}
	e := &expecting{Tracker: nat, t: t, now: expectStart}
	if external := e.expect(e.media()); external != expectPhone {
		t.Errorf("announced %v", external)
	}
	e.admits("203.0.113.20:7000", "10.0.0.2:4000", "10.0.0.2:4000")
	e.refuses("203.0.113.20:7001", "10.0.0.2:4000")
}
