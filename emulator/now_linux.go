package emulator

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The descriptors of devices do not block. Go's scheduler need not be told of calls that return at once, which costs as
// much as some of them, and wakes threads that have nothing to do.

// readNow is read(2).
func readNow(fd int, b []byte) (int, unix.Errno) {
	n, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), e
}

// writeNow is writev(2).
func writeNow(fd int, parts []unix.Iovec) error {
	for {
		_, _, e := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(parts))), uintptr(len(parts)))
		switch e {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return e
		}
	}
}

// sendNow is sendmmsg(2).
func sendNow(fd int, all []mmsghdr) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(all))), uintptr(len(all)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), e
}
