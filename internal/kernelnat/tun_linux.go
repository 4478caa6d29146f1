package kernelnat

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// tun is one end of the router: what is written to it arrives at the router, what
// the router sends is read from it.
type tun struct {
	name string
	fd   int
	buf  []byte
}

func openTUN(name string) (*tun, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("kernelnat: open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("kernelnat: name interface %s: %w", name, err)
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("kernelnat: make interface %s: %w", name, err)
	}
	return &tun{name: name, fd: fd, buf: make([]byte, 65536)}, nil
}

func (t *tun) write(b []byte) error {
	for {
		_, err := unix.Write(t.fd, b)
		if !errors.Is(err, unix.EINTR) {
			if err != nil {
				return fmt.Errorf("kernelnat: write to %s: %w", t.name, err)
			}
			return nil
		}
	}
}

// read returns the next packet, or nil if none came within the time given. The
// packet is valid until the next read.
func (t *tun) read(within time.Duration) ([]byte, error) {
	deadline := time.Now().Add(within)
	for {
		n, err := unix.Read(t.fd, t.buf)
		switch {
		case err == nil:
			return t.buf[:n], nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EAGAIN):
			return nil, fmt.Errorf("kernelnat: read from %s: %w", t.name, err)
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil, nil
		}
		poll := []unix.PollFd{{Fd: int32(t.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, int(left/time.Millisecond)+1); err != nil && !errors.Is(err, unix.EINTR) {
			return nil, fmt.Errorf("kernelnat: wait for %s: %w", t.name, err)
		}
	}
}

func (t *tun) close() error { return unix.Close(t.fd) }
