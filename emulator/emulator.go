package emulator

import (
	"errors"
	"fmt"
	"net/netip"
)

// Errors of this package.
var (
	// ErrUnsupported says that this is no Linux.
	ErrUnsupported = errors.New("emulator: real programs need the network namespaces of Linux")
	// ErrNoNamespace says that this machine lets us make no network namespace.
	ErrNoNamespace = errors.New("emulator: make network namespace: neither root nor user namespaces will do")
	// ErrNoDevice says that there is no way to read what a namespace sends.
	ErrNoDevice = errors.New("emulator: neither a TUN device nor a packet socket can be had")
	// ErrVirtualClock says that the lab was made in a bubble, whose time real programs do not share.
	ErrVirtualClock = errors.New("emulator: the lab has a virtual clock: make it outside of a bubble")
	// ErrClosed is returned by what needs a namespace that is there.
	ErrClosed = errors.New("emulator: namespace closed")
)

// Driver says what is read and written at the end of a namespace.
type Driver uint8

// The drivers.
const (
	Auto Driver = iota // TUN where it can be had, else Ring
	TUN                // a TUN device
	Ring               // a veth pair and a memory-mapped packet socket
)

var driverNames = [...]string{"auto", "tun", "ring"}

// String is the driver's name in lower case.
func (d Driver) String() string {
	if int(d) < len(driverNames) {
		return driverNames[d]
	}
	return fmt.Sprintf("Driver(%d)", uint8(d))
}

// Config says what a namespace has.
type Config struct {
	// Addrs are its addresses, in the prefix of the site: one at least. The default route is by the first address of
	// that prefix, which is the site's router.
	Addrs []netip.Addr
	// MTU is that of the interface; 0 is 1500.
	MTU    int
	Driver Driver
	// Hosts are the names that its programs find in /etc/hosts, beside localhost.
	Hosts map[string]netip.Addr
	// DNS are the servers in their /etc/resolv.conf, Search the domain to look in.
	DNS    []netip.Addr
	Search string
}

const defaultMTU = 1500

func (c Config) check() error {
	switch {
	case len(c.Addrs) == 0:
		return errors.New("it has no address")
	case c.MTU != 0 && (c.MTU < 68 || c.MTU > 65535):
		return fmt.Errorf("MTU %d: want 68 to 65535 bytes", c.MTU)
	case c.Driver > Ring:
		return fmt.Errorf("%v: want auto, tun or ring", c.Driver)
	}
	for _, a := range c.Addrs {
		if a.Is6() && c.MTU != 0 && c.MTU < 1280 {
			return fmt.Errorf("MTU %d: IPv6 needs 1280 (RFC 8200 section 5)", c.MTU)
		}
	}
	return nil
}

// Stats counts what passed between a namespace and its site. Every packet that the interface has given is in one of
// Sent and Local, or was lost in the kernel and is in Overrun.
type Stats struct {
	Sent      uint64 // packets to the site; several segments in one are one
	Local     uint64 // what the kernel sends to link-local and multicast addresses by itself; it ends here
	Received  uint64 // packets from the site
	Failed    uint64 // of these, those that the kernel has refused
	Overrun   uint64 // what a program has sent and nobody has read in time
	Reads     uint64 // batches
	Writes    uint64 // system calls
	Coalesced uint64 // datagrams written together with the one before
}

// ExitError says how a program ended that did not end well.
type ExitError struct {
	Name string
	Code int // its exit status, 128+n if signal n ended it
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("emulator: run %s: exit status %d", e.Name, e.Code)
}
