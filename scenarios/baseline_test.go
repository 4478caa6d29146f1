package scenarios_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

// Three products of the matrix, each of several hundred cells, whose JSON must stay what it is
// byte for byte unless somebody means to change it. A line of testdata/baseline.txt is the
// name of a product, its number of cells, and the SHA-256 of its JSON. What came later (flows,
// devices, values, axes that are at their defaults) does not count.
var products = []struct {
	name   string
	choice cell.Choice
}{
	{"flows x rfc4787 x latch", cell.Choice{
		"flow": baseFlows, "a": {"rfc4787"}, "b": {"rfc4787"}, "latch": {"none", "a", "b", "both"}, "registrar": {"received"}, "rport": {"true"}}},
	{"devices x alg", cell.Choice{
		"flow": baseFlows, "a": baseDevices, "b": {"none", "symmetric"}, "alg": {"off", "full", "any-port", "linux", "stale-length", "double"}}},
	{"static and local managers", cell.Choice{
		"flow": baseFlows, "a": {"rfc4787"}, "b": {"rfc4787"}, "port-manager": {"static", "local"}, "registrar": {"contact", "received"}, "rport": {"true", "false"}}},
}

var (
	baseFlows   = []string{"register", "call", "pc-to-phone"}
	baseDevices = strings.Fields(`linux-masquerade linux-masquerade-open linux-before-5.0 docker mikrotik mikrotik-7
		cisco-ios cisco-asa juniper-srx-persistent juniper-srx-target-host juniper-srx-target-host-port windows-winnat
		virtualbox qemu-user passt aws-nat-gateway azure-nat-gateway vpp-nat44-ei vpp-nat44-ed einat cgn-typical
		starlink-cgnat realtek-cpe rfc4787-recommended rfc6888-cgn`)
	baseAxes = []string{"a", "b", "port-manager", "registrar", "rport", "latch", "strict", "silent", "filter-scope", "alg"}
)

// asBefore takes the axes that came later out of JSON where they have their defaults.
func asBefore(text []byte) []byte {
	for _, x := range cell.Axes {
		if !slices.Contains(baseAxes, x.Key) {
			value := strconv.Quote(x.Default)
			if x.Bool {
				value = x.Default
			}
			text = bytes.ReplaceAll(text, fmt.Appendf(nil, "      %q: %s,\n", x.JSON, value), nil)
		}
	}
	return text
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
		var text bytes.Buffer
		doc := scenarios.NewDocumentWriter(&text, 1)
		for r := range scenarios.RunAll(t.Context(), cells, scenarios.RunOptions{Seed: 1}, 0) {
			doc.Add(r)
		}
		if err := doc.Close(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s\t%d\t%x\n", p.name, len(cells), sha256.Sum256(asBefore(text.Bytes())))
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
