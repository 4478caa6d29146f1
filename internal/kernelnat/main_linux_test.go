//go:build kernel

package kernelnat

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

var require = flag.Bool("require", false, "fail where there is no kernel to test, instead of skipping")

// unavailable says why the kernel cannot be tested here.
var unavailable error

func TestMain(m *testing.M) {
	flag.Parse()
	// Most of the time is spent in pauses: all rulesets at once, SIP messages, and bytes.
	if err := flag.Set("test.parallel", strconv.Itoa(len(Rulesets)+len(bytesNATs)+3)); err != nil {
		panic(err)
	}
	// Where the commands are, though not on everybody's path.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		panic(err)
	}
	here, code, err := Enter()
	if err != nil {
		unavailable = err
	}
	if here || err != nil {
		code = m.Run()
		if err := writeFigures(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// newRouter returns the kernel's router, or skips the test.
func newRouter(t testing.TB) *Router {
	t.Helper()
	if err := missing(); err != nil {
		skip(t, err)
	}
	r, err := NewRouter()
	if errors.Is(err, ErrNoNamespace) {
		skip(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close the router: %v", err)
		}
	})
	return r
}

// missing says what the tests need and this machine has not.
func missing() error {
	if unavailable != nil {
		return unavailable
	}
	for _, command := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(command); err != nil {
			return fmt.Errorf("%w: setup.sh installs it", err)
		}
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		return fmt.Errorf("no TUN devices: %w", err)
	}
	return nil
}

func skip(t testing.TB, reason error) {
	t.Helper()
	if *require {
		t.Fatal(reason)
	}
	t.Skip(reason)
}
