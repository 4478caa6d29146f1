package peers_test

import (
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/vnet"
)

// dependences are the words of turnutils_natdiscovery for behaviours.
var dependences = map[natmodels.Dependence]string{
	natmodels.EndpointIndependent:     "Endpoint Independent",
	natmodels.AddressDependent:        "Address Dependent",
	natmodels.AddressAndPortDependent: "Address and Port Dependent",
}

var (
	verdictLine = regexp.MustCompile(`(?m)^NAT with (.+) (Mapping|Filtering)!$`)
	hairpinLine = "Received a request (maybe a successful hairpinning)"
)

// found is what turnutils_natdiscovery finds out.
type found struct {
	mapping, filtering string
	hairpinning        bool
}

func read(text string) (f found) {
	for _, m := range verdictLine.FindAllStringSubmatch(text, -1) {
		if m[2] == "Mapping" {
			f.mapping += m[1]
		} else {
			f.filtering += m[1]
		}
	}
	f.hairpinning = strings.Contains(text, hairpinLine)
	return f
}

// foundBehind is what it must find with this project's server.
func foundBehind(b natmodels.Behavior) found {
	f := found{dependences[b.Mapping], dependences[b.Filtering], false}
	// It asks itself from another socket, which the first has not sent to: filtering has a say.
	f.hairpinning = b.Hairpin != natmodels.NoHairpinning && b.Filtering == natmodels.EndpointIndependent
	if b.Mapping == natmodels.AddressDependent {
		f.mapping = dependences[natmodels.AddressAndPortDependent] // see docs/limitations.md
	}
	return f
}

// home is a program's namespace behind a NAT.
func home(t *testing.T, lab *vnet.Lab, nat natmodels.Model) *emulator.Namespace {
	t.Helper()
	at := cell.PlaceOf(cell.A)
	gw, err := lab.Internet().AddGateway(cell.NATBox(cell.A), vnet.GatewayConfig{NAT: nat, Place: natmodels.Place{External: []netip.Addr{at.External}, Seed: 1}})
	if err != nil {
		t.Fatal(err)
	}
	site, err := gw.Inside().AddSite("home", vnet.SiteConfig{Prefix: at.Private, Hosts: vnet.Native})
	if err != nil {
		t.Fatal(err)
	}
	return attach(t, site, cell.BoxA, at.Inside)
}

func attach(t *testing.T, site *vnet.Site, name string, addrs ...netip.Addr) *emulator.Namespace {
	t.Helper()
	ns, err := emulator.Attach(site, name, emulator.Config{Addrs: addrs})
	mayNot(t, err)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ns.Close(); err != nil {
			t.Error(err)
		}
	})
	return ns
}

// bench is a program's namespace behind a NAT, and the STUN server on the other side.
func bench(t *testing.T, nat natmodels.Model) *emulator.Namespace {
	t.Helper()
	lab, err := vnet.New(vnet.Config{DiscardTrace: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lab.Close() })
	ns := home(t, lab, nat)
	servers, err := lab.Internet().AddSite("servers", vnet.SiteConfig{Prefix: cell.ServerNet, Hosts: vnet.Native})
	if err != nil {
		t.Fatal(err)
	}
	host, err := servers.AddHost(cell.BoxSTUN, cell.STUNAddr, cell.STUNAltAddr)
	if err != nil {
		t.Fatal(err)
	}
	stop, err := (&stage.World{STUN: host}).ServeSTUN()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return ns
}

// An independent client behind each behaviour of RFC 4787, with hairpinning and without, and behind devices, finds with
// this project's server what the model says.
func TestNATDiscovery(t *testing.T) {
	needs(t, "turnutils_natdiscovery")
	models := map[string]natmodels.Model{}
	for _, name := range append(cell.RFC4787()[1:], "linux-masquerade", "cisco-asa", "aws-nat-gateway") {
		model, err := catalogue.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		models[name] = model
		if model.Behavior().Hairpin != natmodels.NoHairpinning {
			if models[name+" without hairpinning"], err = catalogue.Vary(model, "hairpin off"); err != nil {
				t.Log(name, err)
				delete(models, name+" without hairpinning")
			}
		}
	}
	for name, model := range models {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := bench(t, model)
			text, err := ns.Command("turnutils_natdiscovery", "-m", "-f", "-H", "-p", "3478", cell.STUNAddr.String()).CombinedOutput()
			if got, want := read(string(text)), foundBehind(model.Behavior()); err != nil || got != want {
				t.Errorf("%v, %+v, %v, hairpin %v, want %+v\n%s", err, got, model.Behavior().Code(), model.Behavior().Hairpin, want, text)
			}
		})
	}
}

var _ = exec.Command
var _ = strings.Fields
