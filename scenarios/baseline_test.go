package scenarios_test

import (
	"bufio"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

// Three products of the matrix, each of several hundred cells, whose JSON must stay what it is
// byte for byte unless somebody means to change it. A line of testdata/baseline.txt is the
// name of a product, its number of cells, and the SHA-256 of its JSON.
var products = []struct {
	name   string
	choice cell.Choice
}{
	{"flows x rfc4787 x latch", cell.Choice{
		"a": {"rfc4787"}, "b": {"rfc4787"}, "latch": {"none", "a", "b", "both"}, "registrar": {"received"}, "rport": {"true"}}},
	{"devices x alg", cell.Choice{
		"a": {"devices"}, "b": {"none", "symmetric"}, "alg": {"off", "full", "any-port", "linux", "stale-length", "double"}}},
	{"static and local managers", cell.Choice{
		"a": {"rfc4787"}, "b": {"rfc4787"}, "port-manager": {"static", "local"}, "registrar": {"contact", "received"}, "rport": {"true", "false"}}},
}

var baseline = flag.Bool("baseline", false, "write testdata/baseline.txt anew")

func TestBaseline(t *testing.T) {
	if testing.Short() {
		t.Skip("plays two thousand cells")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // as the command does
	file := filepath.Join("testdata", "baseline.txt")
	var got strings.Builder
	for _, p := range products {
		cells, err := scenarios.Plan(p.choice)
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.New()
		w := bufio.NewWriter(hash)
		if err := scenarios.NewDocument(1, scenarios.RunAll(t.Context(), cells, scenarios.RunOptions{Seed: 1}, 0, nil)).Encode(w); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		fmt.Fprintf(&got, "%s\t%d\t%x\n", p.name, len(cells), hash.Sum(nil))
	}
	if *baseline {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%swant\n%s(build the commit before beside this one and compare 'natproof matrix --json'; -baseline accepts)", got.String(), want)
	}
}
