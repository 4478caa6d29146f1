package vnet

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// kernelTimer is an alarm by a timer of the kernel. The poller of Go rounds the time to which
// it sleeps up to milliseconds, but wakes at once when a descriptor can be read.
type kernelTimer struct {
	file *os.File
	raw  syscall.RawConn
	spec unix.ItimerSpec
	arm  func(fd uintptr) // bound once
}

// newAlarm makes a timer of the kernel, or one of Go where there is no descriptor left.
func newAlarm() alarm {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return newSleeper()
	}
	k := &kernelTimer{file: os.NewFile(uintptr(fd), "timerfd")}
	if k.raw, err = k.file.SyscallConn(); err != nil {
		k.file.Close()
		return newSleeper()
	}
	k.arm = func(fd uintptr) { _ = unix.TimerfdSettime(int(fd), 0, &k.spec, nil) }
	return k
}

func (k *kernelTimer) set(t time.Time) {
	k.spec.Value = unix.NsecToTimespec(max(1, int64(time.Until(t)))) // zero would disarm it
	_ = k.raw.Control(k.arm)
}

func (k *kernelTimer) wait() bool {
	var expirations [8]byte
	_, err := k.file.Read(expirations[:])
	return err == nil
}

func (k *kernelTimer) close() { _ = k.file.Close() }
