package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// output is where a report goes: a file, stdout for "-", or nowhere. A file is
// written beside its place and takes it only when it is whole, so that what was
// there before is not lost for a run that fails.
type output struct {
	*os.File        // nil: nowhere
	final    string // the place to take; empty if the file is in it already
}

// outputs opens one output per name, each of which may be empty. "-" is stdout,
// for one of them.
func outputs(stdout *os.File, names ...string) ([]output, error) {
	seen := map[string]bool{}
	var all []output
	for _, name := range names {
		if name != "" && seen[filepath.Clean(name)] {
			discard(all)
			return nil, fmt.Errorf("two reports cannot both go to %s", name)
		}
		seen[filepath.Clean(name)] = true
		o, err := open(stdout, name)
		if err != nil {
			discard(all)
			return nil, &exitError{exitCannotRun, err}
		}
		all = append(all, o)
	}
	return all, nil
}

func open(stdout *os.File, name string) (output, error) {
	switch name {
	case "":
		return output{}, nil
	case "-":
		return output{File: stdout}, nil
	}
	if at, err := os.Stat(name); err == nil && !at.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0) // a pipe, a device; a directory refuses
		return output{File: f}, err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return output{}, fmt.Errorf("cannot write %s: %w", name, errors.Unwrap(err))
	}
	return output{File: f, final: name}, nil
}

// openDocument opens the output of a JSON document, and says where the text beside it goes: to
// stderr if the document has stdout.
func openDocument(s streams, name string) (doc output, text *os.File, err error) {
	files, err := outputs(s.out, name)
	if err != nil {
		return output{}, nil, err
	}
	if files[0].File == s.out {
		return files[0], s.err, nil
	}
	return files[0], s.out, nil
}

// json writes the document and puts it into its place, if it has one.
func (o output) json(v any) error {
	if o.File == nil {
		return nil
	}
	return errors.Join(writeJSON(o, v), o.keep())
}

// keep puts what was written into its place.
func (o output) keep() error {
	if o.final == "" {
		return nil
	}
	return errors.Join(o.Chmod(0o644), o.Close(), os.Rename(o.Name(), o.final))
}

// discard removes what was not kept. After keep it does nothing.
func discard(all []output) {
	for _, o := range all {
		o.discard()
	}
}

func (o output) discard() {
	if o.final != "" {
		_ = o.Close()
		_ = os.Remove(o.Name()) // gone already if it was kept
	}
}
