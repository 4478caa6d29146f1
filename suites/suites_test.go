package suites_test

import (
	"runtime/debug"
	"testing"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
)

func TestSuites(t *testing.T) {
	debug.SetGCPercent(800) // thousands of short-lived worlds on a small heap
	gomega.RegisterFailHandler(ginkgo.Fail)
	ginkgo.RunSpecs(t, "natproof")
}
