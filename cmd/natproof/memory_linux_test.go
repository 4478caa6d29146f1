package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

// peakLimit is how much memory the command may have resident at its peak, in MB, however many
// cells it plays.
const peakLimit = 200

// BenchmarkMatrixMemory runs the command, two cells at a time on two processors, with all its
// reports, and shows the peak of its memory: for a few cells, and for more than 10,000.
func BenchmarkMatrixMemory(b *testing.B) {
	for _, choice := range []cell.Choice{
		{"flow": {"call"}},
		{
			"flow": {"call"}, "a": {"rfc4787"}, "b": {"rfc4787"}, "port-manager": {"local", "static", "stun"},
			"latch": {"none", "a", "b", "both"}, "strict": {"none", "a", "both"}, "silent": {"none", "a", "b"},
		},
	} {
		cells, err := scenarios.Plan(choice)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("cells=%d", len(cells)), func(b *testing.B) {
			highest := 0.0
			for b.Loop() {
				highest = max(highest, peak(b, choice))
			}
			b.ReportMetric(highest, "MB-peak")
			if highest > peakLimit {
				b.Errorf("%.0f MB, want at most %d", highest, peakLimit)
			}
		})
	}
}

// peak is the most memory, in MB, that the command has resident while it plays the choice.
func peak(b *testing.B, choice cell.Choice) float64 {
	dir := b.TempDir()
	args := []string{"matrix", "--jobs=2", "--json=" + filepath.Join(dir, "results.json"), "--markdown=" + filepath.Join(dir, "summary.md")}
	for axis, values := range choice {
		args = append(args, "--"+axis+"="+strings.Join(values, ","))
	}
	cmd := exec.Command("natproof", args...) // this binary once more, see TestMain
	cmd.Env = append(os.Environ(), "GOMAXPROCS=2")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) * 1024 / 1e6 // of KiB
}
