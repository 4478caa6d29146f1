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
	"natmodels":         {},
	"bubble":            {},
	"vnet":              {"natmodels", "github.com/pion/"},
	"stunclient":        {"github.com/pion/stun/"},
	"media":             {"github.com/pion/"},
	"servers/stun":      {"stunclient", "github.com/pion/stun/"},
	"servers/registrar": {"github.com/emiago/sipgo", "github.com/icholy/digest"},
	"servers/gateway":   {"media", "ua"},
	"ua":                {"media", "stunclient", "github.com/emiago/sipgo", "github.com/icholy/digest", "github.com/pion/stun/"},
	"discover":          {"stunclient", "github.com/pion/stun/"},
	"calibrate":         {"bubble", "natmodels", "vnet", "discover", "stunclient", "servers/stun"},
	"scenarios":         {"bubble", "natmodels", "vnet", "stunclient", "media", "servers/", "ua", "github.com/emiago/sipgo"},
	"report":            {"scenarios", "vnet", "natmodels", "github.com/emiago/sipgo", "github.com/pion/"},
	"cmd/natproof":      {"report", "scenarios", "calibrate", "natmodels", "discover", "stunclient", "github.com/spf13/"},
	"examples":          {"bubble", "natmodels", "vnet", "scenarios"},
}

// ginkgoOnly: suites is the only room that knows Ginkgo, and nobody knows suites.
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
