package doctor

import (
	"errors"
	"net/netip"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/vnet"
)

// Machine is this machine. Call it where emulator.Enter has been, and give it what Enter said.
func Machine(entered error) System {
	return System{
		Root:      os.Geteuid() == 0 && !inUserNamespace(),
		Namespace: func() error { return entered },
		TUN:       emulator.TryTUN,
		Veth:      emulator.TryVeth,
		Ring:      func() error { return try(emulator.Ring, nil) },
		Init: func() error {
			return try(emulator.Auto, func(n *emulator.Namespace) error { return n.Command("true").Run() })
		},
		PrivateFS:  ownProc,
		Timer:      timer,
		Processors: runtime.GOMAXPROCS(0),
		Read: func(file string) (string, error) {
			b, err := os.ReadFile(file)
			return string(b), err
		},
	}
}

// try attaches a namespace with a driver.
func try(d emulator.Driver, with func(*emulator.Namespace) error) error {
	lab, err := vnet.New(vnet.Config{DiscardTrace: true})
	if err != nil {
		return err
	}
	defer lab.Close()
	site, err := lab.Internet().AddSite("site", vnet.SiteConfig{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Hosts: vnet.Native})
	if err != nil {
		return err
	}
	n, err := emulator.Attach(site, "program", emulator.Config{Addrs: []netip.Addr{netip.MustParseAddr("203.0.113.10")}, Driver: d})
	if err != nil {
		return err
	}
	defer n.Close()
	if with == nil {
		return nil
	}
	return with(n)
}

// ownProc asks a program whether the first process of its /proc is in its own pid namespace.
func ownProc() (own bool, err error) {
	err = try(emulator.Auto, func(n *emulator.Namespace) error {
		out, err := n.Command("sh", "-c", "readlink /proc/self/ns/pid /proc/1/ns/pid").Output()
		lines := strings.Fields(string(out))
		own = len(lines) == 2 && lines[0] == lines[1]
		var exit *emulator.ExitError
		if errors.As(err, &exit) {
			return nil
		}
		return err
	})
	return own, err
}

func timer() error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// inUserNamespace says whether not all users of the machine are users here.
func inUserNamespace() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(b))
	return err == nil && (len(f) != 3 || f[0] != "0" || f[1] != "0" || f[2] != "4294967295")
}
