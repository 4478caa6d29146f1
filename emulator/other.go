//go:build !linux

package emulator

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"

	"github.com/natproof/natproof/vnet"
)

// Namespace is a network namespace of Linux: here there is none.
type Namespace struct{}

// Attach is ErrUnsupported.
func Attach(*vnet.Site, string, Config) (*Namespace, error) { return nil, ErrUnsupported }

// Enter is ErrUnsupported.
func Enter() (here bool, code int, err error) { return true, 0, ErrUnsupported }

// TryTUN is ErrUnsupported.
func TryTUN() (together bool, err error) { return false, ErrUnsupported }

// TryVeth is ErrUnsupported.
func TryVeth() error { return ErrUnsupported }

// Main runs the tests.
func Main(m interface{ Run() int }) int { return m.Run() }

// FromTerminal is false.
func FromTerminal(os.Signal) bool { return false }

// Name is empty.
func (*Namespace) Name() string { return "" }

// Addr is none.
func (*Namespace) Addr() netip.Addr { return netip.Addr{} }

// Addrs are none.
func (*Namespace) Addrs() []netip.Addr { return nil }

// Port is nil.
func (*Namespace) Port() *vnet.Port { return nil }

// Path is empty.
func (*Namespace) Path() string { return "" }

// Stats are zero.
func (*Namespace) Stats() Stats { return Stats{} }

// Err is ErrUnsupported.
func (*Namespace) Err() error { return ErrUnsupported }

// Move is ErrUnsupported.
func (*Namespace) Move(*vnet.Site, ...netip.Addr) error { return ErrUnsupported }

// Do is ErrUnsupported.
func (*Namespace) Do(func() error) error { return ErrUnsupported }

// ListenUDP is ErrUnsupported.
func (*Namespace) ListenUDP(netip.AddrPort) (*net.UDPConn, error) { return nil, ErrUnsupported }

// ListenTCP is ErrUnsupported.
func (*Namespace) ListenTCP(netip.AddrPort) (*net.TCPListener, error) { return nil, ErrUnsupported }

// Forward is ErrUnsupported.
func (*Namespace) Forward(string, netip.AddrPort, string) error { return ErrUnsupported }

// Dial is ErrUnsupported.
func (*Namespace) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, ErrUnsupported
}

// Close does nothing.
func (*Namespace) Close() error { return nil }

// Command is a program that cannot be run.
func (n *Namespace) Command(name string, args ...string) *Cmd {
	return n.CommandContext(context.Background(), name, args...)
}

// CommandContext is Command.
func (*Namespace) CommandContext(_ context.Context, name string, args ...string) *Cmd {
	return &Cmd{Path: name, Args: append([]string{name}, args...)}
}

// Cmd is a program that cannot be run.
type Cmd struct {
	Path string
	Args []string
	Env  []string
	Dir  string

	Stdin          io.Reader
	Stdout, Stderr io.Writer
	ExtraFiles     []*os.File
}

// Start is ErrUnsupported.
func (*Cmd) Start() error { return ErrUnsupported }

// Wait is ErrUnsupported.
func (*Cmd) Wait() error { return ErrUnsupported }

// Ended is closed.
func (*Cmd) Ended() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// Run is ErrUnsupported.
func (*Cmd) Run() error { return ErrUnsupported }

// Output is ErrUnsupported.
func (*Cmd) Output() ([]byte, error) { return nil, ErrUnsupported }

// CombinedOutput is ErrUnsupported.
func (*Cmd) CombinedOutput() ([]byte, error) { return nil, ErrUnsupported }

// Signal is ErrUnsupported.
func (*Cmd) Signal(os.Signal) error { return ErrUnsupported }

// Kill is ErrUnsupported.
func (*Cmd) Kill() error { return ErrUnsupported }

// Pid is 0.
func (*Cmd) Pid() int { return 0 }

// ExitCode is -1.
func (*Cmd) ExitCode() int { return -1 }
