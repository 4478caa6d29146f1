package wire

import (
	"slices"
	"testing"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/vnet"
)

// ways is a trace of four packets: one through nat-a to b, its answer, which nat-a drops, one
// that is still on its way, and one that the proxy gets; and of a change that is of no packet.
func ways() []vnet.Event {
	var s script
	s.packet = 7
	s.event(vnet.Event{Kind: vnet.Sent, Box: "a", Src: addrA, Dst: addrB})
	s.event(vnet.Event{Kind: vnet.Translated, Box: "nat-a", FromSrc: addrA, FromDst: addrB, Src: outA, Dst: addrB})
	s.packet = 8
	s.event(vnet.Event{Kind: vnet.Sent, Box: "b", Src: addrB, Dst: outA})
	s.packet = 7
	s.event(vnet.Event{Kind: vnet.Rewritten, Box: "nat-a", Src: outA, Dst: addrB, Detail: "Via, Contact"})
	s.event(vnet.Event{Kind: vnet.Delivered, Box: "b", Src: outA, Dst: addrB})
	s.packet = 0
	s.event(vnet.Event{Kind: vnet.Changed, Box: "nat-a", Detail: "all mappings flushed"})
	s.packet = 8
	s.event(vnet.Event{Kind: vnet.Dropped, Box: "nat-a", Src: addrB, Dst: outA, Reason: "filtered", Detail: "filtered: mapping admits only 203.0.113.20:3478"})
	s.packet = 9
	s.event(vnet.Event{Kind: vnet.Sent, Box: "b", Src: addrB, Dst: outA})
	s.packet = 10
	s.event(vnet.Event{Kind: vnet.Sent, Box: "b", Src: addrB, Dst: addrP})
	s.event(vnet.Event{Kind: vnet.Dropped, Box: "proxy", Src: addrB, Dst: addrP, Reason: vnet.NoSocket})
	return s.events
}

func TestFollow(t *testing.T) {
	for packet, x := range map[uint64]struct {
		hops    int
		ended   bool
		arrived bool
		text    string
	}{
		7: {4, true, true, "sent by a 10.0.0.2:5060 -> 192.0.2.2:5060; nat-a made it 198.51.100.1:41000 -> 192.0.2.2:5060; " +
			"rewritten by nat-a Via, Contact; delivered to b"},
		8:  {2, true, false, "sent by b 192.0.2.2:5060 -> 198.51.100.1:41000; dropped by nat-a: filtered: mapping admits only 203.0.113.20:3478"},
		9:  {1, false, false, "sent by b 192.0.2.2:5060 -> 198.51.100.1:41000; still on its way"},
		10: {2, true, false, "sent by b 192.0.2.2:5060 -> 203.0.113.10:5060; dropped by proxy: no-socket"},
		11: {0, false, false, "no such packet"},
		0:  {0, false, false, "no such packet"}, // events that are of no packet have no way
	} {
		w := Follow(ways(), packet)
		_, ended := w.End()
		if len(w.Hops) != x.hops || ended != x.ended || w.Arrived() != x.arrived || w.Packet != packet {
			t.Errorf("packet %d: %d hops, ended %v, arrived %v, want %+v", packet, len(w.Hops), ended, w.Arrived(), x)
		}
		if w.String() != x.text {
			t.Errorf("packet %d:\ngot  %s\nwant %s", packet, w, x.text)
		}
	}
}

// A five-tuple is found wherever a packet showed it.
func TestFollowTuple(t *testing.T) {
	for _, x := range []struct {
		name  string
		tuple Tuple
		want  []uint64
	}{
		{"inside", Tuple{natmodels.UDP, addrA, addrB}, []uint64{7}},
		{"outside", Tuple{natmodels.UDP, outA, addrB}, []uint64{7}},
		{"any protocol", Tuple{0, outA, addrB}, []uint64{7}},
		{"another protocol", Tuple{natmodels.TCP, outA, addrB}, nil},
		{"the other direction, in the order of sending", Tuple{natmodels.UDP, addrB, outA}, []uint64{8, 9}},
		{"nobody's", Tuple{natmodels.UDP, addrA, addrP}, nil},
		{"that of no packet", Tuple{}, nil},
	} {
		var got []uint64
		for _, w := range FollowTuple(ways(), x.tuple) {
			got = append(got, w.Packet)
			if len(w.Hops) != len(Follow(ways(), w.Packet).Hops) {
				t.Errorf("%s: %d hops of packet %d", x.name, len(w.Hops), w.Packet)
			}
		}
		if !slices.Equal(got, x.want) {
			t.Errorf("%s: %v, want %v", x.name, got, x.want)
		}
	}
}
