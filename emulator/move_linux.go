package emulator

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/natproof/natproof/vnet"
)

// Move takes the namespace from its site to another one of the same lab, or to other addresses of the same, as a phone goes
// from one access to another. The interface stays and gets other addresses of the same family; what runs in it goes on, with
// sockets that are bound to where it was. What is on the way to the old place is dropped there.
func (n *Namespace) Move(site *vnet.Site, addrs ...netip.Addr) error {
	fail := func(err error) error { return fmt.Errorf("emulator: move %q: %w", n.name, err) }
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.port.Load()
	cfg := n.cfg
	cfg.Addrs = addrs
	switch err := cfg.check(); {
	case n.closed:
		return fail(ErrClosed)
	case err != nil:
		return fail(err)
	case site.Lab() != old.Site().Lab():
		return fail(errors.New("the site is of another lab"))
	case addrs[0].Is4() != old.Addrs()[0].Is4():
		return fail(fmt.Errorf("%v is of another family", addrs[0]))
	}
	if err := old.Close(); err != nil {
		return fail(err)
	}
	if err := n.attachTo(site, addrs); err != nil {
		return fail(errors.Join(err, n.attachTo(old.Site(), old.Addrs()))) // it stays where it was
	}
	return nil
}

// attachTo makes a port at a site, and gives the interface the port's addresses.
func (n *Namespace) attachTo(site *vnet.Site, addrs []netip.Addr) error {
	port, err := site.AddPort(n.name, func([]byte) {}, addrs...)
	if err != nil {
		return err
	}
	if err := n.net.do(func() error { return readdress(interfaceName, site.Prefix(), addrs) }); err != nil {
		return errors.Join(err, port.Close())
	}
	if err := port.Receive(n.dev.receive, n.dev.flush); err != nil {
		return errors.Join(err, port.Close())
	}
	n.port.Store(port)
	return nil
}
