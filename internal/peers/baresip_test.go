package peers_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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
	needs(t, "baresip", "tshark", "dumpcap")
	t.Parallel()
	choice := cell.Choice{"flow": {"call", "called"}, "b": {"none"}, "port-manager": {"local", "stun"}, "registrar": {"received"}, "rport": {"true"}}
	if everything {
		choice["latch"], choice["registrar"] = []string{"none", "b"}, []string{"contact", "received"}
	}
	for _, c := range plan(t, choice) {
		t.Run(c.ID(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			phone := baresip(t, c, phones.Config{Path: watched(t, dir, "baresip")})
			run(t, c, scenarios.RunOptions{Phones: stage.Phones{cell.A: phone}}, func(r scenarios.Result) scenarios.Result {
				seen, traced := captured(t, dir), traced(r.Events)
				if fmt.Sprint(seen) != fmt.Sprint(traced) {
					r.Err = fmt.Errorf("RTP beside a: tshark has %v, the trace %v", seen, traced)
				}
				t.Log(seen)
				return r
			})
		})
	}
}

// traced are how many RTP packets the host a has sent and got, by who to whom.
func traced(events []vnet.Event) map[string]int {
	n := map[string]int{}
	for _, e := range events {
		if e.Box == cell.BoxA && e.Proto == natmodels.UDP && (e.Kind == vnet.Sent || e.Kind == vnet.Delivered) && len(e.Payload) == rtpSize &&
			(e.Src.Port() == cell.RTPPort || e.Dst.Port() == cell.RTPPort) {
			n[fmt.Sprintf("%v>%v", e.Src, e.Dst)]++
		}
	}
	return n
}

// rtpSize is the size of 20 ms of G.711 in RTP (RFC 3551 section 4.5.14).
const rtpSize = 172

// watched is a program that is the named one with dumpcap beside it.
func watched(t *testing.T, dir, program string) string {
	t.Helper()
	path := filepath.Join(dir, program)
	script := fmt.Sprintf(`#!/bin/sh
rm -f %[1]s/rtp.pcapng
dumpcap -q -i eth0 -f "udp port %[2]d" -w %[1]s/rtp.pcapng > %[1]s/said 2>&1 &
until [ -s %[1]s/rtp.pcapng ]; do sleep 0.02; done
exec %[3]s "$@"
`, dir, cell.RTPPort, program)
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// captured is what traced is, as tshark reads it from what dumpcap has written.
func captured(t *testing.T, dir string) map[string]int {
	t.Helper()
	c := exec.CommandContext(t.Context(), "tshark", "-n", "-r", filepath.Join(dir, "rtp.pcapng"), "-d", fmt.Sprintf("udp.port==%d,rtp", cell.RTPPort),
		"-Y", "rtp.p_type == 0", "-T", "fields", "-e", "ip.src", "-e", "udp.srcport", "-e", "ip.dst", "-e", "udp.dstport", "-e", "ip.len")
	c.Env = append(os.Environ(), "HOME="+dir)
	text, err := c.Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && strings.Contains(string(exit.Stderr), "cut short")) { // dumpcap was killed
		t.Fatalf("%v %s", err, text)
	}
	n := map[string]int{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 5 {
			t.Fatalf("%q", line)
		}
		size, err := strconv.Atoi(f[4])
		if err != nil {
			t.Fatal(err)
		}
		// What the emulator gives the kernel as one has one header and the rest of each (UDP segmentation offload).
		n[fmt.Sprintf("%s:%s>%s:%s", f[0], f[1], f[2], f[3])] += (size - ipAndUDP) / rtpSize
	}
	return n
}

const ipAndUDP = 28

// Two of them through two NATs hear each other as predicted.
func TestTwoBaresips(t *testing.T) {
	needs(t, "baresip")
	t.Parallel()
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

// Nothing of a call is this project's but the other phone and the network: baresip by way of Kamailio.
func TestBaresipByWayOfKamailio(t *testing.T) {
	needs(t, "baresip", "kamailio")
	t.Parallel()
	for _, x := range kamailios {
		for _, c := range plan(t, cell.Choice{"flow": {"called"}, "b": {"none"}, "port-manager": {"stun"}, "registrar": {x.policy}, "rport": {"true"}}) {
			t.Run(x.name+" "+c.ID(), func(t *testing.T) {
				t.Parallel()
				play(t, c, scenarios.RunOptions{Phones: stage.Phones{cell.A: baresip(t, c, phones.Config{})}, Proxy: x.proxy.Serve})
			})
		}
	}
}
