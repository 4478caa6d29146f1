package phones

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// What a process has left that was killed is swept, and nothing else is.
func TestSweep(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	for name, stays := range map[string]bool{
		"natproof-phone-" + strconv.Itoa(gone.Process.Pid) + "-1": false,
		"natproof-phone-" + strconv.Itoa(os.Getpid()) + "-1":      true,
		"natproof-phone-x-1": true, "natproof-phone--1-1": true, "else-1-1": true,
	} {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		sweep(dir)
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%s: %v", name, err)
		}
	}
}
