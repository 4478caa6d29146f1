package peers_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/internal/peers"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

// kamailios are ways to set it up, and what the same is called here.
var kamailios = []struct {
	name   string
	proxy  peers.Kamailio
	policy string
}{
	{"plain", peers.Kamailio{}, "contact"},
	{"nathelper", peers.Kamailio{Received: true, Alias: true}, "received"},
	{"without alias", peers.Kamailio{Received: true}, "received-no-alias"},
}

// talk is how long calls by way of it are: enough for RTP to be judged.
const talk = 4 * time.Second

// Kamailio does as this project's proxy does: without nathelper as policy contact, with
// it as policy received, or received-no-alias.
func TestKamailio(t *testing.T) {
	needs(t, "kamailio")
	t.Parallel()
	calls := cell.Choice{"flow": {"call", "called"}, "b": {"none"}, "port-manager": {"local", "stun"}, "rport": {"true"}}
	if everything {
		calls["flow"], calls["b"] = []string{"call"}, []string{"classic"}
	}
	for _, x := range kamailios {
		calls["registrar"] = []string{x.policy}
		cells := append(
			plan(t, cell.Choice{"flow": {"register"}, "registrar": {x.policy}, "rport": {"false", "true"}, "port-manager": {"local"}}),
			plan(t, cell.Choice{"flow": {"pc-to-phone"}, "registrar": {x.policy}, "rport": {"true"}})...)
		cells = append(cells, plan(t, calls)...)
		for _, c := range cells {
			t.Run(x.name+" "+c.ID(), func(t *testing.T) {
				t.Parallel()
				play(t, c, scenarios.RunOptions{Proxy: x.proxy.Serve, MediaTime: talk})
			})
		}
	}
}

// With force_rport it answers phones that do not ask for RFC 3581 as if they did.
func TestKamailioForcesRport(t *testing.T) {
	needs(t, "kamailio")
	t.Parallel()
	for _, x := range kamailios {
		x.proxy.ForceRport = true
		for _, c := range plan(t, cell.Choice{"flow": {"register", "call"}, "b": {"none"}, "registrar": {x.policy}, "port-manager": {"local"}}) {
			t.Run(x.name+" "+c.ID(), func(t *testing.T) {
				t.Parallel()
				asked := c
				asked.Rport = true
				predicted, err := scenarios.Predict(asked, nil)
				if err != nil {
					t.Fatal(err)
				}
				run(t, c, scenarios.RunOptions{Proxy: x.proxy.Serve, MediaTime: talk}, func(r scenarios.Result) scenarios.Result {
					as := scenarios.Judge(c, r.Seed, predicted, r.Observed)
					as.Events, as.Boxes = r.Events, r.Boxes
					return as
				})
			})
		}
	}
}

// A cell whose proxy is behind a NAT, or has two addresses, has no seat for another.
func TestNoSeatForAProxy(t *testing.T) {
	for _, id := range []string{"register/local[a=none,topology=proxy-nat]", "register/local[a=none,registrar=another-source]"} {
		c, err := scenarios.ParseID(id)
		if err != nil {
			t.Fatal(err)
		}
		if r := scenarios.Run(t.Context(), c, scenarios.RunOptions{Proxy: peers.Kamailio{}.Serve}); !errors.Is(r.Err, stage.ErrNotThisProxy) {
			t.Errorf("%s: %v", id, r.Err)
		}
	}
}

// A configuration that it does not take is told of, with what it has said.
func TestKamailioThatDoesNotStart(t *testing.T) {
	needs(t, "kamailio")
	t.Parallel()
	c, err := scenarios.ParseID("register/local[a=none]")
	if err != nil {
		t.Fatal(err)
	}
	r := scenarios.Run(t.Context(), c, scenarios.RunOptions{Proxy: peers.Kamailio{Modules: t.TempDir()}.Serve})
	if r.Err == nil || !strings.Contains(r.Err.Error(), "bad config file") {
		t.Error(r.Err)
	}
}
