package phones

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

// Config says how a program is started. The zero value is fine for those that are known.
type Config struct {
	// Path is the program; empty is its usual name, looked for in PATH.
	Path string
	// Args are put after the arguments that it is started with.
	Args []string
	// Set are settings of it, by names that are its own: see the function that makes it.
	Set map[string]string
}

// ErrProgram is wrapped by what goes wrong with a program itself.
var ErrProgram = errors.New("phones: program")

// Driver knows how to drive a program.
type Driver struct {
	Name string // of the program, and of the driver
	Help string
	Sets []string // the names that Config.Set may have

	// prepare reads the configuration and says how a phone is started with it.
	prepare func(Config) (func(*machine) (stage.Endpoint, error), error)
}

// Known are the drivers, each for the programs of one name; the last is for all others.
func Known() []Driver { return []Driver{baresip, sipp, linphone, other} }

// For finds the driver of a program by its name, or by that of the driver.
func For(program string) Driver {
	all := Known()
	name := filepath.Base(program)
	if i := slices.IndexFunc(all, func(d Driver) bool { return d.Name == name }); i >= 0 {
		return all[i]
	}
	return other
}

// check refuses settings that the program does not have.
func (d Driver) check(c Config) error {
	for name := range c.Set {
		if !slices.Contains(d.Sets, name) {
			return fmt.Errorf("%w: %s has no setting %q: it has %s", ErrProgram, d.Name, name, strings.Join(d.Sets, ", "))
		}
	}
	return nil
}

// New is a phone of that program.
func (d Driver) New(c Config) (stage.Phone, error) {
	if err := d.check(c); err != nil {
		return stage.Phone{}, err
	}
	start, err := d.prepare(c)
	if err != nil {
		return stage.Phone{}, fmt.Errorf("%w: %s: %w", ErrProgram, d.Name, err)
	}
	return stage.Phone{Name: d.Name, Brings: true, New: func(s stage.Setup) (stage.Endpoint, error) {
		m, err := join(s, c)
		if err != nil {
			return nil, err
		}
		e, err := start(m)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%w: %s: %w", ErrProgram, d.Name, err), m.close())
		}
		return e, nil
	}}, nil
}

// machine is where a program runs: a namespace, a directory for its files, and what it has said.
type machine struct {
	stage.Setup
	cfg     Config
	ns      *emulator.Namespace
	dir     string
	said    said
	running []*emulator.Cmd
}

// join makes the machine at the seat of an end.
func join(s stage.Setup, c Config) (*machine, error) {
	m := &machine{Setup: s, cfg: c}
	var err error
	if m.dir, err = newDir(); err != nil {
		return nil, fmt.Errorf("phones: %w", err)
	}
	if m.ns, err = emulator.Attach(s.Seat.Site, s.Seat.Name, emulator.Config{
		Addrs: []netip.Addr{s.Seat.Addr},
		Hosts: map[string]netip.Addr{cell.Domain: s.Proxy.Addr(), "stun." + cell.Domain: s.STUN.Addr()},
	}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(m.dir))
	}
	return m, nil
}

// file writes a file for the program.
func (m *machine) file(name, text string) (string, error) {
	path := filepath.Join(m.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// program is the path of the program, by its usual name.
func (m *machine) program(usual string) string {
	if m.cfg.Path != "" {
		return m.cfg.Path
	}
	return usual
}

// command is the program in the namespace, whose output is kept.
func (m *machine) command(name string, args ...string) *emulator.Cmd {
	c := m.ns.Command(name, args...)
	c.Stdout, c.Stderr = &m.said, &m.said
	return c
}

// start runs the program until the machine is closed.
func (m *machine) start(c *emulator.Cmd) error {
	err := c.Start()
	if err == nil {
		m.running = append(m.running, c)
	}
	return err
}

// close ends everything that runs on the machine.
func (m *machine) close() error {
	err := m.ns.Close()
	for _, c := range m.running {
		_ = c.Wait() // it was killed
	}
	return errors.Join(err, os.RemoveAll(m.dir))
}

// address is the machine's own.
func (m *machine) address() netip.Addr { return m.Seat.Addr }

// user is the user part of its address of record.
func (m *machine) user() string { return string(m.Side) }

// said is the end of what a program has written.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// enough is how much of it is kept.
const enough = 64 << 10

// Write keeps what was written last.
func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	if over := s.text.Len() - enough; over > 0 {
		s.text.Next(over)
	}
	return len(b), nil
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// lastLine is the last line that is not empty, for errors.
func (s *said) lastLine() string {
	lines := strings.Split(strings.TrimSpace(s.String()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// Times that programs need.
const (
	startTime = 15 * time.Second       // until it can be told anything
	pollTime  = 20 * time.Millisecond  // between two looks
	quitTime  = 500 * time.Millisecond // for a last packet to leave
)
