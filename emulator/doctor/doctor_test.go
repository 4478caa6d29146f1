package doctor_test

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/emulator/doctor"
)

// sound is a machine that can do everything.
func sound() doctor.System {
	nothing := func() error { return nil }
	return doctor.System{
		Namespace: nothing, Veth: nothing, Ring: nothing, Init: nothing, Timer: nothing,
		TUN:        func() (bool, error) { return true, nil },
		PrivateFS:  func() (bool, error) { return true, nil },
		Processors: 4,
		Read:       func(string) (string, error) { return "", nil },
	}
}

func TestExamine(t *testing.T) {
	bad := func(err error) func() error { return func() error { return err } }
	tun := func(err error) func() (bool, error) { return func() (bool, error) { return false, err } }
	setting := func(file, value string) func(string) (string, error) {
		return func(f string) (string, error) {
			if f == file {
				return value + "\n", nil
			}
			return "", fs.ErrNotExist
		}
	}
	missing := func(name string) error { return fmt.Errorf("open %s: %w", name, fs.ErrNotExist) }
	for _, c := range []struct {
		name    string
		change  func(*doctor.System)
		healthy bool
		ill     string // the first finding that is not well
		mend    string
	}{
		{"all is well", func(*doctor.System) {}, true, "", ""},
		{"none may be made", func(s *doctor.System) {
			s.Namespace, s.Read = bad(emulator.ErrNoNamespace), setting("/proc/sys/user/max_user_namespaces", "0")
		}, false, "namespaces", "sudo sysctl -w user.max_user_namespaces=15000"},
		{"Ubuntu", func(s *doctor.System) {
			s.Namespace, s.Read = bad(emulator.ErrNoNamespace), setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")
		}, false, "namespaces", "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{"Debian of old", func(s *doctor.System) {
			s.Namespace, s.Read = bad(emulator.ErrNoNamespace), setting("/proc/sys/kernel/unprivileged_userns_clone", "0")
		}, false, "namespaces", "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
		{"nobody knows why", func(s *doctor.System) { s.Namespace = bad(emulator.ErrNoNamespace) }, false, "namespaces",
			"run natproof as root: sudo natproof ...; in a container: docker run --privileged ..."},
		{"a container", func(s *doctor.System) { s.Root, s.Namespace = true, bad(emulator.ErrNoNamespace) }, false, "namespaces",
			"give the container more: docker run --privileged ..."},
		{"TUN is root's", func(s *doctor.System) { s.TUN = tun(fs.ErrPermission) }, true, "tun", "sudo chmod 666 /dev/net/tun"},
		{"no TUN", func(s *doctor.System) { s.TUN = tun(missing("/dev/net/tun")) }, true, "tun",
			"sudo modprobe tun; in a container: docker run --device /dev/net/tun ..."},
		{"no driver", func(s *doctor.System) { s.TUN = tun(syscall.ENODEV) }, true, "tun", "sudo modprobe tun"},
		{"neither TUN nor ring", func(s *doctor.System) { s.TUN, s.Ring = tun(syscall.ENODEV), bad(errors.New("no")) }, false, "tun", "sudo modprobe tun"},
		{"no veth", func(s *doctor.System) { s.Veth, s.Ring = bad(errors.New("no")), bad(errors.New("no")) }, true, "veth", "sudo modprobe veth"},
		{"no ring", func(s *doctor.System) { s.Ring = bad(errors.New("no")) }, true, "ring", "sudo modprobe af_packet"},
		{"no programs", func(s *doctor.System) { s.Init = bad(errors.New("no")) }, false, "programs",
			"allow pid and mount namespaces; in a container: docker run --privileged ..."},
		{"the host's /proc", func(s *doctor.System) { s.PrivateFS = tun(nil) }, true, "proc",
			"in a container: docker run --security-opt systempaths=unconfined ..."},
		{"no resolv.conf", func(s *doctor.System) {
			s.Read = func(f string) (string, error) {
				if f == "/etc/resolv.conf" {
					return "", missing(f)
				}
				return "", nil
			}
		}, true, "/etc/resolv.conf", "sudo touch /etc/resolv.conf"},
		{"no timer", func(s *doctor.System) { s.Timer = bad(syscall.EMFILE) }, true, "timerfd", ""},
		{"one processor", func(s *doctor.System) { s.Processors = 1 }, true, "processors", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sound()
			c.change(&s)
			all := doctor.Examine(s)
			if got := doctor.Healthy(all); got != c.healthy {
				t.Errorf("healthy: %v", got)
			}
			for _, f := range all {
				if f.Detail == "" {
					t.Errorf("%s: says nothing", f.Name)
				}
				if f.OK {
					continue
				}
				if f.Name != c.ill || f.Mend != c.mend {
					t.Errorf("%s: %s, mend by %q", f.Name, f.Detail, f.Mend)
				}
				return
			}
			if c.ill != "" {
				t.Errorf("%s is found well", c.ill)
			}
		})
	}
	if doctor.Healthy(nil) {
		t.Error("nothing was looked at, and all is well")
	}
}
