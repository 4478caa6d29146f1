package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// Cmd is a program that runs in a namespace, as exec.Cmd is one that runs on this host. It is the only child of a small
// init that is the first process of a pid namespace: with it end all processes that it has left behind.
type Cmd struct {
	Path string
	Args []string // the first is the name
	Env  []string // nil is that of this process
	Dir  string

	Stdin          io.Reader
	Stdout, Stderr io.Writer
	ExtraFiles     []*os.File // descriptors 3 and up in the program

	ns    *Namespace
	ctx   context.Context
	err   error // the program was not found
	exec  *exec.Cmd
	ended chan struct{} // closed when it has ended
	state error
	life  *os.File // the pipe to its init: signals, and the end of it is the end

	mu sync.Mutex // of life
}

// Command is a program to be run in the namespace. A name without a slash is looked for in this process's PATH.
func (n *Namespace) Command(name string, args ...string) *Cmd {
	return n.CommandContext(context.Background(), name, args...)
}

// CommandContext is Command of a program that is killed when the context is done.
func (n *Namespace) CommandContext(ctx context.Context, name string, args ...string) *Cmd {
	found := exec.Command(name, args...)
	return &Cmd{Path: found.Path, Args: found.Args, err: found.Err, ns: n, ctx: ctx, ended: make(chan struct{})}
}

// order is what init is told.
type order struct {
	Path  string
	Args  []string
	Extra int               // how many ExtraFiles there are
	Files map[string]string // what it sees in the place of files of the host
}

// Start starts the program. A program that cannot be started is an error here.
func (c *Cmd) Start() error {
	fail := func(err error) error { return fmt.Errorf("emulator: run %s: %w", c.name(), err) }
	if c.err != nil {
		return fail(c.err)
	}
	if c.exec != nil {
		return fail(errors.New("started before"))
	}
	if err := c.ctx.Err(); err != nil {
		return fail(err)
	}
	c.ns.mu.Lock()
	defer c.ns.mu.Unlock()
	if c.ns.closed {
		return fail(ErrClosed)
	}
	control, err := newPipe()
	if err != nil {
		return fail(err)
	}
	told, err := newPipe()
	if err != nil {
		control.close()
		return fail(err)
	}
	self := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{initName, c.name()}, Env: c.Env, Dir: c.Dir,
		Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr,
		ExtraFiles: append([]*os.File{control.r, told.w}, c.ExtraFiles...),
		SysProcAttr: &syscall.SysProcAttr{
			Pdeathsig:  syscall.SIGKILL, // of the thread that starts it: it lives until the program has ended
			Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
		},
	}
	started := make(chan error, 2)
	go func() {
		started <- c.ns.net.do(func() error {
			err := self.Start()
			started <- err
			if err == nil {
				c.wait(self)
			}
			return nil
		})
	}()
	err = <-started
	control.r.Close()
	told.w.Close()
	if err != nil {
		control.close()
		told.close()
		return fail(err)
	}
	c.exec, c.life = self, control.w
	c.ns.running[c] = true
	go c.forget()
	err = json.NewEncoder(c.life).Encode(order{c.Path, c.Args, len(c.ExtraFiles), c.ns.cfg.files()})
	why, readErr := io.ReadAll(told.r)
	told.r.Close()
	switch {
	case len(why) > 0:
		err = errors.New(string(why))
	case err == nil:
		err = readErr
	}
	if err != nil {
		c.Kill()
		<-c.ended
		return fail(err)
	}
	return nil
}

// wait waits for the program, on the thread that has started it.
func (c *Cmd) wait(self *exec.Cmd) {
	err := self.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code := exit.ExitCode()
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			code = 128 + int(ws.Signal())
		}
		err = &ExitError{c.name(), code}
	}
	c.state = err
	close(c.ended)
}

// forget has the namespace know of it no more when it has ended, and kills it when its context is done.
func (c *Cmd) forget() {
	select {
	case <-c.ended:
	case <-c.ctx.Done():
		c.Kill()
		<-c.ended
	}
	c.mu.Lock()
	c.life.Close()
	c.mu.Unlock()
	c.ns.mu.Lock()
	delete(c.ns.running, c)
	c.ns.mu.Unlock()
}

// Wait waits until the program has ended, and all that it has left behind. The error is an ExitError if its status is
// not 0, and the context's if that was what killed it.
func (c *Cmd) Wait() error {
	if c.exec == nil {
		return fmt.Errorf("emulator: run %s: not started", c.name())
	}
	<-c.ended
	if err := c.ctx.Err(); err != nil && c.state != nil {
		return fmt.Errorf("emulator: run %s: %w", c.name(), err)
	}
	return c.state
}

// Ended is closed when the program has ended.
func (c *Cmd) Ended() <-chan struct{} { return c.ended }

// Run is Start and Wait.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the program and returns what it writes to stdout.
func (c *Cmd) Output() ([]byte, error) {
	var b bytes.Buffer
	c.Stdout = &b
	err := c.Run()
	return b.Bytes(), err
}

// CombinedOutput runs the program and returns what it writes to stdout and stderr.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	var b bytes.Buffer
	c.Stdout, c.Stderr = &b, &b
	err := c.Run()
	return b.Bytes(), err
}

// Signal sends the program a signal, by its init.
func (c *Cmd) Signal(s os.Signal) error {
	number, ok := s.(syscall.Signal)
	if !ok || number <= 0 || number > 64 {
		return fmt.Errorf("emulator: signal %s: %v is none", c.name(), s)
	}
	if c.exec == nil {
		return fmt.Errorf("emulator: signal %s: not started", c.name())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.life.Write([]byte{byte(number)}); err != nil {
		return fmt.Errorf("emulator: signal %s: %w", c.name(), os.ErrProcessDone)
	}
	return nil
}

// Kill ends the program and all that it has started at once.
func (c *Cmd) Kill() error {
	if c.exec == nil {
		return fmt.Errorf("emulator: kill %s: not started", c.name())
	}
	return c.exec.Process.Kill()
}

// Pid is the number of its init on this host: 0 before Start.
func (c *Cmd) Pid() int {
	if c.exec == nil {
		return 0
	}
	return c.exec.Process.Pid
}

// ExitCode is the program's exit status, 128+n if signal n has ended it; -1 as long as it runs.
func (c *Cmd) ExitCode() int {
	select {
	case <-c.ended:
	default:
		return -1
	}
	var exit *ExitError
	switch {
	case c.state == nil:
		return 0
	case errors.As(c.state, &exit):
		return exit.Code
	}
	return -1
}

func (c *Cmd) name() string {
	if len(c.Args) > 0 {
		return c.Args[0]
	}
	return c.Path
}

// String is the command line.
func (c *Cmd) String() string { return strings.Join(c.Args, " ") }

type pipe struct{ r, w *os.File }

func newPipe() (p pipe, err error) {
	p.r, p.w, err = os.Pipe()
	return p, err
}

func (p pipe) close() {
	p.r.Close()
	p.w.Close()
}
