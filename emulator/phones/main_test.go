package phones_test

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
)

func TestMain(m *testing.M) { os.Exit(emulator.Main(checked{m})) }

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

// required: programs are played at all, and what is missing is a failure.
var required = os.Getenv("NATPROOF_REQUIRE_PHONES") != ""

// all: long tests are not left out.
var all = flag.Bool("all", false, "play what takes minutes, too")

// needs fails without a program.
func needs(t *testing.T, program string) {
	t.Helper()
	if !required {
		t.Skip("programs on the real clock: make phones")
	}
	if _, err := exec.LookPath(program); err != nil {
		t.Fatal(err)
	}
}

// withTraits is the phone as somebody knows it who has looked at it: bound addresses.
func withTraits(phone stage.Phone, rport, noRTCP bool) stage.Phone {
	phone.Traits = func(cell.Cell, cell.Side) (theory.Traits, error) {
		return theory.Traits{SignallingTraits: theory.SignallingTraits{Rport: rport}, MediaTraits: theory.MediaTraits{NoRTCP: noRTCP}}, nil
	}
	return phone
}

// inACell plays a cell with a program as a, which must be as predicted.
func inACell(t *testing.T, id string, phone stage.Phone) {
	t.Helper()
	c, err := scenarios.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	r := scenarios.Run(t.Context(), c, scenarios.RunOptions{Seed: 1, Phones: stage.Phones{cell.A: phone}, Trace: true})
	if errors.Is(r.Err, emulator.ErrNoNamespace) || errors.Is(r.Err, emulator.ErrUnsupported) {
		t.Skip(r.Err)
	}
	_, judged := r.Observed.Step(flows.RTPAToB)
	if r.Err != nil || !r.Expected || c.HasMedia() && !judged {
		_ = report.Ladder(t.Output(), r, report.Options{})
		t.Error(r.Err, r.Surprises())
	}
}
