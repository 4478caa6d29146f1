package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/stunclient"
	"github.com/natproof/natproof/stunclient/attr"
)

// A Test is one thing to find out.
type Test string

// The tests. Connectivity is always done and always first.
const (
	Connectivity    Test = "connectivity"
	Filtering       Test = "filtering"
	Mapping         Test = "mapping"
	FilterScope     Test = "filter-scope"
	Hairpinning     Test = "hairpinning"
	Fragments       Test = "fragments"
	BindingLifetime Test = "lifetime" // takes several times LifetimeMax
	Classic         Test = "classic"
)

// Tests lists all tests in the order in which they are done.
func Tests() []Test {
	return []Test{Connectivity, Filtering, Mapping, FilterScope, Hairpinning, Fragments, BindingLifetime, Classic}
}

// Defaults of Config.
const (
	DefaultLifetimeMax       = 10 * time.Minute
	DefaultLifetimePrecision = time.Second
	DefaultPadding           = 1500
)

// ErrBind means that Listen opened no socket, or not the one it should: nothing was
// sent, so that nothing was found out about the network.
var ErrBind = errors.New("bind failed")

// pace is the time between new transactions: RFC 5780 allows ten a second.
const pace = 100 * time.Millisecond

// Config says what to test and how. Server, Local and Listen are needed.
type Config struct {
	Server netip.AddrPort
	// Local is the address to bind: a concrete one, because whether there is a
	// NAT is seen by comparing with it. Every test has sockets of its own.
	Local netip.Addr
	// Listen opens a UDP socket. The port it is asked for is 0: it should choose
	// one that was not used for a while (RFC 5780 section 4.1).
	Listen func(local netip.AddrPort) (net.PacketConn, error)

	// Tests are what to do; nil is all but BindingLifetime.
	Tests []Test

	// Options of the STUN client. Silence is a result here and waited for, so
	// if RTO, Rc and Rm are all zero they are not RFC 8489's, which take 39.5 s to
	// give up, but 500 ms, 5 and 4: requests at 0, 500, 1500, 3500 and 7500 ms,
	// over at 9.5 s. Other must be nil.
	Options stunclient.Options

	// LifetimeMax is the longest pause that is tried, LifetimePrecision how
	// closely the lifetime is found; 0 is the default.
	LifetimeMax       time.Duration
	LifetimePrecision time.Duration

	// Padding is how many bytes the fragment test adds to its request; 0 is
	// DefaultPadding, enough to exceed an Ethernet frame.
	Padding int
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case !c.Server.IsValid() || c.Server.Port() == 0:
		return c, fmt.Errorf("server %v: want an address and port", c.Server)
	case c.Server.Addr().IsUnspecified() || c.Server.Addr().IsMulticast():
		return c, fmt.Errorf("server %v: want the address of one host", c.Server)
	case !c.Local.IsValid() || c.Local.IsUnspecified():
		return c, fmt.Errorf("local address %v: want a concrete one", c.Local)
	case c.Local.Unmap().Is4() != c.Server.Addr().Unmap().Is4():
		return c, fmt.Errorf("local address %v and server %v are of different families", c.Local, c.Server)
	case c.Listen == nil:
		return c, errors.New("no way to open a socket: Listen is nil")
	case c.Options.Other != nil:
		return c, errors.New("Options.Other is set, but needed here")
	case c.Padding < 0 || c.Padding > attr.MaxPadding:
		return c, fmt.Errorf("padding of %d bytes: want 0 to %d", c.Padding, attr.MaxPadding)
	case c.LifetimeMax < 0 || c.LifetimePrecision < 0:
		return c, fmt.Errorf("lifetime up to %v, precision %v: want none negative", c.LifetimeMax, c.LifetimePrecision)
	}
	for _, t := range c.Tests {
		if !slices.Contains(Tests(), t) {
			return c, fmt.Errorf("test %q: want some of %q", t, Tests())
		}
	}
	c.Server = netip.AddrPortFrom(c.Server.Addr().Unmap(), c.Server.Port())
	c.Local = c.Local.Unmap()
	if c.Tests == nil {
		c.Tests = slices.DeleteFunc(Tests(), func(t Test) bool { return t == BindingLifetime })
	}
	if o := &c.Options; o.RTO == 0 && o.Rc == 0 && o.Rm == 0 {
		o.RTO, o.Rc, o.Rm = 500*time.Millisecond, 5, 4
	}
	if c.LifetimeMax == 0 {
		c.LifetimeMax = DefaultLifetimeMax
	}
	if c.LifetimePrecision == 0 {
		c.LifetimePrecision = DefaultLifetimePrecision
	}
	if c.Padding == 0 {
		c.Padding = DefaultPadding
	}
	return c, nil
}

