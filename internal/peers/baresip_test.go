package peers_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/natproof/natproof/emulator/phones"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/vnet"
)

// baresip is one with the settings that come nearest to those of the cell: it learns the addresses of its media by STUN,
// or none. What it is otherwise package certify has learned of it; emulator/phones says so in its tests.
func baresip(t *testing.T, c cell.Cell, cfg phones.Config) stage.Phone {
	t.Helper()
	traits := theory.Traits{SignallingTraits: theory.SignallingTraits{Rport: true}, MediaTraits: theory.MediaTraits{HearsEarly: true}}
	if c.PortManager == cell.ManagerSTUN {
		cfg.Set = map[string]string{"account": fmt.Sprintf(";medianat=stun;stunserver=stun:%v", stage.STUNServer)}
		traits.Media = theory.MediaAsked
	}
	phone, err := phones.Baresip(cfg)
	if err != nil {
		t.Fatal(err)
	}
	phone.Traits = func(cell.Cell, cell.Side) (theory.Traits, error) { return traits, nil }
	return phone
}

// baresip registers, calls and is called through the classes as predicted, and tshark beside it sees the RTP that the lab
// has in its trace.
func TestBaresip(t *testing.T) {
	needs(t, "baresip", "tshark")
	choice := cell.Choice{"flow": {"call", "called"}, "b": {"none"}, "port-manager": {"local", "stun"}, "registrar": {"received"}, "rport": {"true"}, "latch": {"b"}}
	if everything {
		choice["latch"], choice["registrar"] = []string{"none", "b"}, []string{"contact", "received"}
	}
	for _, c := range plan(t, choice) {
		t.Run(c.ID(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := play(t, c, scenarios.RunOptions{Phones: stage.Phones{cell.A: baresip(t, c, phones.Config{Path: watched(t, dir, "baresip")})}})
			text, err := os.ReadFile(filepath.Join(dir, "rtp"))
			if err != nil {
				t.Fatal(err)
			}
			seen, traced := map[pair]int{}, traced(r.Events)
			for line := range strings.Lines(string(text)) {
				f := strings.Fields(line)
				if len(f) != 4 {
					t.Fatalf("%q", line)
				}
				seen[pair{netip.MustParseAddrPort(f[0] + ":" + f[1]), netip.MustParseAddrPort(f[2] + ":" + f[3])}]++
			}
			if fmt.Sprint(seen) != fmt.Sprint(traced) {
				t.Errorf("tshark: %v\ntrace:  %v", seen, traced)
			}
			t.Log(seen)
		})
	}
}

// pair are the ends of a stream.
type pair struct{ src, dst netip.AddrPort }

// traced are the RTP packets that the host a has sent and got.
func traced(events []vnet.Event) map[pair]int {
	n := map[pair]int{}
	for _, e := range events {
		if e.Box == cell.BoxA && e.Proto == natmodels.UDP && (e.Kind == vnet.Sent || e.Kind == vnet.Delivered) &&
			(e.Src.Port() == cell.RTPPort || e.Dst.Port() == cell.RTPPort) && len(e.Payload) > 100 {
			n[pair{e.Src, e.Dst}]++
		}
	}
	return n
}

// watched is a program that is the named one with tshark beside it, which writes the RTP packets of its host to the file
// rtp.
func watched(t *testing.T, dir, program string) string {
	t.Helper()
	path := filepath.Join(dir, program)
	script := fmt.Sprintf(`#!/bin/sh
export HOME=%[1]s
tshark -Q -n -l -i eth0 -f "udp port %[2]d and greater 140" -d udp.port==%[2]d,rtp -Y "rtp.p_type == 0" -T fields -e ip.src -e udp.srcport -e ip.dst -e udp.dstport > %[1]s/rtp 2> %[1]s/said &
tries=0
until [ -e %[1]s/rtp ] && grep -q . /proc/net/packet && [ "$(wc -l < /proc/net/packet)" -gt 1 ]; do
	tries=$((tries + 1))
	[ $tries -lt 1000 ] || exit 1
	sleep 0.02
done
exec %[3]s "$@"
`, dir, cell.RTPPort, program)
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// Two of them through two NATs hear each other as predicted.
func TestTwoBaresips(t *testing.T) {
	needs(t, "baresip")
	choice := cell.Choice{"flow": {"call"}, "port-manager": {"stun"}, "registrar": {"received"}, "rport": {"true"}}
	if everything {
		choice["port-manager"] = []string{"local", "stun"}
	}
	for _, c := range plan(t, choice) {
		if !everything && c.A != "symmetric" && c.B != "port-restricted" {
			continue
		}
		t.Run(c.ID(), func(t *testing.T) {
			t.Parallel()
			one := baresip(t, c, phones.Config{})
			play(t, c, scenarios.RunOptions{Phones: stage.Phones{cell.A: one, cell.B: one}})
		})
	}
}
