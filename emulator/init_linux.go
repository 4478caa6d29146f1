package emulator

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// initName is the name by which this program knows that it is to be the first process of a pid namespace.
const initName = "natproof-emulator-init"

func init() {
	if len(os.Args) > 0 && os.Args[0] == initName {
		os.Exit(beInit())
	}
}

// Descriptors that init has.
const (
	controlFD = 3 // an order in JSON, then signals of a byte each; its end is that of the process that gave the order
	toldFD    = 4 // why the program cannot be started
	extraFD   = 5
)

// beInit starts the program, hands it the signals that it is sent, and returns its exit status when it has ended. It
// reaps whoever has lost his parent. All processes end with it.
func beInit() int {
	signal.Notify(make(chan os.Signal, 1)) // what the terminal sends goes to the program too
	control := os.NewFile(controlFD, "control")
	told := os.NewFile(toldFD, "told")
	refuse := func(err error) int {
		fmt.Fprint(told, err)
		told.Close()
		return 126
	}
	syscall.CloseOnExec(controlFD)
	syscall.CloseOnExec(toldFD)
	lines := bufio.NewReader(control)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return 126 // whoever gave the order is gone
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return refuse(fmt.Errorf("read the order: %w", err))
	}
	if err := mountAll(o.Files); err != nil {
		return refuse(err)
	}
	c := &exec.Cmd{Path: o.Path, Args: o.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	for i := range o.Extra {
		syscall.CloseOnExec(extraFD + i)
		c.ExtraFiles = append(c.ExtraFiles, os.NewFile(uintptr(extraFD+i), "extra"))
	}
	if err := c.Start(); err != nil {
		return refuse(err)
	}
	told.Close()
	program := c.Process.Pid
	go func() {
		for {
			s, err := lines.ReadByte()
			if err != nil {
				os.Exit(128 + int(unix.SIGKILL))
			}
			_ = unix.Kill(program, unix.Signal(s))
		}
	}()
	return reap(program)
}

// reap waits for all children until the program has ended.
func reap(program int) int {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 126
		case pid != program:
		case ws.Exited():
			return ws.ExitStatus()
		case ws.Signaled():
			return 128 + int(ws.Signal())
		}
	}
}

// mountAll gives the mount namespace its own /proc and files. What it mounts has no place on a disk, and is gone with
// the last process.
func mountAll(files map[string]string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to ourselves: %w", err)
	}
	if err := mountFiles(files); err != nil {
		return err
	}
	// In a container whose /proc has parts covered, a user namespace may not mount another: the program then sees the
	// one that is there.
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}

// mountFiles has files of the host be others. Those that are not there cannot be covered, and are left out.
func mountFiles(files map[string]string) error {
	const at = "/proc" // is everywhere, and nobody needs it just now
	if err := unix.Mount("natproof", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755"); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	defer unix.Unmount(at, unix.MNT_DETACH)
	for name, text := range files {
		to, err := filepath.EvalSymlinks(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		from := filepath.Join(at, filepath.Base(name))
		if err := writeFile(from, text); err != nil {
			return err
		}
		if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("cover %s: %w", name, err)
		}
	}
	return nil
}

func writeFile(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}
