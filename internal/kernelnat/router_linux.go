package kernelnat

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Router is a router between two interfaces, in0 and out0, that the test itself is
// the other end of: the kernel, in a network namespace of the router's own. Routers
// do not know of each other and may be used at the same time.
type Router struct {
	tuns   [2]*tun
	ct     *ctnetlink
	sentry uint32
	home   chan func() // runs within the namespace
}

// patience is how long a sentinel may take; it is never waited for in full unless
// the router is broken.
const patience = 20 * time.Second

// NewRouter makes the namespace, the interfaces, addresses and routes. The process
// needs the right to do so: see Enter.
func NewRouter() (*Router, error) {
	r := &Router{home: make(chan func())}
	entered := make(chan error)
	go func() {
		// The thread belongs to the namespace from here on. It is never unlocked, so that it
		// ends with this goroutine instead of returning to the pool.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		entered <- err
		if err != nil {
			return
		}
		for f := range r.home {
			f()
		}
	}()
	if err := <-entered; err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoNamespace, err)
	}
	if err := r.within(r.open); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// within runs f on the thread that is in the namespace.
func (r *Router) within(f func() error) (err error) {
	done := make(chan struct{})
	r.home <- func() {
		defer close(done)
		err = f()
	}
	<-done
	return err
}

func (r *Router) open() error {
	var err error
	for side, name := range []string{Inside: "in0", Outside: "out0"} {
		if r.tuns[side], err = openTUN(name); err != nil {
			return err
		}
	}
	if r.ct, err = openConntrack(); err != nil {
		return err
	}
	settings := []string{
		"net.ipv4.ip_forward=1",
		"net.ipv4.conf.all.rp_filter=0",
		"net.ipv4.conf.default.rp_filter=0",
		"net.ipv4.conf.in0.rp_filter=0",
		"net.ipv4.conf.out0.rp_filter=0",
		"net.ipv4.conf.all.send_redirects=0",
		"net.ipv4.conf.in0.send_redirects=0",
		"net.ipv4.conf.out0.send_redirects=0",
		"net.ipv4.icmp_ratelimit=0",
		"net.ipv4.icmp_ratemask=0",
	}
	for _, s := range settings {
		if err := sysctl(s); err != nil {
			return err
		}
	}
	_ = sysctl("net.ipv6.conf.all.disable_ipv6=1") // a kernel without IPv6 will do
	var batch strings.Builder
	fmt.Fprintln(&batch, "link set lo up")
	fmt.Fprintf(&batch, "addr add %v/32 dev in0\n", RouterInside)
	for _, a := range External {
		fmt.Fprintf(&batch, "addr add %v/32 dev out0\n", a)
	}
	fmt.Fprintln(&batch, "link set in0 up")
	fmt.Fprintln(&batch, "link set out0 up")
	fmt.Fprintf(&batch, "route add %v dev in0\n", insideNet)
	fmt.Fprintf(&batch, "route add default dev out0 src %v\n", External[0])
	return run("ip", batch.String(), "-batch", "-")
}

// run runs a command with the input given.
func run(name, input string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kernelnat: run %s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Sysctl sets "name=value" within the namespace.
func (r *Router) Sysctl(setting string) error {
	return r.within(func() error { return sysctl(setting) })
}

func sysctl(setting string) error {
	name, value, ok := strings.Cut(setting, "=")
	if !ok {
		return fmt.Errorf("kernelnat: set %q: no value", setting)
	}
	path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return fmt.Errorf("kernelnat: set %s: %w", name, err)
	}
	return nil
}

// Install replaces the whole ruleset of the namespace and forgets every connection.
func (r *Router) Install(ruleset string) error {
	err := r.within(func() error {
		return run("nft", "flush ruleset\n"+sentinelRules+ruleset, "-f", "-")
	})
	if err != nil {
		return err
	}
	return r.ct.flush()
}

// Flush forgets every connection.
func (r *Router) Flush() error { return r.ct.flush() }

// Sweep lets the kernel drop the connections whose time is over; it returns how many
// are left.
func (r *Router) Sweep() (int, error) { return r.ct.sweep() }

// Close removes the interfaces and the namespace.
func (r *Router) Close() error {
	close(r.home)
	var errs []error
	for _, t := range r.tuns {
		if t != nil {
			errs = append(errs, t.close())
		}
	}
	if r.ct != nil {
		errs = append(errs, r.ct.close())
	}
	return errors.Join(errs...)
}

var sentinelRules = fmt.Sprintf(`
table ip sentinel {
	chain prerouting {
		type filter hook prerouting priority raw; policy accept;
		ip saddr { %v, %v } notrack
	}
}
`, sentinelHost, sentinelServer)

// Send lets the packet arrive at the router from that side and returns everything
// the router sends in consequence. A second packet sent after it, which the router
// passes unchanged, shows when all is said: the silence of a drop need not be
// waited for.
func (r *Router) Send(from Side, p Packet) ([]Emission, error) {
	if err := r.tuns[from].write(p.Marshal()); err != nil {
		return nil, err
	}
	guard := r.guard(from)
	if err := r.tuns[from].write(guard.Marshal()); err != nil {
		return nil, err
	}
	far := from.Other()
	all, err := r.drain(far, guard)
	if err != nil {
		return nil, err
	}
	back, err := r.drain(from, Packet{})
	return append(all, back...), err
}

// guard returns the next sentinel from a side.
func (r *Router) guard(from Side) Packet {
	r.sentry++
	guard := Packet{
		Proto: UDP, Tag: r.sentry,
		Src: netip.AddrPortFrom(sentinelHost, 9), Dst: netip.AddrPortFrom(sentinelServer, 9),
	}
	if from == Outside {
		guard.Src, guard.Dst = guard.Dst, guard.Src
	}
	return guard
}

// drain reads what the router sends on one side, up to the sentinel if there is one
// to come.
func (r *Router) drain(side Side, guard Packet) ([]Emission, error) {
	within := time.Duration(0)
	if guard.Tag != 0 {
		within = patience
	}
	var all []Emission
	for {
		b, err := r.tuns[side].read(within)
		if err != nil {
			return nil, err
		}
		if b == nil {
			if guard.Tag != 0 {
				return nil, fmt.Errorf("kernelnat: the sentinel did not pass the router within %v", patience)
			}
			return all, nil
		}
		p, err := Parse(b)
		if errors.Is(err, ErrForeign) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if guard.Tag != 0 && p.Src == guard.Src && p.Dst == guard.Dst {
			if p.Tag != guard.Tag {
				continue
			}
			return all, nil
		}
		all = append(all, Emission{side, p})
	}
}
