package lab

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/vnet"
)

// Programs runs real programs on hosts of a lab. [Emulated] is one.
type Programs interface {
	// Host puts a host on a site, whose programs find these names.
	Host(site *vnet.Site, name string, addrs []netip.Addr, names map[string]netip.Addr) (Machine, error)
}

// Machine is a host with real programs.
type Machine interface {
	// Start starts a program, which writes what it says to output, from one goroutine at a time.
	Start(run, env []string, dir string, output io.Writer) (Process, error)
	// Bound says whether a UDP socket of a program has a port.
	Bound(port uint16) bool
	// Close ends all programs.
	Close() error
}

// Process is a program that runs.
type Process interface {
	Ended() <-chan struct{}
	Status() int // when it has ended
	Stop() error // asks it to end (SIGTERM)
}

// running is a program of a lab.
type running struct {
	is      *Program
	machine Machine
	heard   tail

	mu      sync.Mutex
	process Process
}

// tail is the end of what a program has said.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// colours are what terminals take for colours.
var colours = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// maxTail is how much of it is kept.
const maxTail = 64 << 10

// Write keeps the end.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if n := len(t.text) - maxTail; n > 0 {
		t.text = slices.Delete(t.text, 0, n)
	}
	return len(b), nil
}

func (t *tail) has(text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Contains(string(t.text), text)
}

// last are its last lines.
func (t *tail) last(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := colours.ReplaceAllString(strings.ToValidUTF8(string(t.text), "?"), "")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, l := range lines {
		l = l[strings.LastIndexByte(strings.TrimRight(l, "\r"), '\r')+1:] // what a terminal would show of it
		lines[i] = strings.Map(shown, strings.TrimSpace(l))
	}
	return strings.Join(lines, " | ")
}

// startPrograms starts those that do not wait for the script, each when the one before is ready.
func (p *play) startPrograms(ctx context.Context) error {
	for i := range p.file.Endpoints {
		e := &p.file.Endpoints[i]
		x, ok := e.Value.Is.(*Program)
		if !ok {
			continue
		}
		m, err := p.opts.Programs.Host(p.sites[p.file.siteOf(x.Host)], x.Host, p.file.host(x.Host).Addrs, p.file.allNames())
		if err != nil {
			return fmt.Errorf("program %s: %w", e.Name, err)
		}
		p.stops = append(p.stops, m.Close)
		r := &running{is: x, machine: m}
		p.running[e.Name] = r
		if x.OnRequest {
			continue
		}
		if err := p.start(ctx, e.Name, r); err != nil {
			return fmt.Errorf("program %s: %w", e.Name, err)
		}
	}
	return nil
}

// allNames are the hosts of the lab by name, and the domain as the first registrar.
func (f *File) allNames() map[string]netip.Addr {
	all := map[string]netip.Addr{}
	for _, h := range f.hostNames() {
		all[h] = f.host(h).Addrs[0]
	}
	for i := range f.Servers {
		if s := &f.Servers[i].Value; isRegistrar(s) {
			if _, taken := all[f.Domain]; !taken {
				all[f.Domain] = f.reached(s).Addr()
			}
		}
	}
	return all
}

// reached is where a server is reached.
func (f *File) reached(s *Server) netip.AddrPort {
	if r, ok := s.Is.(*Registrar); ok && r.Advertise.IsValid() {
		return r.Advertise
	}
	return f.addr(s)
}

// prefix begins the names of all variables that a lab sets; natproof exec uses the same.
const prefix = "NATPROOF_"

// environment are the variables that a lab sets for the program of an endpoint.
func (f *File) environment(host string) map[string]string {
	env := map[string]string{prefix + "DOMAIN": f.Domain, prefix + "ADDRESS": f.host(host).Addrs[0].String()}
	set := func(name string, at netip.AddrPort) {
		if _, taken := env[prefix+name]; !taken {
			env[prefix+name], env[prefix+name+"_ADDRESS"], env[prefix+name+"_PORT"] = at.String(), at.Addr().String(), fmt.Sprint(at.Port())
		}
	}
	for i := range f.Servers {
		set(variable(f.Servers[i].Name), f.reached(&f.Servers[i].Value))
	}
	for kind, is := range map[string]func(*Server) bool{"REGISTRAR": isRegistrar, "STUN": isSTUN, "GATEWAY": isGateway} {
		if only := f.onlyServer(is); only != "" {
			set(kind, f.reached(f.Servers.Find(only)))
		}
	}
	for _, h := range f.hostNames() {
		if name := prefix + variable(h) + "_ADDRESS"; env[name] == "" {
			env[name] = f.host(h).Addrs[0].String()
		}
	}
	return env
}

func variable(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "-", "_")) }

var variables = regexp.MustCompile(`\$\{[^}]*\}`)

// expand puts the variables of the lab into a text.
func expand(text string, env map[string]string) (string, error) {
	var err error
	text = variables.ReplaceAllStringFunc(text, func(m string) string {
		name := m[2 : len(m)-1]
		v, ok := env[name]
		if !ok && err == nil {
			err = &natmodels.UnknownError{What: "variable", Name: name, Valid: slices.Sorted(maps.Keys(env))}
		}
		return v
	})
	return text, err
}

