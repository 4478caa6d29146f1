package arrows

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// natRooms lists what each room of natmodels may import, beside the standard library.
var natRooms = map[string][]string{
	"":                 {"internal/enum"}, // the words
	"internal/enum":    {},
	"internal/table":   {""},
	"internal/judge":   {"", "internal/table"},
	"internal/setting": {"", "internal/enum", "internal/judge"},
	"internal/boxtest": {""},
	"translate":        {"", "internal/enum", "internal/table", "internal/judge", "internal/setting"},
	"conntrack":        {"", "internal/table", "internal/judge", "internal/setting"},
	"stateless":        {"", "internal/table", "internal/judge", "internal/setting"},
	"catalogue":        {"", "internal/enum", "translate", "conntrack", "stateless"},
	"sipalg":           {""},
}

// An engine knows no other engine, and all of natmodels nothing but the standard library.
func TestRoomsOfNatmodels(t *testing.T) {
	const root = module + "natmodels"
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports", root+"/...").Output()
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
		if within(p.ImportPath, root) {
			ours = append(ours, p)
		}
	}
	for _, p := range ours {
		room := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, root), "/")
		may, ok := natRooms[room]
		if !ok {
			t.Errorf("%s is in no room of natmodels", p.ImportPath)
		}
		for _, imp := range p.Imports {
			if !standard[imp] && !slices.Contains(may, strings.TrimPrefix(strings.TrimPrefix(imp, root), "/")) {
				t.Errorf("%s imports %s, which it may not", p.ImportPath, imp)
			}
		}
	}
}
