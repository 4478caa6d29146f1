// Package readme keeps what the README shows and what the tests run the same.
package readme

import (
	"os"
	"strings"
	"testing"
)

func TestTheExampleIsTheOneThatRuns(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("../../examples/endpoint/endpoint_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\n"+string(example)+"```") {
		t.Error("README.md does not show examples/endpoint/endpoint_test.go as it is")
	}
	if n := strings.Count(string(example), "\n"); n > 40 {
		t.Errorf("the example has %d lines, more than 40", n)
	}
}