// program checks what only a program has.
func (c *checker) program(x *Program, path string) {
	if len(x.Run) == 0 || x.Run[0] == "" {
		c.say(path+".run", fmt.Errorf("the program %w", ErrMissing))
	}
	env := c.f.environment(x.Host)
	for i, arg := range x.Run {
		if _, err := expand(arg, env); err != nil {
			c.say(fmt.Sprintf("%s.run.%d", path, i), err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(x.Env)) {
		at := path + ".env." + name
		if _, err := expand(x.Env[name], env); err != nil {
			c.say(at, err)
		}
		if name == "" || strings.ContainsAny(name, "=\x00") {
			c.say(at, fmt.Errorf("%w: %q is no name of a variable", ErrValue, name))
		}
	}
	if r := x.Ready; r != nil && r.Output == "" && r.UDP == 0 && !r.Registered {
		c.say(path+".ready", fmt.Errorf("%w: say by what: output, udp, or registered", ErrMissing))
	}
}

// usualReady is how long a program may take to be ready.
const usualReady = Duration(10 * time.Second)

// start starts a program and waits until it is ready.
func (p *play) start(ctx context.Context, name string, r *running) error {
	lab := p.file.environment(r.is.Host)
	run := make([]string, len(r.is.Run))
	for i, arg := range r.is.Run {
		run[i], _ = expand(arg, lab) // checked
	}
	env := os.Environ()
	for _, k := range slices.Sorted(maps.Keys(lab)) {
		env = append(env, k+"="+lab[k])
	}
	for _, k := range slices.Sorted(maps.Keys(r.is.Env)) {
		v, _ := expand(r.is.Env[k], lab)
		env = append(env, k+"="+v)
	}
	dir := r.is.Dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(cmp.Or(p.file.dir, "."), dir)
	}
	process, err := r.machine.Start(run, env, dir, &r.heard)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.process = process
	r.mu.Unlock()
	p.wg.Go(func() {
		<-process.Ended()
		p.record.end(name, func(e *ended) {
			e.exit = &exit{p.record.time(), process.Status()}
			e.said = append(e.said, fmt.Sprintf("%s has said: %s", name, r.heard.last(5)))
			p.record.told(LineTold, name, "has ended with status %d", process.Status())
		})
	})
	return p.ready(ctx, name, r, process)
}

// ready waits until a program is.
func (p *play) ready(ctx context.Context, name string, r *running, process Process) error {
	want := r.is.Ready
	if want == nil {
		return nil
	}
	within := cmp.Or(want.Within, usualReady)
	late := time.NewTimer(time.Duration(within))
	defer late.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		missing := p.missing(want, r)
		if missing == "" {
			return nil
		}
		select {
		case <-again.C:
		case <-process.Ended():
			return fmt.Errorf("it has ended with status %d before %s; it has said: %s", process.Status(), missing, r.heard.last(5))
		case <-late.C:
			return fmt.Errorf("it is not ready after %v: waiting until %s; it has said: %s", time.Duration(within), missing, r.heard.last(5))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// missing is what a program has not done yet, or empty.
func (p *play) missing(want *Ready, r *running) string {
	switch {
	case want.UDP != 0 && !r.machine.Bound(want.UDP):
		return fmt.Sprintf("it is bound to the UDP port %d", want.UDP)
	case want.Output != "" && !r.heard.has(want.Output):
		return fmt.Sprintf("it writes %q", want.Output)
	case want.Registered && !p.record.hasRegistered(r.is.Host):
		return "it is registered"
	}
	return ""
}

// hasRegistered says whether a 2xx for a REGISTER has reached a host so far.
func (r *record) hasRegistered(host string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range slices.Backward(r.flights.all) {
		if f.kind == vnet.Delivered && f.to == host && f.label.method == "REGISTER" && f.label.status/100 == 2 {
			return true
		}
	}
	return false
}

func (s *Start) begin(p *play) (string, work) {
	r := p.running[s.Who]
	return "is started", func(ctx context.Context) (string, error) {
		r.mu.Lock()
		begun := r.process != nil
		r.mu.Unlock()
		if begun {
			return "", fmt.Errorf("%w: it was started before", errCannot)
		}
		if err := p.start(ctx, s.Who, r); err != nil {
			return "", cannot(err)
		}
		if r.is.Ready == nil {
			return "", nil
		}
		return "is ready", nil
	}
}

func (s *Stop) begin(p *play) (string, work) {
	r := p.running[s.Who]
	return "is told to end", func(context.Context) (string, error) {
		r.mu.Lock()
		process := r.process
		r.mu.Unlock()
		if process == nil {
			return "", fmt.Errorf("%w: it does not run", errCannot)
		}
		return "", cannot(process.Stop())
	}
}

// ends waits for the programs that are expected to end, as for what the script began.
func (p *play) ends() {
	for i := range p.file.Expect {
		x, ok := p.file.Expect[i].Claim.(*Exited)
		if !ok {
			continue
		}
		r := p.running[x.Who]
		p.work.Go(func() {
			r.mu.Lock()
			process := r.process
			r.mu.Unlock()
			if process == nil {
				return
			}
			select {
			case <-process.Ended():
			case <-p.ctx.Done():
			}
		})
	}
}
