package emulator

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/vnet"
)

// ring is the far end of a veth pair, in a namespace of its own: read through a memory-mapped packet socket
// (TPACKET_V2, packet_mmap.rst of Linux), written with sendmmsg. It is for where /dev/net/tun may not be opened.
type ring struct {
	file *os.File
	raw  syscall.RawConn
	mem  []byte

	frameSize, frames, at, used int
	batch                       []vnet.Frame
	read                        func(uintptr) bool // bound once
	fail                        error

	fd   int
	to   [2]unix.RawSockaddrLinklayer // the near end, for IPv4 and IPv6
	iovs [maxBatch]unix.Iovec
	msgs [maxBatch]mmsghdr
	n    int

	received, failed, writes, lost atomic.Uint64
}

// mmsghdr is the argument of sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

const (
	farName   = "hub0"
	ringBytes = 8 << 20
	blockSize = 64 << 10
	ringRoom  = 128 // what a frame has before the packet, at most
)

// openRing makes the pair, in the namespace that has the near end.
func openRing(mtu int) (*ring, error) {
	far, err := newNetns(func(*netns) error { return nil })
	if err != nil {
		return nil, err
	}
	defer far.close() // the socket keeps it
	near := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: interfaceName}, PeerName: farName, PeerNamespace: netlink.NsFd(far.fd), PeerMTU: 65535,
	}
	if err := netlink.LinkAdd(near); err != nil {
		return nil, fmt.Errorf("make a veth pair: %w", err)
	}
	if err := netlink.LinkSetARPOff(near); err != nil {
		return nil, fmt.Errorf("arp off: %w", err)
	}
	if err := noOffloads(interfaceName); err != nil {
		return nil, err
	}
	link, err := netlink.LinkByName(interfaceName)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", interfaceName, err)
	}
	r := &ring{frameSize: 2048}
	for r.frameSize < mtu+ringRoom {
		r.frameSize *= 2
	}
	r.frames = ringBytes / r.frameSize
	if err := far.do(func() error { return r.open(link.Attrs().HardwareAddr) }); err != nil {
		return nil, err
	}
	return r, nil
}

// open makes the socket, in the namespace of the far end.
func (r *ring) open(near []byte) error {
	quiet(farName, Config{})
	link, err := netlink.LinkByName(farName)
	if err != nil {
		return fmt.Errorf("find %s: %w", farName, err)
	}
	if err := errors.Join(netlink.LinkSetARPOff(link), netlink.LinkSetMTU(link, 65535), netlink.LinkSetUp(link)); err != nil {
		return fmt.Errorf("%s up: %w", farName, err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("packet socket: %w", err)
	}
	fail := func(what string, err error) error {
		unix.Close(fd)
		return fmt.Errorf("%s: %w", what, err)
	}
	for option, value := range map[int]int{unix.PACKET_VERSION: unix.TPACKET_V2, unix.PACKET_IGNORE_OUTGOING: 1, unix.PACKET_QDISC_BYPASS: 1} {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, option, value); err != nil {
			return fail("set an option of the packet socket", err)
		}
	}
	block := max(blockSize, r.frameSize)
	req := unix.TpacketReq{
		Block_size: uint32(block), Block_nr: uint32(ringBytes / block), Frame_size: uint32(r.frameSize), Frame_nr: uint32(r.frames),
	}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fail("make a ring", err)
	}
	if r.mem, err = unix.Mmap(fd, 0, ringBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fail("map the ring", err)
	}
	index := link.Attrs().Index
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: index}); err != nil {
		unix.Munmap(r.mem)
		return fail("bind the packet socket", err)
	}
	for i, protocol := range [2]uint16{unix.ETH_P_IP, unix.ETH_P_IPV6} {
		r.to[i] = unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Protocol: bigEndian(protocol), Ifindex: int32(index), Halen: 6}
		copy(r.to[i].Addr[:], near)
	}
	r.fd, r.file, r.read = fd, os.NewFile(uintptr(fd), "ring"), r.readAll
	r.raw, err = r.file.SyscallConn()
	return err
}

// bigEndian is a number as it is on the wire.
func bigEndian(v uint16) uint16 { return ne.Uint16(be.AppendUint16(nil, v)) }

