package lab_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/natproof/natproof/emulator/lab"
	"github.com/natproof/natproof/report"
)

// The README shows a lab, and what its end says, as they are.
func TestTheReadmeShowsWhatIsTold(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(readme), "```yaml\n")
	text, rest, ok2 := strings.Cut(text, "```\n")
	if !ok || !ok2 {
		t.Fatal("no lab in README.md")
	}
	var b strings.Builder
	if err := report.Lab(&b, played(t, parsed(t, text), lab.Options{}), report.Options{Width: 115}); err != nil {
		t.Fatal(err)
	}
	_, end, _ := strings.Cut(b.String(), "FAIL")
	end, _, _ = strings.Cut("FAIL"+end, "\n\n")
	shown, _, _ := strings.Cut(rest, "\n\n[examples/labs]")
	shown = shown[strings.Index(shown, "FAIL"):]
	if want := strings.ReplaceAll(shown, "\n    ", "\n"); end != want {
		t.Errorf("README.md shows\n%s\nand what is told is\n%s", want, end)
	}
	if _, err := lab.Parse("readme.yaml", []byte(text)); err != nil {
		t.Error(err)
	}
}
