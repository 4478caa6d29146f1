package peers_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/natproof/natproof/emulator/world"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/vnet"
)

// heard counts RTP that has come to a box.
type heard struct {
	mu    sync.Mutex
	voice []byte // of SIPp
	// The keys are names of boxes.
	all, voices map[string]int
}

func (h *heard) add(e vnet.Event) {
	if e.Kind != vnet.Delivered || e.Proto != natmodels.UDP || len(e.Payload) != rtpSize || e.Payload[0] != 0x80 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all[e.Box]++
	if bytes.Equal(e.Payload[rtpSize-len(h.voice):], h.voice) {
		h.voices[e.Box]++
	}
}

// SIPp behind each class registers and calls with digest authentication, the gateway and then the phone that sends back
// what it hears. It announces the address of its socket: the gateway, which believes that, is heard without a NAT only;
// the other, which sends to where media comes from, behind each.
func TestSIPp(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	for _, name := range cell.Classic() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &heard{voice: bytes.Repeat([]byte{0x5a}, rtpSize-12), all: map[string]int{}, voices: map[string]int{}}
			nat, err := catalogue.Lookup(name)
			if err != nil {
				t.Fatal(err)
			}
			w, err := world.New(world.Config{NAT: nat, Policy: registrar.PolicyReceived, Password: "secret", Seed: 1, OnEvent: h.add})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			credentials := "[authentication username=" + world.DefaultUser + " password=secret]"
			sipp(t, w, h, "../sipp/testdata/register.xml", "", world.DefaultUser, credentials)
			for _, target := range []struct {
				user, box string
				back      bool
			}{
				{cell.PhoneNumber, cell.BoxGateway, name == cell.NoNAT},
				{world.Echo, world.Echo, true},
			} {
				h.mu.Lock()
				clear(h.all)
				clear(h.voices)
				h.mu.Unlock()
				sipp(t, w, h, "testdata/call.xml", target.user+"@", world.DefaultUser, target.user, credentials)
				h.mu.Lock()
				there, back, voice := h.voices[target.box], h.all[world.Program], h.voices[world.Program]
				h.mu.Unlock()
				t.Logf("%s: %d there, %d back, %d of its own voice", target.user, there, back, voice)
				if there < 100 || (back > 100) != target.back || (voice > 50) != (target.user == world.Echo) || back > 0 && !target.back {
					t.Errorf("%s: %d there, %d back, %d of its own voice", target.user, there, back, voice)
				}
			}
		})
	}
}

// sipp plays a scenario with one row of fields, which must succeed. The user of the Request-URI is that of the digest.
func sipp(t *testing.T, w *world.World, h *heard, scenario, user string, fields ...string) {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(scenario)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	audio := file("audio", bytes.Repeat(h.voice, 50))
	at := w.Program.Addr().String()
	c := w.Program.Command("sipp", "-sf", file("scenario.xml", []byte(strings.ReplaceAll(string(text), "AUDIO", audio))),
		"-inf", file("rows.csv", []byte("SEQUENTIAL\n"+strings.Join(fields, ";")+"\n")), "-auth_uri", user+cell.Domain, "-cid_str", user+"%u@%s", "-i", at, "-mi", at, "-p", "5060", "-mp", fmt.Sprint(cell.RTPPort), "-m", "1", "-nostdin", "-timeout", "60",
		fmt.Sprintf("%v:%d", cell.ProxyAddr, cell.ProxyPort))
	c.Dir = dir
	c.Env = append(os.Environ(), "TERM=dumb")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
