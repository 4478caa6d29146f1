//go:build kernel

package kernelnat

import (
	"path/filepath"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestKernelSIP holds the transcripts to what the SIP helper of the kernel does.
func TestKernelSIP(t *testing.T) {
	for _, file := range sipFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			k := newKernel(t, sipRuleset(t))
			s := sipScript{send: k.Router.Send}
			datadriven.RunTest(t, file, s.run)
		})
	}
}
