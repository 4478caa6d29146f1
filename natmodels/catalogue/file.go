package catalogue

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// ErrFile is what errors.Is finds where a file cannot be one of settings, whatever is in it.
var ErrFile = errors.New("no file of settings")

// IsFile reports whether Lookup takes a name for that of a file.
func IsFile(name string) bool {
	return strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, ".txt") || strings.HasSuffix(name, ".nat")
}

// maxFile is how long a file may be, in bytes.
const maxFile = 1 << 20

// loaded holds the files that were read, by their absolute path.
var loaded = struct {
	sync.Mutex
	files map[string]Entry
}{files: map[string]Entry{}}

// Load reads a file in the settings notation. What it does not name is named as the file.
//
// A file is read once: who loads it again gets what was in it then, so that nothing changes in
// the middle of a run, and a pipe can be given. An error is not kept. Only regular files are
// read, and the pipes that a shell gives as /dev/fd/N, /proc/self/fd/N or /dev/stdin.
func Load(path string) (Entry, error) {
	key, err := filepath.Abs(path)
	if err != nil {
		return Entry{}, fmt.Errorf("catalogue: load: %w", err)
	}
	loaded.Lock()
	defer loaded.Unlock()
	e, ok := loaded.files[key]
	if !ok {
		if e, err = load(path, key); err != nil {
			return Entry{}, err
		}
		loaded.files[key] = e
	}
	e.Facts = slices.Clone(e.Facts)
	return e, nil
}

func load(path, key string) (Entry, error) {
	text, err := read(path, key)
	if err != nil {
		return Entry{}, fmt.Errorf("catalogue: load: %w", err)
	}
	e, err := Parse(path, text)
	if err == nil && e.Name == path {
		e.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	return e, err
}

func read(path, key string) (string, error) {
	is, err := os.Stat(path) // before it is opened: to open a named pipe waits for a writer
	if err != nil {
		return "", err
	}
	if err := readable(is.Mode(), key); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: %w: longer than %d bytes", path, ErrFile, maxFile)
	}
	return string(text), err
}

// readable refuses what has no end, or none that is sure to come.
func readable(mode os.FileMode, key string) error {
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return fmt.Errorf("%w: a directory", ErrFile)
	case mode&os.ModeNamedPipe == 0:
		return fmt.Errorf("%w: neither a regular file nor a pipe", ErrFile)
	case !strings.HasPrefix(key, "/dev/fd/") && !strings.HasPrefix(key, "/proc/self/fd/") && key != "/dev/stdin":
		return fmt.Errorf("%w: a named pipe; a pipe can be given as /dev/fd/N, as shells do for <(command)", ErrFile)
	}
	return nil
}
