package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios"
)

// everything is natproof matrix --all.
func everything(ctx context.Context, f matrixFlags, s streams) error {
	files, err := outputs(s.out, f.json)
	if err != nil {
		return err
	}
	defer discard(files)
	text := s.out
	if files[0].File == s.out {
		text = s.err
	}
	all := reports{{report.Sums(text, looks(text)), output{}}}
	if files[0].File != nil {
		all = append(all, reportTo{results{scenarios.NewDocumentWriter(files[0], f.seed)}, files[0]})
	}
	takes := scenarios.Every(f.every, scenarios.Everything())
	cells := 0
	for range takes {
		cells++
	}
	title := fmt.Sprintf("Everything: %d cells", cells)
	if f.every > 1 {
		title = fmt.Sprintf("Every %dth cell of everything: %d", f.every, cells)
	}
	for _, x := range all {
		x.Section(title, "")
	}
	p, begun, count := newProgress(s.err, cells), time.Now(), tally{}
	for r := range scenarios.RunTakes(ctx, takes, options(f.seed, false), f.jobs) {
		p.step()
		count[r.Status()]++
		for _, x := range all {
			x.Add(r)
		}
	}
	p.done()
	fmt.Fprintln(s.err, pace(count.total(), time.Since(begun)))
	return ended(ctx, cells, count, all, f)
}

// pace says how fast cells were played, and what memory that took where the system tells.
func pace(cells int, took time.Duration) string {
	text := fmt.Sprintf("%d cells in %.1f s, %.0f a second", cells, took.Seconds(), float64(cells)/took.Seconds())
	if peak := peakMemory(); peak > 0 {
		text += fmt.Sprintf("; %d MB of memory at most", peak)
	}
	return text
}

// peakMemory is the most memory that the process had resident, in MB; 0 if it is not known.
func peakMemory() int {
	status, err := os.ReadFile("/proc/self/status") // proc_pid_status(5)
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.TrimSpace(strings.Split(rest, "kB")[0]))
	if err != nil {
		return 0
	}
	return kib * 1024 / 1e6
}
