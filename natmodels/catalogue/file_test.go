package catalogue_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/natproof/natproof/natmodels/catalogue"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What changes, or is gone, after it was read changes nothing; an error may be put right.
func TestAFileIsReadOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "hotel.txt", "kind nonsense")
	if _, err := catalogue.Lookup("./hotel.txt"); !errors.Is(err, catalogue.ErrSyntax) {
		t.Fatalf("got %v", err)
	}
	write(t, "hotel.txt", "like symmetric\nfact guess: mapping")
	first, err := catalogue.Find("./hotel.txt")
	if err != nil {
		t.Fatal(err)
	}
	first.Facts[0].Source = "changed by a caller"
	write(t, "hotel.txt", "like full-cone")
	for _, name := range []string{"hotel.txt", "./hotel.txt", "./a/../hotel.txt"} {
		e, err := catalogue.Find(name)
		if err != nil || e.Name != "hotel" || e.Model.Behavior().Code() != "apdm-apdf" || e.Facts[0].Source != "" {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	if err := os.Remove("hotel.txt"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if m, err := catalogue.Lookup("hotel.txt"); err != nil || m.Behavior().Code() != "apdm-apdf" {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
	wg.Wait()
	t.Chdir(t.TempDir()) // another file of that name
	if _, err := catalogue.Lookup("hotel.txt"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestNoFileOfSettings(t *testing.T) {
	dir := t.TempDir()
	long := filepath.Join(dir, "long.txt")
	write(t, long, strings.Repeat("# long\n", 1<<18))
	for path, want := range map[string]string{dir: "a directory", long: "longer than", os.DevNull: "neither a regular file nor a pipe"} {
		if _, err := catalogue.Load(path); !errors.Is(err, catalogue.ErrFile) || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "catalogue: load: "+path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
