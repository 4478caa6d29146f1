//go:build kernel

package kernelnat

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestKernelSIP holds the transcripts to what the SIP helper of the kernel does.
func TestKernelSIP(t *testing.T) {
	for _, file := range sipFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			k := newKernel(t, sipRuleset(t))
			if sipTimers(file) == ShortTimers {
				shortenTimers(t, k)
			}
			s := sipScript{send: k.Router.Send, pause: func(d time.Duration) error {
				time.Sleep(d)
				_, err := k.Sweep()
				return err
			}}
			datadriven.RunTest(t, file, s.run)
		})
	}
}
