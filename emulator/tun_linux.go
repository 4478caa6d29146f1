package emulator

import (
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/vnet"
)

const (
	interfaceName = "eth0"
	maxBatch      = 64
	// arena holds a batch: 64 packets, or some of the pieces of 64 KiB that TCP comes in.
	arena    = 512 << 10
	maxFrame = virtioLen + 65535 + 40
)

// tun is a TUN device with a header before each packet (struct virtio_net_hdr of linux/virtio_net.h), which says what
// of the checksums and of the segmentation has been left to the device.
type tun struct {
	file   *os.File
	raw    syscall.RawConn
	buf    []byte
	frames []vnet.Frame
	fail   error
	read   func(fd uintptr) bool // bound once
	writer
}

// openTUN makes the device, in the namespace.
func openTUN() (*tun, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	fail := func(what string, err error) (*tun, error) {
		unix.Close(fd)
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	req, err := unix.NewIfreq(interfaceName)
	if err != nil {
		return fail("name the interface", err)
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return fail("make a TUN device", err)
	}
	// A kernel that may hand over datagrams in one takes them so (Linux 6.2); it is not to do it, because each is a
	// packet to those that it is for.
	const tcp = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6
	together := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, tcp|unix.TUN_F_USO4|unix.TUN_F_USO6) == nil
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, tcp); err != nil {
		return fail("have TCP come in pieces", err)
	}
	t := &tun{file: os.NewFile(uintptr(fd), "tun"), buf: make([]byte, arena), frames: make([]vnet.Frame, 0, maxBatch)}
	if t.raw, err = t.file.SyscallConn(); err != nil {
		return fail("wait for it", err)
	}
	t.read = t.readAll
	t.writer = writer{fd: fd, together: together}
	return t, nil
}

// next waits for packets and returns as many as are there, up to a batch. They are valid until it is called again.
func (t *tun) next() ([]vnet.Frame, error) {
	t.frames, t.fail = t.frames[:0], nil
	if err := t.raw.Read(t.read); err != nil {
		return nil, err
	}
	return t.frames, t.fail
}

// readAll reads until there is no more; it says whether there was anything.
func (t *tun) readAll(fd uintptr) bool {
	for at := 0; len(t.frames) < maxBatch && at+maxFrame <= len(t.buf); {
		n, err := readNow(int(fd), t.buf[at:at+maxFrame])
		switch err {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return len(t.frames) > 0
		default:
			t.fail = err
			return true
		}
		b := t.buf[at : at+n]
		at += n
		t.frames = append(t.frames, unwrap(b))
	}
	return true
}

func (t *tun) close() error { return t.file.Close() }

// The header of virtio (section 5.1.6 of the virtio specification) as TUN has it: in the byte order of the machine.
const (
	virtioLen = 10

	needsChecksum = 1 // flags

	gsoNone  = 0 // what the packet is several of
	gsoTCP4  = 1
	gsoTCP6  = 4
	gsoUDP   = 5
	gsoECN   = 0x80
	maxUnder = 64 // as many datagrams as Linux takes in one (UDP_MAX_SEGMENTS)
)

var ne = binary.NativeEndian
var be = binary.BigEndian

// unwrap takes the header off a packet, and does what the sender has left to the device. What makes no sense becomes an
// empty frame, which the core drops as malformed.
func unwrap(b []byte) vnet.Frame {
	if len(b) < virtioLen {
		return vnet.Frame{}
	}
	flags, gso, size := b[0], b[1]&^gsoECN, int(ne.Uint16(b[4:]))
	start, offset := int(ne.Uint16(b[6:])), int(ne.Uint16(b[8:]))
	p := b[virtioLen:]
	if gso == gsoTCP4 || gso == gsoTCP6 {
		return vnet.Frame{IP: p, Segment: size}
	}
	if gso != gsoNone {
		return vnet.Frame{}
	}
	if flags&needsChecksum != 0 && start+offset+2 <= len(p) {
		sum := ippacket.Checksum(p[start:])
		if sum == 0 {
			sum = 0xffff // of UDP (RFC 768); the same to the others
		}
		be.PutUint16(p[start+offset:], sum)
	}
	return vnet.Frame{IP: p}
}

func iovec(b []byte) unix.Iovec {
	v := unix.Iovec{Base: unsafe.SliceData(b)}
	v.SetLen(len(b))
	return v
}
