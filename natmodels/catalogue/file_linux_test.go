package catalogue_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels/catalogue"
)

// A named pipe that nobody writes to is refused, not waited for.
func TestANamedPipeIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe.txt")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	soon(t, func() {
		if _, err := catalogue.Lookup(path); !errors.Is(err, catalogue.ErrFile) || !strings.Contains(err.Error(), "a named pipe") {
			t.Errorf("got %v", err)
		}
	})
}

// What a shell gives for <(command) can be looked up as often as one likes.
func TestAPipeOfAShell(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("name piped\nlike symmetric\n"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	name := fmt.Sprintf("/dev/fd/%d", r.Fd())
	soon(t, func() {
		for range 3 {
			if e, err := catalogue.Find(name); err != nil || e.Name != "piped" || e.Model.Behavior().Code() != "apdm-apdf" {
				t.Errorf("%+v, %v", e, err)
			}
		}
	})
}

// soon fails the test if f hangs.
func soon(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it hangs")
	}
}
