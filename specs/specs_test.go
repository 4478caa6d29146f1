package specs_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/specs"
)

// liar is the project's user agent with traits that are not its own: it says that it never
// asks for rport.
var liar = stage.Phone{Name: "liar", New: stage.UA.New, Traits: func(c cell.Cell, side cell.Side) (theory.Traits, error) {
	t, err := stage.UA.Traits(c, side)
	t.Rport = false
	return t, err
}}

var cells = []cell.Cell{
	cell.Default(flows.Register, "full-cone", cell.NoNAT),
	{}, // filled in by init
}

func init() {
	cells[1] = cell.Default(flows.Register, "symmetric", cell.NoNAT)
	cells[1].Rport = true
}

// TestMatrix passes with the project's own phone. With LIAR set, TestLiar fails, and shows why.
func TestMatrix(t *testing.T) {
	specs.Matrix(t, cells, scenarios.RunOptions{Seed: 1})
}

func TestLiar(t *testing.T) {
	if os.Getenv("LIAR") == "" {
		t.Skip("TestFailureShowsWhy runs it")
	}
	specs.Matrix(t, cells, scenarios.RunOptions{Seed: 1, Phones: stage.Phones{cell.A: liar}})
}

// What fails shows what was predicted and what was observed, the ladder, and the command that
// repeats just this cell.
func TestFailureShowsWhy(t *testing.T) {
	out := run(t, "-test.run", "^TestLiar$")
	for _, want := range []string{
		"--- FAIL: TestLiar/register/stun[a=symmetric,rport=true]",
		"register response a: predicted lost (nat-a drops 200 to REGISTER: filtered",
		"observed ok",
		"├──── STUN request",
		"--- PASS: TestLiar/register/stun[a=full-cone]",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	repeat := regexp.MustCompile(`repeat it with: go test -run '(.*)'`).FindStringSubmatch(out)
	if repeat == nil {
		t.Fatalf("no command in\n%s", out)
	}
	again := run(t, "-test.run", repeat[1])
	if !strings.Contains(again, "--- FAIL: TestLiar/register/stun[a=symmetric,rport=true]") || strings.Contains(again, "full-cone") {
		t.Errorf("%s gives\n%s", repeat[0], again)
	}
}

// run is this test binary once more, with a phone that lies.
func run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], append(args, "-test.v")...)
	cmd.Env = append(os.Environ(), "LIAR=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("%v passes:\n%s", args, out)
	}
	return string(out)
}

func TestLabels(t *testing.T) {
	call := cell.Default(flows.Call, "symmetric", "full-cone")
	call.Registrar, call.Rport = cell.RegistrarReceived, true
	predicted, err := scenarios.Predict(call, nil)
	got := specs.Labels(call, predicted, err)
	for _, want := range []string{"flow:call", "nat:symmetric", "nat:full-cone", "port-manager:stun", "expect:fails"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in %v", want, got)
		}
	}
	call.A = "full-cone"
	if predicted, err = scenarios.Predict(call, nil); !slices.Contains(specs.Labels(call, predicted, err), "expect:works") {
		t.Errorf("full cone: %v", specs.Labels(call, predicted, err))
	}
	call.A = "./some/my-nat.txt"
	if got := specs.Labels(call, predicted, nil); !slices.Contains(got, "nat:my-nat.txt") {
		t.Errorf("a file: %v", got)
	}
	if got := specs.Labels(call, predicted, theory.ErrNotCovered); !slices.Contains(got, "expect:nothing") {
		t.Errorf("without a theory: %v", got)
	}
}

// A matrix of which nothing could be played has shown nothing.
func TestNothing(t *testing.T) {
	if os.Getenv("LIAR") == "" {
		t.Skip("TestNothingPlayedIsNoPass runs it")
	}
	refuses := stage.Phone{Name: "refuses", New: stage.UA.New, Traits: func(cell.Cell, cell.Side) (theory.Traits, error) {
		return theory.Traits{}, stage.ErrNotThisPhone
	}}
	specs.Matrix(t, cells, scenarios.RunOptions{Seed: 1, Phones: stage.Phones{cell.A: refuses}})
}

func TestNothingPlayedIsNoPass(t *testing.T) {
	if out := run(t, "-test.run", "^TestNothing$"); !strings.Contains(out, "nothing was played") {
		t.Error(out)
	}
}
