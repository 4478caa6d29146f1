package lab_test

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/emulator/lab"
)

// Real programs need namespaces: where this process may make none it runs once more in a user namespace.
// Where that is not to be had either, the tests that need them are skipped.
func TestMain(m *testing.M) {
	here, code, err := emulator.Enter()
	if !here && err == nil {
		os.Exit(code)
	}
	mayNot = err
	goleak.VerifyTestMain(m)
}

var mayNot error // why there can be no real programs

// needs skips a test of a program that is not installed.
func needs(t *testing.T, program string) {
	t.Helper()
	_, err := exec.LookPath(program)
	if err = cmp.Or(mayNot, err); err == nil {
		return
	}
	if os.Getenv("NATPROOF_REQUIRE_EMULATOR") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
}

func examples(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "labs", "*.yaml"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%v: %v", files, err)
	}
	return files
}

func played(t *testing.T, f *lab.File, o lab.Options) *lab.Result {
	t.Helper()
	r, err := f.Play(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// told is a result as it is written.
func told(t *testing.T, r *lab.Result) string {
	t.Helper()
	b, err := json.MarshalIndent(r.Document(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every example is as its comment says, with more than one seed, and the same seed gives the same to
// the byte.
func TestExamples(t *testing.T) {
	for _, file := range examples(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			f, err := lab.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			if f.Programs() {
				t.Skip("it has a real program")
			}
			for seed := uint64(1); seed <= 3; seed++ {
				r := played(t, f, lab.Options{Seed: seed})
				for _, v := range r.Verdicts {
					if !v.Holds {
						t.Errorf("seed %d, line %d: %s: %s, because %s", seed, v.Line, v.Says, v.Saw, strings.Join(v.Cause, "; "))
					}
				}
				for _, l := range r.Failures {
					t.Errorf("seed %d: %s could not be done", seed, l.Text)
				}
				if again := played(t, f, lab.Options{Seed: seed}); told(t, again) != told(t, r) {
					t.Errorf("seed %d: another result the second time", seed)
				}
			}
		})
	}
}

// What holds does so whatever the hosts are made of.
func TestExamplesOnPionHosts(t *testing.T) {
	for _, name := range []string{"lost-ack.yaml", "two-phones-one-nat.yaml", "roaming.yaml"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("..", "..", "examples", "labs", name))
			if err != nil {
				t.Fatal(err)
			}
			r := played(t, parsed(t, "hosts: pion\n"+string(text)), lab.Options{})
			if bad := wrong(r); bad != nil {
				t.Error(strings.Join(bad, "\n"))
			}
		})
	}
}
