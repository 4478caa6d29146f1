package peers_test

import (
	"fmt"
	"net/netip"
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

// internet is one with the STUN server on it.
func internet(t *testing.T) *vnet.Lab {
	t.Helper()
	lab, err := vnet.New(vnet.Config{DiscardTrace: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lab.Close() })
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
	return lab
}

// bench is a program's namespace behind a NAT, and the STUN server on the other side.
func bench(t *testing.T, nat natmodels.Model) *emulator.Namespace {
	t.Helper()
	return home(t, internet(t), nat)
}

// An independent client behind each behaviour of RFC 4787, with hairpinning and without, and behind devices, finds with
// this project's server what the model says.
func TestNATDiscovery(t *testing.T) {
	needs(t, "turnutils_natdiscovery")
	t.Parallel()
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

// masquerade is Linux masquerade between a namespace of its own and this one, in which it runs a command.
const masquerade = `
unshare -n sleep 1000 & inside=$!
until [ "$(readlink /proc/$inside/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link add in0 type veth peer name eth0 netns $inside
ip addr add 10.0.0.1/24 dev in0
ip link set in0 up
echo 1 > /proc/sys/net/ipv4/ip_forward
nft add table ip nat
nft add chain ip nat post "{ type nat hook postrouting priority 100; }"
nft add rule ip nat post oifname eth0 masquerade
in="nsenter --net=/proc/$inside/ns/net"
$in ip link set lo up
$in ip addr add 10.0.0.2/24 dev eth0
$in ip link set eth0 up
$in ip route add default via 10.0.0.1
$in "$@"
`

// Behind Linux itself, on the same internet, it says word for word what it says behind the model of it.
func TestNATDiscoveryBehindLinux(t *testing.T) {
	needs(t, "turnutils_natdiscovery", "ip", "nft", "nsenter")
	t.Parallel()
	line := []string{"turnutils_natdiscovery", "-m", "-f", "-H", "-p", "3478", cell.STUNAddr.String()}
	model, err := catalogue.Lookup("linux-masquerade")
	if err != nil {
		t.Fatal(err)
	}
	var said [2]string
	t.Run("both", func(t *testing.T) {
		for i := range said {
			t.Run([]string{"model", "kernel"}[i], func(t *testing.T) {
				t.Parallel()
				var ns *emulator.Namespace
				command, at := line, cell.PlaceOf(cell.A)
				external := at.External
				if i == 0 {
					ns = bench(t, model)
				} else {
					site, err := internet(t).Internet().AddSite("street", vnet.SiteConfig{Prefix: at.Public, Hosts: vnet.Native})
					if err != nil {
						t.Fatal(err)
					}
					external, command = at.Host, append([]string{"sh", "-ec", masquerade, "sh"}, line...)
					ns = attach(t, site, "router", external)
				}
				text, err := ns.Command(command[0], command[1:]...).CombinedOutput()
				if err != nil {
					t.Errorf("%v\n%s", err, text)
				}
				said[i] = strings.ReplaceAll(unnumbered(string(text)), external.String()+":", "external:")
			})
		}
	})
	if said[0] != said[1] {
		t.Errorf("behind the model:\n%s\nbehind Linux:\n%s", said[0], said[1])
	}
}

var (
	clockWord = regexp.MustCompile(`(?m)^\d+: `)
	portWord  = regexp.MustCompile(`(\.\d+):(\d+)`)
)

// unnumbered is a text with ephemeral ports numbered as they appear, and without the time.
func unnumbered(text string) string {
	seen := map[string]string{}
	return portWord.ReplaceAllStringFunc(clockWord.ReplaceAllString(text, ""), func(s string) string {
		addr, port, _ := strings.Cut(s, ":")
		if port == "3478" || port == "3479" {
			return s
		}
		if seen[port] == "" {
			seen[port] = fmt.Sprintf("port %d", len(seen)+1)
		}
		return addr + ":" + seen[port]
	})
}
