//go:build kernel

package kernelnat

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

var figuresFile = flag.String("figures", "", "file to write the figures to, as a Markdown table")

// figure is what one test measured.
type figure struct {
	Ruleset
	sequences, packets, divergences int
	paused                          bool
}

var (
	figuresMu sync.Mutex
	figures   []figure
)

// note keeps a figure for the table.
func (f figure) note() {
	figuresMu.Lock()
	defer figuresMu.Unlock()
	figures = append(figures, f)
}

// writeFigures writes the table if it was asked for.
func writeFigures() error {
	if *figuresFile == "" || len(figures) == 0 {
		return nil
	}
	return os.WriteFile(*figuresFile, []byte(table(figures)), 0o644)
}

func table(list []figure) string {
	position := make(map[string]int)
	for i, rs := range Rulesets {
		position[rs.Name] = i - len(Rulesets) // others come last
	}
	slices.SortFunc(list, func(a, b figure) int {
		return cmp.Or(cmp.Compare(position[a.Name], position[b.Name]), cmp.Compare(yes(a.paused), yes(b.paused)))
	})
	var b strings.Builder
	fmt.Fprintf(&b, "Kernel: Linux %s.\n\n", release())
	b.WriteString("| ruleset | statement | input filter | pauses | sequences | packets | divergences |\n")
	b.WriteString("|---|---|---|---|---:|---:|---:|\n")
	for _, f := range list {
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %d | %d | %d |\n",
			f.Name, f.Statement, yes(f.Guarded), yes(f.paused), f.sequences, f.packets, f.divergences)
	}
	return b.String()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// release is the version of the kernel.
func release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "of unknown version"
	}
	return unix.ByteSliceToString(u.Release[:])
}