// A session is one Run.
type session struct {
	cfg    Config
	report Report
	start  time.Time
	last   time.Time // start of the newest transaction
	// answers says of the addresses of the server that were asked, or were asked to
	// answer, whether they ever did: silence of those that do means something.
	answers map[asked]bool
	// changedAddress is CHANGED-ADDRESS, the alternate address told by RFC 3489.
	changedAddress netip.AddrPort
}

// Run does the tests one after the other. The error is the context's, a
// socket's, or that the configuration makes no sense; what the network does is
// in the report, which is as complete as it got even with an error. With ErrBind
// of the connectivity test, or an error of the configuration, it has no probes.
func Run(ctx context.Context, cfg Config) (Report, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return Report{}, fmt.Errorf("discover: config: %w", err)
	}
	s := &session{cfg: cfg, start: time.Now(), report: Report{Server: cfg.Server}, answers: map[asked]bool{}}
	for _, t := range []struct {
		test Test
		run  func(context.Context) error
	}{
		{Connectivity, s.connectivity},
		{Filtering, s.filtering},
		{Mapping, s.mapping},
		{FilterScope, s.filterScope},
		{Hairpinning, s.hairpinning},
		{Fragments, s.fragments},
		{BindingLifetime, s.lifetime},
		{Classic, s.classic},
	} {
		if t.test != Connectivity && !slices.Contains(cfg.Tests, t.test) {
			continue
		}
		// Without an address that the server saw there is nothing to test; RFC 3489
		// has a name for that.
		if t.test != Connectivity && t.test != Classic && !s.report.Mapped.IsValid() {
			continue
		}
		if err := t.run(ctx); err != nil {
			return s.report, fmt.Errorf("discover: %s: %w", t.test, err)
		}
	}
	if err := s.doubt(ctx); err != nil {
		return s.report, fmt.Errorf("discover: doubt: %w", err)
	}
	return s.report, nil
}

// connectivity is RFC 5780 section 4.2: is there a server, and what does it say.
func (s *session) connectivity(ctx context.Context) error {
	sock, err := s.open(nil)
	if err != nil {
		return err
	}
	defer sock.Close()
	rep := &s.report
	rep.Local = sock.local
	r, result, err := s.ask(ctx, Connectivity, sock, probe{to: s.cfg.Server})
	switch {
	case err != nil:
		return err
	case result == silent:
		rep.Reachable = No
		return nil
	case result != answered:
		s.note(Connectivity, "the server answers, but of no use: %s", rep.Probes[len(rep.Probes)-1].Failure)
		return nil
	}
	rep.Mapped = r.Address()
	rep.NAT = answer(rep.Mapped != rep.Local)
	rep.SamePort = answer(rep.Mapped.Port() == rep.Local.Port())
	if r.OtherAddress.IsValid() && s.usable(Connectivity, "OTHER-ADDRESS", r.OtherAddress) {
		rep.Other = r.OtherAddress
	}
	return nil
}

// usable says whether an alternate address that the server tells can serve as one.
func (s *session) usable(t Test, name string, o netip.AddrPort) bool {
	a, server := o.Addr(), s.cfg.Server
	why := ""
	switch {
	case a == server.Addr() || o.Port() == server.Port():
		why = fmt.Sprintf("shares address or port with the server %v", server)
	case a.Is4() != server.Addr().Is4():
		why = fmt.Sprintf("is of another family than the server %v", server)
	case !addressesHost(o), a.IsLoopback() && !s.cfg.Local.IsLoopback():
		why = "is not the address of another host"
	default:
		return true
	}
	s.note(t, "%s %v %s: not used", name, o, why)
	return false
}

// addressesHost says whether one could send there at all.
func addressesHost(a netip.AddrPort) bool {
	return a.Port() != 0 && !a.Addr().IsUnspecified() && !a.Addr().IsMulticast()
}

// needOther says whether the server has an alternate address, and notes if not.
func (s *session) needOther(t Test) bool {
	if s.report.Other.IsValid() {
		return true
	}
	s.note(t, "the server has no OTHER-ADDRESS")
	return false
}

func (s *session) note(t Test, format string, args ...any) {
	s.report.Notes = append(s.report.Notes, Note{t, fmt.Sprintf(format, args...)})
}
