package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/theory"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"natproof": main})
}

func TestScripts(t *testing.T) {
	server, silent := stunServer(t)
	testscript.Run(t, testscript.Params{
		Setup: func(e *testscript.Env) error {
			e.Setenv("STUN", server)
			e.Setenv("SILENT", silent)
			return nil
		},
		Condition:           condition,
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// condition is "emulator": real programs can be run here. NATPROOF_REQUIRE_EMULATOR says that they can.
func condition(name string) (bool, error) {
	if name != "emulator" {
		return false, fmt.Errorf("unknown condition %s", name)
	}
	return os.Getenv("NATPROOF_REQUIRE_EMULATOR") == "1" || exec.Command("natproof", "doctor").Run() == nil, nil
}

// capture runs the program with files for streams.
func capture(t *testing.T, ctx context.Context, args ...string) (code int, out, errs string) {
	t.Helper()
	var s streams
	for _, x := range []struct {
		name string
		file **os.File
	}{{"out", &s.out}, {"err", &s.err}} {
		f, err := os.Create(filepath.Join(t.TempDir(), x.name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		*x.file = f
	}
	code = run(ctx, args, s)
	read := func(f *os.File) string {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return code, read(s.out), read(s.err)
}

// An interrupt keeps what there is and says so, in every form of report.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	file := filepath.Join(t.TempDir(), "results.json")
	code, out, errs := capture(t, ctx, "matrix", "--flow", "register", "--json", file)
	if code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	if !strings.Contains(out, "0 cells") || !strings.Contains(errs, "interrupted: 0 of 5 cells were played") {
		t.Errorf("stdout:\n%s\nstderr:\n%s", out, errs)
	}
	if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), `"cells": []`) {
		t.Errorf("no partial JSON: %v\n%s", err, b)
	}
}

// failing is a report that cannot be written.
type failing struct{ results }

func (failing) Close() error { return errors.New("full") }

// What could not be written whole does not take the place of what was there.
func TestBrokenReportIsNotKept(t *testing.T) {
	name := filepath.Join(t.TempDir(), "results.json")
	if err := os.WriteFile(name, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := outputs(os.Stdout, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := (reports{{failing{}, files[0]}}).close(); err == nil {
		t.Error("no error")
	}
	discard(files)
	if b, err := os.ReadFile(name); err != nil || string(b) != "before" {
		t.Errorf("%v: %s", err, b)
	}
}

func TestVerdict(t *testing.T) {
	same := scenarios.Result{Expected: true}
	odd := scenarios.Result{}
	broken := scenarios.Result{Err: errors.New("lab")}
	without := scenarios.Result{Err: fmt.Errorf("%w: nat-a", theory.ErrNotCovered)}
	for _, x := range []struct {
		results []scenarios.Result
		require bool
		want    int
	}{
		{[]scenarios.Result{same, same}, false, exitOK},
		{[]scenarios.Result{same, odd, same}, false, exitUnexpected},
		{[]scenarios.Result{odd, broken, same}, false, exitCannotRun},
		{[]scenarios.Result{same, without}, false, exitOK},
		{[]scenarios.Result{same, without}, true, exitUnexpected},
		{[]scenarios.Result{without, without}, false, exitNothing},
	} {
		code := exitOK
		var exit *exitError
		count := tally{}
		for _, r := range x.results {
			count[r.Status()]++
		}
		if err := count.verdict(x.require); errors.As(err, &exit) {
			code = exit.code
		} else if err != nil {
			t.Fatal(err)
		}
		if code != x.want {
			t.Errorf("%v: code %d, want %d", x.results, code, x.want)
		}
	}
}

// The order and the sizes of what natproof matrix shows without flags.
func TestShow(t *testing.T) {
	var sizes []int
	for _, p := range show() {
		sizes = append(sizes, len(p.cells))
	}
	if len(sizes) != 3 || sizes[0] != 5 || sizes[1] != 5 || sizes[2] != 50 {
		t.Errorf("sizes of the parts: %v, want [5 5 50]", sizes)
	}
}
