package emulator

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// configure gives the interface its addresses, its MTU and the routes. It runs in the namespace.
func configure(name string, site netip.Prefix, cfg Config) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("lo up: %w", err)
	}
	quiet(name, cfg)
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	mtu := cfg.MTU
	if mtu == 0 {
		mtu = defaultMTU
	}
	if err := netlink.LinkSetMTU(link, mtu); err != nil {
		return fmt.Errorf("MTU of %d: %w", mtu, err)
	}
	_ = netlink.LinkSetTxQLen(link, queueLen) // needs a capability that root of a user namespace has not
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("%s up: %w", name, err)
	}
	if err := address(link, site, cfg.Addrs); err != nil {
		return err
	}
	return wait(name, cfg.Addrs)
}

// address gives the interface its addresses and the default route.
func address(link netlink.Link, site netip.Prefix, addrs []netip.Addr) error {
	for _, a := range addrs {
		at := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(site.Bits(), a.BitLen())}}
		if a.Is6() {
			at.Flags = unix.IFA_F_NODAD // there is nobody who could have it too (RFC 4862 section 5.4)
		}
		if err := netlink.AddrAdd(link, at); err != nil {
			return fmt.Errorf("address %v: %w", a, err)
		}
	}
	router := site.Addr().Next()
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: router.AsSlice()}); err != nil {
		return fmt.Errorf("default route to %v: %w", router, err)
	}
	return nil
}

// readdress takes all addresses off the interface, and with them its routes, and gives it others.
func readdress(name string, site netip.Prefix, addrs []netip.Addr) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	old, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range old {
		if err := netlink.AddrDel(link, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) { // a second one goes with the first
			return fmt.Errorf("remove address %v: %w", a, err)
		}
	}
	everything := &net.IPNet{IP: make(net.IP, addrs[0].BitLen()/8), Mask: net.CIDRMask(0, addrs[0].BitLen())}
	if err := netlink.RouteDel(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: everything}); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("remove the default route: %w", err) // it may have gone with the last address
	}
	if err := address(link, site, addrs); err != nil {
		return err
	}
	return wait(name, addrs)
}

// wait waits for what the kernel does in the background: it says that the interface is up, without which some programs do
// not use it (IFF_RUNNING), and takes what is for its IPv6 addresses.
func wait(name string, addrs []netip.Addr) error {
	for range 5000 {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find %s: %w", name, err)
		}
		if link.Attrs().OperState != netlink.OperDown && !slices.ContainsFunc(addrs, notTaken) {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Errorf("%s does not come up", name)
}

// notTaken says whether the kernel does not take what is for an address of its own yet.
func notTaken(a netip.Addr) bool {
	routes, err := netlink.RouteGet(a.AsSlice())
	return err != nil || !slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Type == unix.RTN_LOCAL })
}

// queueLen is how many packets wait to be read.
const queueLen = 4000

// quiet has the kernel send nothing by itself where it can be told so; what it sends all the same is of link-local
// addresses, see local.
func quiet(name string, cfg Config) {
	set := func(key, value string) { _ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/"+key, []byte(value), 0) }
	for _, a := range cfg.Addrs {
		if a.Is6() {
			set("addr_gen_mode", "1") // no link-local address
			set("accept_ra", "0")
			set("router_solicitations", "0")
			return
		}
	}
	set("disable_ipv6", "1")
}

// overruns are the packets that were sent and had no room to wait in.
func overruns(name string) (uint64, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return 0, err
	}
	if s := link.Attrs().Statistics; s != nil {
		return s.TxDropped, nil
	}
	return 0, nil
}

// local says whether a packet is none that a router would take on: from or to a link-local address, to a multicast
// group, or of a host that has no address yet (RFC 4291 sections 2.5.2, 2.5.6 and 2.7, RFC 3376).
func local(b []byte) bool {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		return b[9] == unix.IPPROTO_IGMP
	case len(b) >= 40 && b[0]>>4 == 6:
		return b[24] == 0xff || linkLocal(b[8:24]) || linkLocal(b[24:40]) || netip.AddrFrom16([16]byte(b[8:24])).IsUnspecified()
	}
	return false
}

// linkLocal is fe80::/10.
func linkLocal(b []byte) bool { return b[0] == 0xfe && b[1]&0xc0 == 0x80 }
