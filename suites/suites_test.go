package suites_test

import (
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
)

func TestSuites(t *testing.T) {
	debug.SetGCPercent(800) // thousands of short-lived worlds on a small heap
	gomega.RegisterFailHandler(ginkgo.Fail)
	suite, reporter := ginkgo.GinkgoConfiguration()
	suite.FailOnEmpty = true // a filter with a typo selects nothing, which is no pass
	ginkgo.RunSpecs(t, "natproof", suite, reporter)
}

func TestAFilterThatSelectsNothingFails(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(self, "-test.run=^TestSuites$", "-ginkgo.no-color", "-ginkgo.label-filter=expect:fail").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no specs ran") {
		t.Errorf("%v\n%s", err, out)
	}
}
