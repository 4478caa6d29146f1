package emulator

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// insideVar marks a process that Enter has started.
const insideVar = "NATPROOF_IN_USER_NAMESPACE"

// Enter makes sure that this process may make network namespaces. If it may, it returns true. Otherwise it runs this
// very program again, as root of a user namespace, hands it the signals that come meanwhile, and returns its exit
// status. Whoever needs namespaces calls it first, before anything is done twice.
func Enter() (here bool, code int, err error) {
	if os.Getenv(insideVar) != "" || mayUnshare() {
		os.Unsetenv(insideVar) // is nobody else's business
		return true, 0, nil
	}
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: os.Args, Env: append(os.Environ(), insideVar+"=1"),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{
			Pdeathsig:   syscall.SIGKILL,
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		},
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals)
	defer close(signals)
	defer signal.Stop(signals)
	runtime.LockOSThread() // the child dies with this thread
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return false, 0, fmt.Errorf("%w: %w", ErrNoNamespace, err)
	}
	go func() {
		for s := range signals {
			if number, ok := s.(syscall.Signal); ok && !FromTerminal(number) && number != unix.SIGCHLD && number != unix.SIGURG {
				_ = cmd.Process.Signal(s)
			}
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, 0, fmt.Errorf("emulator: run in a user namespace: %w", err)
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return false, 128 + int(ws.Signal()), nil
	}
	return false, cmd.ProcessState.ExitCode(), nil
}

// Main is for TestMain: it runs the tests where namespaces may be made, and returns what is to be exited with. Where
// none may be made the tests run all the same, and what needs one fails with ErrNoNamespace.
func Main(m interface{ Run() int }) int {
	here, code, err := Enter()
	if here || err != nil {
		return m.Run()
	}
	return code
}

// mayUnshare tries it.
func mayUnshare() bool {
	return onThread(func() error { return unix.Unshare(unix.CLONE_NEWNET) }) == nil
}

// FromTerminal says whether a signal is one that a terminal sends to the whole foreground process group, in which this
// process is: its children have got it already.
func FromTerminal(s os.Signal) bool {
	if s != unix.SIGINT && s != unix.SIGQUIT && s != unix.SIGTSTP && s != unix.SIGWINCH {
		return false
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	foreground, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && foreground == unix.Getpgrp()
}
