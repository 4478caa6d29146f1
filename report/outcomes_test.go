package report

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What is published is what theory says.
func TestOutcomesAreMadeFromTheory(t *testing.T) {
	var want bytes.Buffer
	if err := Outcomes(&want); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "docs", "outcomes.md")
	if *rewrite {
		if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(have, want.Bytes()) {
		t.Errorf("%s is not up to date (%v): make docs", file, err)
	}
}
