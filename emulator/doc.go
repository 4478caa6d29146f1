// Package emulator puts real programs into a lab of package vnet: unmodified, behind any NAT, without Docker and,
// where the system allows, without root. Linux only; elsewhere everything is [ErrUnsupported].
//
// It is for whoever wants to see a program, or a socket of the operating system's, behind a NAT of exactly known
// behaviour, with each packet and each drop in the lab's trace.
//
//	func TestMain(m *testing.M) { os.Exit(emulator.Main(m)) } // without root: once more in a user namespace
//
//	lab, _ := vnet.New(vnet.Config{})  // on the real clock: outside of a bubble
//	home, _ := gateway.Inside().AddSite("home", vnet.SiteConfig{Prefix: netip.MustParsePrefix("192.168.1.0/24"), Hosts: vnet.Native})
//	phone, _ := emulator.Attach(home, "phone", emulator.Config{Addrs: []netip.Addr{netip.MustParseAddr("192.168.1.10")}})
//	defer phone.Close()
//
//	err := phone.Command("ping", "-c", "1", "203.0.113.10").Run() // a program
//	conn, _ := phone.ListenUDP(netip.MustParseAddrPort("0.0.0.0:5060")) // a socket of this process
//
// # How it works
//
// A [Namespace] is a network namespace that has no name: a descriptor of this process and the processes in it keep it
// alive, so nothing of it is left when they end, however they end. In it is lo and one interface, which is read
// and written here and joined to the site by a vnet.Port: a TUN device, or where /dev/net/tun is not to be had one end
// of a veth pair whose other end is a memory-mapped packet socket. There is no route to the host's network.
//
// TCP comes from the kernel in pieces of up to 64 KiB (TSO), and goes so through the core as long as no link on its way
// could tell the segments apart; see vnet.Frame. What the kernel sends by itself to link-local addresses (multicast
// listener reports and the like) ends here and is counted; no NAT would ever see it.
//
// A program runs as a child of a small init in a pid and a mount namespace of its own: a re-execution of this very
// program, which package emulator recognises before main runs. It has a /proc of its own, /etc/hosts and
// /etc/resolv.conf with the names of the lab, of which nothing is on a disk, and dies with all its descendants when the
// namespace is closed or this process ends, by kill -9 too.
//
// # What it is not
//
// No container: the program sees the host's files, and its sockets in the file system.
package emulator
