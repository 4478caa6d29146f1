package peers_test

import (
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

func TestMain(m *testing.M) {
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin") // where the commands are, though not on everybody's path
	os.Exit(emulator.Main(checked{m}))
}

// checked are the tests, and a look at what they leave running.
type checked struct{ *testing.M }

func (c checked) Run() int {
	code := c.M.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	return code
}

var (
	// required: they are played at all, and what is missing is a failure.
	required = os.Getenv("NATPROOF_REQUIRE_PEERS") != ""
	// everything: whole products of cells instead of a chosen set.
	everything = os.Getenv("NATPROOF_ALL_PEERS") != ""
)

// needs fails without a program; internal/setup/peers.sh installs them.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	if !required {
		t.Skip("minutes on the real clock: make real-peers")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatal(err)
		}
	}
}

// plan are cells.
func plan(t *testing.T, choice cell.Choice) []cell.Cell {
	t.Helper()
	cells, err := scenarios.Plan(choice)
	if err != nil {
		t.Fatal(err)
	}
	return cells
}

// run plays a cell until it is as somebody expects, and twice at most: a machine that is too busy is not in time.
func run(t *testing.T, c cell.Cell, opts scenarios.RunOptions, expect func(scenarios.Result) scenarios.Result) scenarios.Result {
	t.Helper()
	opts.Seed, opts.Trace = 1, true
	for first := true; ; first = false {
		r := scenarios.Run(t.Context(), c, opts)
		if r.Err == nil {
			r = expect(r)
		}
		if r.Err == nil && r.Expected {
			return r
		}
		_ = report.Ladder(t.Output(), r, report.Options{})
		t.Log(r.Err, r.Surprises())
		if !first {
			t.Fatal("not as predicted, twice")
		}
	}
}

// play plays a cell, which must be as predicted.
func play(t *testing.T, c cell.Cell, opts scenarios.RunOptions) scenarios.Result {
	t.Helper()
	return run(t, c, opts, func(r scenarios.Result) scenarios.Result { return r })
}
