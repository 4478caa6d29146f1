package kernelnat

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// ctnetlink speaks to the connection tracking of the namespace (nfnetlink_conntrack).
type ctnetlink struct {
	fd  int
	seq uint32
}

// Message numbers of linux/netfilter/nfnetlink_conntrack.h.
const (
	ctGet    = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1
	ctDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2
)

func openConntrack() (*ctnetlink, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("kernelnat: open netlink: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("kernelnat: bind netlink: %w", err)
	}
	return &ctnetlink{fd: fd}, nil
}

func (c *ctnetlink) close() error { return unix.Close(c.fd) }

// flush ends every connection.
func (c *ctnetlink) flush() error {
	_, err := c.request(ctDelete, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	return err
}

// sweep removes the connections whose time is over: the kernel itself does so
// only when it comes across them, or within a minute. It returns how many are left.
func (c *ctnetlink) sweep() (int, error) {
	return c.request(ctGet, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
}

// request sends one request and reads its answer to the end. It returns the number
// of connections in it.
func (c *ctnetlink) request(kind, flags uint16) (int, error) {
	c.seq++
	msg := make([]byte, unix.NLMSG_HDRLEN+4) // header and nfgenmsg: any family
	binary.NativeEndian.PutUint32(msg[0:], uint32(len(msg)))
	binary.NativeEndian.PutUint16(msg[4:], kind)
	binary.NativeEndian.PutUint16(msg[6:], flags)
	binary.NativeEndian.PutUint32(msg[8:], c.seq)
	if err := unix.Sendto(c.fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("kernelnat: ask conntrack: %w", err)
	}
	count := 0
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(c.fd, buf, 0)
		if err != nil {
			return 0, fmt.Errorf("kernelnat: read conntrack: %w", err)
		}
		for b := buf[:n]; len(b) >= unix.NLMSG_HDRLEN; {
			size := int(binary.NativeEndian.Uint32(b))
			if size < unix.NLMSG_HDRLEN || size > len(b) {
				return 0, fmt.Errorf("kernelnat: read conntrack: message of %d bytes", size)
			}
			switch kind := binary.NativeEndian.Uint16(b[4:]); kind {
			case unix.NLMSG_DONE:
				return count, nil
			case unix.NLMSG_ERROR:
				if code := int32(binary.NativeEndian.Uint32(b[unix.NLMSG_HDRLEN:])); code != 0 {
					return 0, fmt.Errorf("kernelnat: conntrack: %w", unix.Errno(-code))
				}
				return count, nil
			default:
				count++
			}
			b = b[min((size+3)&^3, len(b)):]
		}
	}
}
