package arrows

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// What docs/adding.md shows as the real diff of something small can still be applied.
func TestWhatIsShownOfAddingApplies(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "adding.md"))
	if err != nil {
		t.Fatal(err)
	}
	git := func(args ...string) ([]byte, error) {
		c := exec.Command("git", args...)
		c.Dir = root
		return c.CombinedOutput()
	}
	if out, err := git("rev-parse", "--is-inside-work-tree"); err != nil {
		t.Skipf("no checkout of git: %s", out)
	}
	diffs := regexp.MustCompile("(?s)```diff\n(.*?)```").FindAllSubmatch(text, -1)
	if len(diffs) == 0 {
		t.Fatal("docs/adding.md shows no diff")
	}
	for i, d := range diffs {
		file := filepath.Join(t.TempDir(), strconv.Itoa(i)+".diff")
		if err := os.WriteFile(file, d[1], 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := git("apply", "--check", file); err != nil {
			t.Errorf("diff %d of docs/adding.md: %s", i+1, out)
		}
	}
}
