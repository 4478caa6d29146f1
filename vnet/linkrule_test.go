package vnet_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/vnet"
)

func TestRules(t *testing.T) {
	ms := time.Millisecond
	var seen []vnet.Packet
	var drops []vnet.Event
	var r *road
	inLab(t, vnet.Config{OnEvent: func(e vnet.Event) {
		if e.Kind == vnet.Dropped {
			drops = append(drops, e)
		}
	}}, func(lab *vnet.Lab) (err error) {
		if r, err = newRoad(lab, vnet.LinkConfig{Latency: 10 * ms}, nil); err != nil {
			return err
		}
		number := func(p vnet.Packet) int { return int(binary.BigEndian.Uint64(p.Payload[8:])) }
		err = r.link.SetOutboundRules(
			func(p vnet.Packet) vnet.Verdict {
				seen = append(seen, p)
				return map[int]vnet.Verdict{
					1: vnet.Drop("third-party", "it is the second"),
					2: vnet.Delay(30 * ms),
					3: vnet.Duplicate(2),
					5: vnet.Delay(-ms),
					6: {Drop: "x", Delay: ms},
					7: vnet.Duplicate(17),
					8: {Detail: "why"},
					9: vnet.Duplicate(10),
				}[number(p)]
			},
			func(p vnet.Packet) vnet.Verdict {
				switch number(p) {
				case 1:
					t.Error("a dropped packet goes to the next rule")
				case 2:
					return vnet.Delay(5 * ms)
				case 9:
					return vnet.Duplicate(10)
				}
				return vnet.Pass
			})
		if err != nil {
			return err
		}
		for i := range 10 {
			r.send(r.a, 0, i, 100)
			time.Sleep(ms)
		}
		time.Sleep(time.Second)
		if err := r.link.SetOutboundRules(); err != nil {
			return err
		}
		r.send(r.a, 0, 1, 100)
		time.Sleep(time.Second)
		if err := r.link.SetInboundRules(nil); err == nil || err.Error() != "vnet: here.link: inbound rule 1 is nil: to take rules away set none" {
			return fmt.Errorf("%v", err)
		}
		return r.end()
	})
	if got := r.numbers(); !slices.Equal(got, []int{0, 3, 3, 3, 4, 2, 1}) {
		t.Errorf("arrived: %v", got)
	}
	for _, g := range r.got() {
		if g.n == 2 && g.took.Round(ms) != 45*ms {
			t.Errorf("delayed: %+v", g)
		}
	}
	if len(seen) != 10 || seen[0].Size != 100 || seen[0].Src.String() != "192.0.2.2:1000" || seen[0].Dst.String() != "198.51.100.2:1000" || seen[3].ID != 4 || seen[3].At.Round(ms) != 3*ms {
		t.Errorf("%d seen: %+v", len(seen), seen[0])
	}
	wants := []string{
		"third-party: it is the second",
		"bad-verdict: rule 1 of the link: delay -1ms: want 0 to 24h0m0s",
		`bad-verdict: rule 1 of the link: drop as "x", and delay or duplicate: want one or the other`,
		"bad-verdict: rule 1 of the link: duplicate 17: want 0 to 16 copies",
		`bad-verdict: rule 1 of the link: detail "why" without a reason to drop`,
		"bad-verdict: the rules of the link together: duplicate 20: want 0 to 16 copies",
	}
	if len(drops) != len(wants) {
		t.Fatal(drops)
	}
	for i, want := range wants {
		if !strings.HasSuffix(drops[i].String(), want) {
			t.Errorf("%v, want %s", drops[i], want)
		}
	}
	if n := r.lab.Stats().Dropped["third-party"]; n != 1 {
		t.Error(n)
	}
}

// A copy is of the packet as it came to the link, not as the NAT behind the link has made it.
func TestCopiesAreMadeBeforeWhatFollows(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		w, err := build(lab, "symmetric")
		if err != nil {
			return err
		}
		s, _ := w.server.ListenPacket("udp4", "203.0.113.10:5060")
		p, _ := w.phone.ListenPacket("udp4", "10.0.0.2:5060")
		if err := errors.Join(
			w.home.Link().SetOutboundRules(func(vnet.Packet) vnet.Verdict { return vnet.Duplicate(1) }),
			w.home.Link().SetOutbound(vnet.LinkConfig{Duplicate: 1}),
		); err != nil {
			return err
		}
		p.WriteTo([]byte("x"), s.LocalAddr())
		froms := map[string]int{}
		for range 4 {
			_, from, err := recv(s)
			if err != nil {
				return err
			}
			froms[from]++
		}
		if len(froms) != 1 {
			return fmt.Errorf("copies came by %v", froms)
		}
		return nil
	})
}
