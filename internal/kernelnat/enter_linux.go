package kernelnat

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// childVar marks a process that Enter started.
const childVar = "NATPROOF_KERNELNAT_NAMESPACE"

// ErrNoNamespace says that this machine lets us make no network namespace.
var ErrNoNamespace = errors.New("kernelnat: make network namespace: neither root nor user namespaces will do")

// Enter makes sure that this process may make network namespaces. If it may, Enter
// returns here true. Otherwise it runs this very program again as root of a user
// namespace and returns its exit code.
func Enter() (here bool, code int, err error) {
	if os.Getenv(childVar) != "" || mayUnshare() {
		return true, 0, nil
	}
	self, err := os.Executable()
	if err != nil {
		return false, 0, fmt.Errorf("kernelnat: find this program: %w", err)
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), childVar+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Start(); err != nil {
		return false, 0, fmt.Errorf("%w: %w", ErrNoNamespace, err)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, 0, fmt.Errorf("kernelnat: run in the user namespace: %w", err)
	}
	return false, cmd.ProcessState.ExitCode(), nil
}

// mayUnshare tries it, on a thread that is thrown away.
func mayUnshare() bool {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		result <- unix.Unshare(unix.CLONE_NEWNET)
	}()
	return <-result == nil
}
