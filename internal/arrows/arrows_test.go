// Package arrows keeps the dependency order between the rooms of the house:
// arrows point down only.
package arrows

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/natproof/natproof/"

// may lists, for each room, what it may import: rooms of this module by their
// first path element(s), and outside modules by prefix. The standard library is
// always allowed. A room that is not listed may not exist.
var may = map[string][]string{
	"natmodels":          {},
	"bubble":             {},
	"vnet":               {"natmodels", "internal/ippacket", "internal/push", "github.com/pion/", "golang.org/x/net/", "golang.org/x/sys/"},
	"internal/ippacket":  {"natmodels"},
	"internal/sipmsg":    {"internal/text", "github.com/emiago/sipgo"},
	"internal/inturn":    {"internal/roomy"},
	"internal/roomy":     {},
	"internal/torture":   {},
	"internal/yamldepth": {"github.com/goccy/go-yaml"},
	"internal/push":      {},
	"internal/readbuf":   {},
	"internal/sipstack":  {"internal/push", "internal/readbuf", "internal/roomy", "internal/sipmsg", "github.com/emiago/sipgo"},
	"stunclient":         {"internal/text", "github.com/pion/stun/"},
	"media":              {"internal/push", "internal/readbuf", "internal/text", "github.com/pion/"},
	"servers/stun":       {"internal/push", "internal/readbuf", "internal/text", "stunclient", "github.com/pion/stun/"},
	"servers/registrar":  {"internal/eventbody", "internal/sipmsg", "internal/sipstack", "internal/text", "servers/stun", "github.com/emiago/sipgo", "github.com/icholy/digest"},
	"servers/gateway":    {"internal/inturn", "media", "ua"},
	"servers/limit":      {},
	"servers/sipprobe":   {"internal/sipmsg", "internal/sipprobe"},
	"servers/serve":      {"internal/sipmsg", "internal/yamldepth", "media", "servers/", "github.com/goccy/go-yaml", "github.com/prometheus/client_golang"},
	"internal/sipprobe":  {},
	"ua":                 {"internal/eventbody", "internal/inturn", "internal/push", "internal/readbuf", "internal/sipmsg", "internal/sipstack", "internal/text", "media", "stunclient", "github.com/emiago/sipgo", "github.com/icholy/digest", "github.com/pion/stun/"},
	"ua/provision":       {"ua", "internal/sipmsg", "internal/text", "internal/yamldepth", "github.com/goccy/go-yaml"},
	"emulator":           {"internal/ippacket", "natmodels", "vnet", "golang.org/x/sys/", "github.com/vishvananda/netlink"},
	"emulator/doctor":    {"emulator", "vnet", "golang.org/x/sys/"},
	"emulator/world":     {"emulator", "media", "natmodels", "scenarios/cell", "scenarios/stage", "servers/", "ua", "vnet", "golang.org/x/net/dns/"},
	"discover":           {"internal/sipprobe", "stunclient", "github.com/pion/stun/"},
	"calibrate":          {"bubble", "natmodels", "vnet", "discover", "stunclient", "scenarios/cell", "scenarios/stage"},
	"scenarios":          {"bubble", "internal/roomy", "natmodels", "vnet"},
	"scenarios/cell":     {"natmodels"},
	"scenarios/theory":   {"natmodels", "scenarios/cell"},
	"scenarios/wire":     {"internal/sipmsg", "vnet", "natmodels", "scenarios/cell"},
	"scenarios/stage":    {"internal/eventbody", "internal/sipmsg", "vnet", "ua", "servers/", "media", "natmodels", "scenarios/cell", "scenarios/theory", "scenarios/wire"},
	"scenarios/flows":    {"scenarios/cell", "scenarios/theory", "scenarios/wire", "scenarios/stage"},
	"emulator/lab":       {"bubble", "emulator", "examples/plain", "internal/roomy", "internal/sipmsg", "internal/yamldepth", "media", "natmodels", "scenarios/cell", "scenarios/stage", "scenarios/wire", "servers/", "ua", "vnet", "github.com/goccy/go-yaml"},
	"emulator/lab/watch": {"emulator/lab", "charm.land/bubbletea/"},
	"report":             {"emulator/certify", "emulator/lab", "scenarios", "internal/sipmsg", "vnet", "natmodels", "github.com/pion/"},
	"cmd/natproof":       {"emulator", "vnet", "report", "scenarios", "calibrate", "natmodels", "discover", "servers/registrar", "servers/serve", "stunclient", "github.com/spf13/", "golang.org/x/term"},
	"specs":              {"report", "scenarios", "github.com/onsi/ginkgo/"},
	"examples/plain":     {"bubble", "media", "natmodels", "vnet", "scenarios", "github.com/emiago/sipgo"},
	"examples":           {"bubble", "natmodels", "vnet", "scenarios"},

	"internal/eventbody": {"internal/text"},

	"scenarios/neighbour": {"scenarios", "natmodels"},
	"emulator/phones":     {"emulator", "scenarios"},
	"emulator/certify":    {"bubble", "emulator", "internal/sipmsg", "media", "natmodels", "scenarios", "ua", "vnet", "github.com/pion/"},

	"servers/registrar/sqlite": {"servers/registrar", "modernc.org/sqlite"},
}

