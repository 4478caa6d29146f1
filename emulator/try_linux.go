package emulator

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// TryTUN makes a TUN device in a namespace of its own and lets go of it. It says whether it takes datagrams that are
// several in one.
func TryTUN() (together bool, err error) {
	n, err := newNetns(func(*netns) error {
		t, err := openTUN()
		if err != nil {
			return err
		}
		together = t.together
		return t.close()
	})
	if err == nil {
		n.close()
	}
	return together, err
}

// TryVeth makes a veth pair in a namespace of its own and lets go of it.
func TryVeth() error {
	n, err := newNetns(func(*netns) error {
		err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: interfaceName}, PeerName: farName})
		if err != nil {
			return fmt.Errorf("make a veth pair: %w", err)
		}
		return nil
	})
	if err == nil {
		n.close()
	}
	return err
}
