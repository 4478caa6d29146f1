package scenarios

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios/cell"
)

// Values to try of settings that simple ones do not serve; a second line is a setting that
// goes with it.
var tried = map[string][]string{
	"mapping":      {"adm", "apdm"},
	"filtering":    {"eif", "adf"},
	"filter-scope": {"endpoint"},
	"ports":        {"random"},
	"step":         {"1\nports sequential", "-3\nports sequential"},
	"port-range":   {"2000-3000", "5061-5200", "1024-1060"},
	"blocks":       {"10.0.0.0/24 200"},
	"refresh":      {"both", "inbound"},
	"hairpin":      {"off", "internal-source"},
	"unsolicited":  {"reject"},
	"tcp":          {"adm adf", "apdm apdf"},
	"tcp-syn":      {"hold"},
	"limit-host":   {"2", "70"},
	"limit-total":  {"2", "70"},
	"when-full":    {"evict-oldest\nlimit-host 4"},
	"under-load":   {"2 apdm random", "1000 apdm random"},
	"prefixes":     {"10.0.9.0/24=198.51.100.0/24"},
}

// simple are values to try of all others: what cannot be read as such a one is left out.
var simple = []string{"yes", "1s", "45s", "2m30s", "2h10m", "7", "5060"}

// values are what is tried of a setting.
func values(name string) []string {
	if v := tried[name]; v != nil {
		return v
	}
	return simple
}

// Whatever the settings of a NAT are: theory is right, or it refuses. Which of them it has a
// rule for nobody knows better than the engines' tables, so that a new one is tried too.
func TestTheoryIsRightOrRefusesEverySetting(t *testing.T) {
	dir, cells := t.TempDir(), []cell.Cell(nil)
	for _, base := range []string{"eim-apdf", "adm-adf", "apdm-apdf", "linux-masquerade", "docker"} {
		e, err := catalogue.Find(base)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range e.Model.Settings() {
			for i, value := range values(s.Name) {
				text := fmt.Sprintf("like %s\n%s %s\n", base, s.Name, value)
				if _, err := catalogue.Parse("tried", text); err != nil {
					continue // the engine cannot honour it there
				}
				path := filepath.Join(dir, fmt.Sprintf("%s-%s-%d.txt", base, s.Name, i))
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				cells = append(cells, around(t, path)...)
			}
		}
	}
	judged, refused := 0, map[string]bool{}
	for r := range RunAll(context.Background(), cells, RunOptions{Seed: 1}, 0) {
		switch r.Status() {
		case Pass:
			judged++
		case NotCovered:
			refused[fmt.Sprint(r.Err)] = true
		default:
			text, _ := os.ReadFile(strings.TrimSuffix(r.Cell.A, "/"))
			t.Errorf("%v: %v %v %v\n%s", r.Cell, r.Status(), r.Err, r.Surprises(), text)
		}
	}
	t.Logf("%d cells, %d as predicted; refused for %d reasons", len(cells), judged, len(refused))
	if judged < len(cells)/3 {
		t.Errorf("only %d of %d cells are judged", judged, len(cells))
	}
}

// around are cells with a NAT at a that ask for every rule of theory: addresses that are bound
// or asked for, media that is met early, silent, latching.
func around(t *testing.T, nat string) []cell.Cell {
	t.Helper()
	var all []cell.Cell
	for _, choice := range []cell.Choice{
		{"flow": {"register"}, "port-manager": {"local", "stun"}},
		{"flow": {"register"}, "registrar": {"received"}, "rport": {"true"}},
		{"flow": {"call"}, "registrar": {"received"}, "rport": {"true"}, "b": {"none", "symmetric", "docker"}, "silent": {"none", "a"}},
		{"flow": {"pc-to-phone"}, "registrar": {"received"}, "rport": {"true"}, "latch": {"b"}},
	} {
		choice["a"] = []string{nat}
		cells, err := Plan(choice)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, cells...)
	}
	return all
}
