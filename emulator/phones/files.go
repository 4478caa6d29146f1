package phones

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Directories of phones are named after the process that made them, so that another one can tell
// which were left behind by a process that was killed.
const dirPrefix = "natproof-phone-"

// newDir makes the directory of a phone.
func newDir() (string, error) {
	sweepOnce.Do(func() { sweep(os.TempDir()) })
	return os.MkdirTemp("", fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
}

var sweepOnce sync.Once

// sweep removes the directories of processes that are no more.
func sweep(dir string) {
	all, err := filepath.Glob(filepath.Join(dir, dirPrefix+"*"))
	if err != nil {
		return
	}
	for _, path := range all {
		word, _, ok := strings.Cut(strings.TrimPrefix(filepath.Base(path), dirPrefix), "-")
		pid, err := strconv.Atoi(word)
		if !ok || err != nil || pid <= 0 || !ended(pid) {
			continue
		}
		_ = os.RemoveAll(path) // somebody else's stays
	}
}

// ended says whether there is no such process any more. Who cannot be asked is taken to be there.
func ended(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