// never takes from a room's list what lies below it: theory reads behaviours, and is
// independent of the engines whose packets it predicts.
var never = map[string][]string{
	"scenarios/theory":  {"natmodels/translate", "natmodels/conntrack", "natmodels/stateless", "natmodels/catalogue"},
	"internal/ippacket": {"natmodels/translate", "natmodels/conntrack", "natmodels/stateless"},
	"scenarios/cell":    {"natmodels/translate", "natmodels/conntrack", "natmodels/stateless"}, // of the catalogue it wants the names
}

// ginkgoOnly: suites knows Ginkgo, as does specs, which gives users the same; nobody knows suites.
const ginkgoOnly = "suites"

type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

func TestArrowsPointDown(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	standard := map[string]bool{}
	var ours []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		standard[p.ImportPath] = p.Standard
		if strings.HasPrefix(p.ImportPath, module) {
			ours = append(ours, p)
		}
	}
	for _, p := range ours {
		name := strings.TrimPrefix(p.ImportPath, module)
		room, ok := roomOf(name)
		if !ok {
			if name != ginkgoOnly && !strings.HasPrefix(name, "internal/") {
				t.Errorf("%s is in no room: add it to the plan or move it", name)
			}
			continue
		}
		for _, imp := range p.Imports {
			if !standard[imp] && !allowed(room, strings.TrimPrefix(imp, module)) {
				t.Errorf("%s imports %s, which %s may not", name, imp, room)
			}
		}
	}
}

// roomOf finds the room a package lies in: the longest listed prefix.
func roomOf(name string) (string, bool) {
	best := ""
	for room := range may {
		if within(name, room) && len(room) > len(best) {
			best = room
		}
	}
	return best, best != ""
}

func allowed(room, imp string) bool {
	for _, m := range never[room] {
		if within(imp, m) {
			return false
		}
	}
	if within(imp, room) {
		return true
	}
	for _, m := range may[room] {
		if within(imp, strings.TrimSuffix(m, "/")) {
			return true
		}
	}
	return false
}

// within says whether a path is p or below it.
func within(path, p string) bool { return path == p || strings.HasPrefix(path, p+"/") }

// The borders that matter most, by name: a list that grows by mistake is noticed here.
func TestBorders(t *testing.T) {
	for _, x := range []struct {
		from, to string
		may      bool
	}{
		{"scenarios/cell", "natmodels", true},
		{"scenarios/cell", "natmodels/translate", false},
		{"scenarios/cell", "natmodels/sipalg", true},
		{"scenarios/cell", "vnet", false},
		{"scenarios/cell", "scenarios/flows", false},
		{"scenarios/theory", "natmodels", true},
		{"scenarios/theory", "scenarios/cell", true},
		{"scenarios/theory", "vnet", false},
		{"scenarios/theory", "ua", false},
		{"scenarios/theory", "scenarios/stage", false},
		{"scenarios/theory", "natmodels/translate", false},
		{"scenarios/theory", "natmodels/conntrack", false},
		{"scenarios/theory", "natmodels/catalogue", false},
		{"scenarios/wire", "scenarios/theory", false},
		{"scenarios/wire", "ua", false},
		{"scenarios/stage", "scenarios/flows", false},
		{"scenarios/flows", "vnet", false},
		{"scenarios", "scenarios/theory", true},
		{"scenarios", "ua", false},
		{"vnet", "ua", false},
		{"vnet", "scenarios/cell", false},
		{"vnet", "internal/ippacket", true},
		{"internal/ippacket", "natmodels", true},
		{"internal/ippacket", "natmodels/translate", false},
		{"internal/ippacket", "vnet", false},
		{"ua", "vnet", false},
		{"servers/registrar", "vnet", false},
		{"natmodels", "vnet", false},
		{"report", "cmd/natproof", false},
		{"scenarios", "github.com/onsi/ginkgo/v2", false},
	} {
		room, ok := roomOf(x.from)
		if !ok || room != x.from {
			t.Errorf("%s is no room of its own, but part of %q", x.from, room)
		}
		if got := allowed(room, x.to); got != x.may {
			t.Errorf("%s may import %s: %v, want %v", x.from, x.to, got, x.may)
		}
	}
}