// next waits for packets; see device.
func (r *ring) next() ([]vnet.Frame, error) {
	for ; r.used > 0; r.used-- { // those of the last batch are the kernel's again
		atomic.StoreUint32(r.status(r.at-r.used+r.frames), unix.TP_STATUS_KERNEL)
	}
	r.batch = r.batch[:0]
	if err := r.raw.Read(r.read); err != nil {
		return nil, errors.Join(err, unix.Munmap(r.mem))
	}
	if r.fail != nil {
		return nil, errors.Join(r.fail, unix.Munmap(r.mem))
	}
	return r.batch, nil
}

func (r *ring) frame(i int) []byte {
	i %= r.frames
	return r.mem[i*r.frameSize : (i+1)*r.frameSize]
}

// status is the first field of struct tpacket2_hdr (linux/if_packet.h).
func (r *ring) status(i int) *uint32 { return (*uint32)(unsafe.Pointer(&r.frame(i)[0])) }

func (r *ring) readAll(fd uintptr) bool {
	for len(r.batch) < maxBatch && atomic.LoadUint32(r.status(r.at))&unix.TP_STATUS_USER != 0 {
		f := r.frame(r.at)
		length, at := int(ne.Uint32(f[8:])), int(ne.Uint16(f[14:])) // tp_snaplen, tp_net
		r.batch = append(r.batch, vnet.Frame{IP: f[at : at+length]})
		r.at = (r.at + 1) % r.frames
		r.used++
	}
	if r.used > 0 {
		return true
	}
	if e, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); err == nil && e != 0 {
		r.fail = unix.Errno(e) // the far end is gone, with the near one
	}
	return r.fail != nil
}

// receive takes a packet from the core. The bytes are kept until flush.
func (r *ring) receive(f vnet.Frame) {
	if f.Segment > 0 {
		v, err := ippacket.Parse(f.IP)
		if err != nil {
			r.received.Add(1)
			r.failed.Add(1)
			return
		}
		parts, err := v.Segments(f.IP, f.Segment)
		if err != nil {
			r.received.Add(1)
			r.failed.Add(1)
			return
		}
		for _, b := range parts {
			r.put(b)
		}
		return
	}
	r.put(f.IP)
}

func (r *ring) put(b []byte) {
	r.received.Add(1)
	if r.n == maxBatch {
		r.flush()
	}
	to := &r.to[0]
	if b[0]>>4 == 6 {
		to = &r.to[1]
	}
	r.iovs[r.n] = iovec(b)
	r.msgs[r.n].hdr = unix.Msghdr{Name: (*byte)(unsafe.Pointer(to)), Namelen: unix.SizeofSockaddrLinklayer, Iov: &r.iovs[r.n]}
	r.msgs[r.n].hdr.SetIovlen(1)
	r.n++
}

// flush writes what waits.
func (r *ring) flush() {
	for done := 0; done < r.n; {
		k, e := sendNow(r.fd, r.msgs[done:r.n])
		r.writes.Add(1)
		switch e {
		case 0:
			done += k
		case unix.EINTR:
		default:
			r.failed.Add(1)
			done++
		}
	}
	clear(r.iovs[:r.n])
	r.n = 0
}

func (r *ring) counts(s *Stats) {
	_ = r.raw.Control(func(fd uintptr) {
		if st, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			r.lost.Add(uint64(st.Drops)) // counts from zero each time
		}
	})
	s.Received, s.Failed, s.Writes, s.Overrun = r.received.Load(), r.failed.Load(), r.writes.Load(), r.lost.Load()
}

func (r *ring) close() error { return r.file.Close() }

// noOffloads has the kernel finish packets before it hands them to the interface (ethtool -K NAME tx off tso off gso
// off): a packet socket gets them as they are.
func noOffloads(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, command := range []uint32{unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO, unix.ETHTOOL_STXCSUM} {
		value := struct{ cmd, data uint32 }{cmd: command}
		req := struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte
		}{data: unsafe.Pointer(&value)}
		copy(req.name[:unix.IFNAMSIZ-1], name)
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); e != 0 {
			return fmt.Errorf("offloads of %s off: %w", name, e)
		}
	}
	return nil
}
