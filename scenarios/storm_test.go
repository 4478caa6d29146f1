package scenarios_test

import (
	"testing"
	"time"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/vnet"
)

// A thousand phones behind one NAT that restarts notice by their keepalives, and all are registered
// again a minute later; the one that is called then answers. Neither the registrar nor the network
// minds: keepalives are as far apart as the first registrations were. On a line of 1 Mbit/s with a
// queue of 64 KB it is the same.
func TestAThousandPhonesRegisterAgain(t *testing.T) {
	c := cell.Default(flows.RegisterStorm, "symmetric", cell.NoNAT)
	c.Hosts, c.Rport, c.Registrar, c.Phones = cell.HostsNative, true, cell.RegistrarReceived, "1000"
	c.KeepAlive, c.Change, c.Idle = cell.KeepAliveSTUN, cell.ChangeRestart, "2m"
	slow := vnet.LinkConfig{Latency: 10 * time.Millisecond, BitRate: 1_000_000, Queue: 64 << 10}
	for name, access := range map[string]*vnet.LinkConfig{"fast line": nil, "slow line": &slow} {
		t.Run(name, func(t *testing.T) {
			r := scenarios.Run(t.Context(), c, scenarios.RunOptions{Seed: 1, Access: access})
			if r.Status() != scenarios.Pass || !r.Observed.Works() {
				t.Errorf("%v %v\n%+v", r.Status(), r.Err, r.Surprises())
			}
		})
	}
}
