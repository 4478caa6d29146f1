package emulator

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// netns is a network namespace that nothing but this descriptor, and the processes and sockets in it, keep alive: there
// is no name and no mount to be removed.
type netns struct{ fd int }

// newNetns makes one and has setup run in it.
func newNetns(setup func(*netns) error) (*netns, error) {
	n := &netns{fd: -1}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("%w: %w", ErrNoNamespace, err)
		}
		var err error
		if n.fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open it: %w", err)
		}
		return setup(n)
	})
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// do has f run in the namespace.
func (n *netns) do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("emulator: enter network namespace: %w", err)
		}
		return f()
	})
}

func (n *netns) close() {
	if n.fd >= 0 {
		unix.Close(n.fd)
	}
	n.fd = -1
}

// onThread has f run on a thread of its own, which ends with it: a thread that has been to another namespace is never
// used again.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		done <- f()
	}()
	return <-done
}
