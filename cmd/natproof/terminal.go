package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/term"

	"github.com/natproof/natproof/report"
)

// terminal reports whether a person may be looking at the file.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// colored reports whether output to the file may have colours: on a terminal,
// unless NO_COLOR is set (no-color.org).
func colored(f *os.File) bool { return os.Getenv("NO_COLOR") == "" && terminal(f) }

// usualWidth is that of a report where nobody says how wide it may be.
const usualWidth = 120

// width is how many columns a report to the file may have: what COLUMNS says, the terminal's
// own, or the usual.
func width(f *os.File) int {
	const least = 40
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n >= least {
		return n
	}
	if n, _, err := term.GetSize(int(f.Fd())); err == nil && n >= least {
		return n
	}
	return usualWidth
}

// looks says how a text report to the file looks.
func looks(f *os.File) report.Options {
	return report.Options{Color: colored(f), Width: width(f)}
}

// progress counts finished cells in one line of a terminal. Elsewhere it is
// silent, and to nobody.
type progress struct {
	to          *os.File
	count, from int
}

func newProgress(to *os.File, cells int) *progress {
	p := &progress{from: cells}
	if to != nil && terminal(to) {
		p.to = to
	}
	return p
}

func (p *progress) step() {
	p.count++
	if p.to != nil {
		fmt.Fprintf(p.to, "\r%d of %d cells", p.count, p.from)
	}
}

// done wipes the line.
func (p *progress) done() {
	if p.to != nil {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}
