package emulator_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/natproof/natproof/emulator"
)

// nobodyVar has the test binary go on as nobody, with the driver that is named: with the TUN node open to all, as
// distributions have it, or with none but root let in.
const nobodyVar = "NATPROOF_TEST_NOBODY"

// driverVar has tests use one driver only.
const driverVar = "NATPROOF_TEST_DRIVER"

const nobody = 65534

// drivers are those that tests use.
func drivers() []emulator.Driver {
	all := []emulator.Driver{emulator.TUN, emulator.Ring}
	for _, d := range all {
		if d.String() == os.Getenv(driverVar) {
			return []emulator.Driver{d}
		}
	}
	return all
}

// becomeNobody gives up all rights and runs this program again, in a mount namespace that is its own.
func becomeNobody(driver string) {
	err := func() error {
		at := os.TempDir()
		self := filepath.Join(at, "self")
		program, err := os.Open("/proc/self/exe") // where nobody may not look, perhaps
		if err != nil {
			return err
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("keep mounts to ourselves: %w", err)
		}
		if err := unix.Mount("tests", at, "tmpfs", 0, "mode=1777"); err != nil {
			return fmt.Errorf("mount a tmpfs: %w", err)
		}
		if err := tunNode(filepath.Join(at, "tun"), driver == emulator.TUN.String()); err != nil {
			return err
		}
		copied, err := os.OpenFile(self, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
		if err != nil {
			return err
		}
		_, err = io.Copy(copied, program)
		if err := errors.Join(err, copied.Chmod(0o755), copied.Close(), program.Close()); err != nil {
			return err
		}
		if err := errors.Join(os.Chdir("/"), syscall.Setgroups(nil), syscall.Setresgid(nobody, nobody, nobody), syscall.Setresuid(nobody, nobody, nobody)); err != nil {
			return err
		}
		os.Unsetenv(nobodyVar)
		os.Setenv(driverVar, driver)
		return syscall.Exec(self, os.Args, os.Environ())
	}()
	fmt.Println("error:", err)
	os.Exit(1)
}

// tunNode covers the TUN device's node by one that all may open, or only root.
func tunNode(name string, open bool) error {
	const at = "/dev/net/tun"
	if _, err := os.Stat(at); err != nil {
		if !open {
			return nil
		}
		return err
	}
	mode := os.FileMode(0o600)
	if open {
		mode = 0o666
	}
	if err := unix.Mknod(name, unix.S_IFCHR|0o600, int(unix.Mkdev(10, 200))); err != nil {
		return fmt.Errorf("make a node: %w", err)
	}
	if err := os.Chmod(name, mode); err != nil {
		return err
	}
	return unix.Mount(name, at, "", unix.MS_BIND, "")
}

// All of this works without any rights, in a user namespace, by TUN and by the ring.
func TestNobody(t *testing.T) {
	ids, err := os.ReadFile("/proc/self/uid_map")
	if f := strings.Fields(string(ids)); err != nil || os.Geteuid() != 0 || len(f) != 3 || f[2] != "4294967295" {
		t.Skip("whoever runs this has no rights himself")
	}
	t.Parallel()
	for _, d := range drivers() {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			runtime.LockOSThread() // the child dies with it
			defer runtime.UnlockOSThread()
			before := host(t)
			c := exec.Command("/proc/self/exe", "-test.v", "-test.short", "-test.skip=^(TestNobody|Example)")
			c.Env = append(os.Environ(), nobodyVar+"="+d.String())
			c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
			out, err := c.CombinedOutput()
			text := string(out)
			switch {
			case err != nil:
				t.Errorf("%v\n%s", err, text)
			case strings.Contains(text, "--- SKIP: TestUDP"):
				skip(t, errors.New(text))
			case !strings.Contains(text, "--- PASS: TestUDP/"+d.String()):
				t.Errorf("nothing was tested\n%s", text)
			}
			if after := host(t); after != before {
				t.Errorf("the host was\n%s\nand is\n%s", before, after)
			}
			if testing.Verbose() {
				t.Logf("%s", text)
			}
		})
	}
}
