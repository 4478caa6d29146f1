package lab

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/vnet"
)

// Emulated runs programs in network namespaces of this machine (package emulator). The process must be
// one that may make them: see emulator.Enter.
type Emulated struct{}

// Host makes a namespace.
func (Emulated) Host(site *vnet.Site, name string, addrs []netip.Addr, names map[string]netip.Addr) (Machine, error) {
	ns, err := emulator.Attach(site, name, emulator.Config{Addrs: addrs, Hosts: names})
	if err != nil {
		return nil, err
	}
	return machine{ns}, nil
}

// machine is a namespace.
type machine struct{ ns *emulator.Namespace }

func (m machine) Close() error { return m.ns.Close() }

func (m machine) Start(run, env []string, dir string, output io.Writer) (Process, error) {
	c := m.ns.Command(run[0], run[1:]...)
	c.Env, c.Dir = env, dir
	both := &inTurn{to: output}
	c.Stdout, c.Stderr = both, both
	if err := c.Start(); err != nil {
		return nil, err
	}
	return process{c}, nil
}

// inTurn lets one write at a time.
type inTurn struct {
	mu sync.Mutex
	to io.Writer
}

func (w *inTurn) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}

// Bound reads the table of the namespace.
func (m machine) Bound(port uint16) bool {
	bound := false
	_ = m.ns.Do(func() error {
		for _, file := range []string{"/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"} {
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(b)) {
				// "sl local_address ...": the port is four hexadecimal digits behind the address.
				if f := strings.Fields(line); len(f) > 1 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
					bound = true
				}
			}
		}
		return nil
	})
	return bound
}

// process is a program in a namespace.
type process struct{ *emulator.Cmd }

// Status is the exit status, 128+n if a signal has ended it.
func (p process) Status() int {
	var exit *emulator.ExitError
	switch err := p.Wait(); {
	case errors.As(err, &exit):
		return exit.Code
	case err != nil:
		return -1
	}
	return 0
}

func (p process) Stop() error { return p.Signal(syscall.SIGTERM) }
