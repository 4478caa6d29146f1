package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/natproof/natproof/discover"
	"github.com/natproof/natproof/stunclient"
)

// stunPort is that of STUN and of behaviour discovery (RFC 8489 section 18.6).
const stunPort = 3478

// A request is sent at 0, 1, 3, 7 and 15 of these parts of --wait, which ends after 19
// (RFC 8489 section 6.2.1 with Rc 5 and Rm 4).
const waitParts = 19

// discoverFlags are those of natproof discover.
type discoverFlags struct {
	tests               []string
	local, json         string
	lifetime, precision time.Duration
	wait                time.Duration
	padding             int
	sip                 bool
}

func newDiscover(s streams) *cobra.Command {
	var f discoverFlags
	var optional []string
	for _, t := range discover.Tests()[1:] {
		if t != discover.BindingLifetime {
			optional = append(optional, string(t))
		}
	}
	cmd := &cobra.Command{
		Use:   "discover HOST[:PORT]",
		Short: "Find out which NAT this host is behind, with the help of a STUN server",
		Long: `discover asks a STUN server with two addresses (RFC 5780) how the NATs on the way
to it behave: mapping, filtering, hairpinning, fragments, rewriting of payloads,
and the name that the tree of RFC 3489 has for it. HOST is an address or a name,
of which the first IPv4 address is taken, or else the first IPv6 address; an IPv6
address with a port is written [ADDRESS]:PORT. Without a port the SRV record
_stun-behavior._udp of a name is asked for (RFC 5780); where there is none the
port is 3478.

It takes up to a minute, because silence is an answer and waited for. How long
mappings live is measured only if --lifetime says up to what; that takes several
times as long.

With --sip it looks for a SIP ALG instead, which rewrites messages of phones: HOST is
then where 'natproof serve' speaks SIP, on port 5060 without another. It compares
byte by byte what arrived there, and what came back.

Without an answer UDP is blocked, or nobody is there: that is a result as any
other, and ends with 0.

Exit codes: 0 the tests were done, whatever was found, 2 usage, 3 could not run
(no such name, no route, no socket, no such local address), 130 interrupted (what was found is
reported).`,
		Example: `  natproof discover stun.example.net
  natproof discover 192.0.2.1:3478 --test mapping,filtering --json -
  natproof discover stun.example.net --lifetime 10m
  natproof discover --sip sip.example.net`,
		Args: one("server", "HOST or HOST:PORT"),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringSliceVar(&f.tests, "test", optional, "what to test, besides whether there is an answer: "+strings.Join(optional, ","))
	cmd.Flags().DurationVar(&f.lifetime, "lifetime", 0, "measure how long mappings live, up to this; 0 does not")
	cmd.Flags().DurationVar(&f.precision, "precision", discover.DefaultLifetimePrecision, "how closely --lifetime measures")
	cmd.Flags().DurationVar(&f.wait, "wait", waitParts*500*time.Millisecond, "how long silence must last to be an answer; the tree of RFC 3489 has its own 9.5 s")
	cmd.Flags().IntVar(&f.padding, "padding", discover.DefaultPadding, "bytes that the test of fragments adds to its request")
	cmd.Flags().StringVar(&f.local, "local", "", "the local `address` to use; without it the one that routes to HOST")
	cmd.Flags().BoolVar(&f.sip, "sip", false, "look for a SIP ALG on the way to a 'natproof serve'")
	cmd.Flags().StringVar(&f.json, "json", "", "write the report as JSON to this `file`; - is stdout, and the text then goes to stderr")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := f.config()
		if err == nil && f.sip {
			err = onlySIP(cmd.Flags())
		}
		if err != nil {
			return err
		}
		host, port, err := hostPort(args[0])
		if err != nil {
			return err
		}
		if f.sip {
			sip := discover.SIPConfig{Local: cfg.Local}
			if cmd.Flags().Changed("wait") {
				sip.Wait = f.wait
			}
			return runDiscoverSIP(cmd.Context(), host, port, sip, f.json, s)
		}
		return runDiscover(cmd.Context(), host, port, cfg, f.json, s)
	}
	return cmd
}

// config is what the flags say. Whatever is wrong with them is found here.
func (f discoverFlags) config() (discover.Config, error) {
	cfg := discover.Config{Padding: f.padding, LifetimeMax: f.lifetime, LifetimePrecision: f.precision, Tests: []discover.Test{}}
	cfg.Options = stunclient.Options{RTO: f.wait / waitParts, Rc: 5, Rm: 4}
	for _, name := range f.tests {
		t, err := testNamed(name)
		if err != nil {
			return cfg, err
		}
		cfg.Tests = append(cfg.Tests, t)
	}
	switch {
	case f.lifetime < 0:
		return cfg, fmt.Errorf("--lifetime %v is less than nothing", f.lifetime)
	case f.precision <= 0:
		return cfg, fmt.Errorf("--precision %v: want more than nothing", f.precision)
	case f.wait < waitParts*time.Millisecond:
		return cfg, fmt.Errorf("--wait %v: want %v or more", f.wait, waitParts*time.Millisecond)
	case f.padding <= 0 || f.padding > 60000:
		return cfg, fmt.Errorf("--padding %d: want 1 to 60000 bytes", f.padding)
	case f.lifetime > 0:
		cfg.Tests = append(cfg.Tests, discover.BindingLifetime)
	}
	if f.local != "" {
		local, err := netip.ParseAddr(f.local)
		if err != nil || local.IsUnspecified() || local.IsMulticast() {
			return cfg, fmt.Errorf("--local %q: want an address of this host", f.local)
		}
		cfg.Local = local.Unmap()
	}
	return cfg, nil
}

func testNamed(name string) (discover.Test, error) {
	var valid []string
	for _, t := range discover.Tests()[1:] {
		switch {
		case t == discover.BindingLifetime:
		case string(t) == name:
			return t, nil
		default:
			valid = append(valid, string(t))
		}
	}
	if name == string(discover.BindingLifetime) {
		return "", errors.New("the lifetime is tested by --lifetime MAXIMUM")
	}
	return "", fmt.Errorf("unknown test %q (valid: %s)", name, strings.Join(valid, ", "))
}

// hostPort splits HOST[:PORT]; the port is 0 if there is none.
func hostPort(arg string) (string, uint16, error) {
	if a, err := netip.ParseAddr(arg); err == nil { // an IPv6 address has colons of its own
		return a.String(), 0, nil
	}
	host, port := arg, uint64(0)
	if strings.Contains(arg, ":") {
		h, p, err := net.SplitHostPort(arg)
		if err == nil {
			port, err = strconv.ParseUint(p, 10, 16)
		}
		if err != nil || port == 0 {
			return "", 0, fmt.Errorf("%q: want HOST or HOST:PORT", arg)
		}
		host = h
	}
	if host == "" {
		return "", 0, fmt.Errorf("%q: want HOST or HOST:PORT", arg)
	}
	return host, uint16(port), nil
}

func runDiscover(ctx context.Context, host string, port uint16, cfg discover.Config, file string, s streams) (err error) {
	if cfg.Server, err = findServer(ctx, net.DefaultResolver, host, port, cfg.Local); err != nil {
		return stopped(ctx, err)
	}
	if !cfg.Local.IsValid() {
		if cfg.Local, err = localFor(cfg.Server); err != nil {
			return &exitError{exitCannotRun, err}
		}
	}
	cfg.Listen = func(a netip.AddrPort) (net.PacketConn, error) {
		return net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
	}
	doc, text, err := openDocument(s, file)
	if err != nil {
		return err
	}
	defer doc.discard()

	report, runErr := discover.Run(ctx, cfg)
	if runErr != nil && len(report.Probes) == 0 && ctx.Err() == nil { // nothing was asked: there is nothing to report
		return &exitError{exitCannotRun, bindHint(cfg.Local, runErr)}
	}
	err = errors.Join(printReport(text, cfg, report), doc.json(discoverDocument{Schema: discoverSchema, Report: report}))
	switch {
	case err != nil:
		return &exitError{exitCannotRun, err}
	case runErr != nil:
		return stopped(ctx, bindHint(cfg.Local, runErr))
	}
	return nil
}

// bindHint says what can be wrong when no socket can be had.
func bindHint(local netip.Addr, err error) error {
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return fmt.Errorf("%w: is %v an address of this host?", err, local)
	}
	return err
}

// stopped tells an interrupt from what could not run.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &exitError{exitInterrupted, errors.New("interrupted: what was found so far is reported")}
	}
	return &exitError{exitCannotRun, err}
}

// resolver is the part of net.Resolver that a server is found with.
type resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// findServer finds the server that serves behaviour discovery at a host: by its SRV
// record, unless a port is given (RFC 8489 section 8; RFC 5780 names the service).
func findServer(ctx context.Context, dns resolver, host string, port uint16, local netip.Addr) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(a.Unmap(), cmp.Or(port, stunPort)), nil
	}
	if port == 0 {
		port = stunPort
		// The targets come by priority; a host without such a record serves at its own address.
		if _, records, err := dns.LookupSRV(ctx, "stun-behavior", "udp", host); err == nil && len(records) > 0 {
			if records[0].Target == "." {
				return netip.AddrPort{}, fmt.Errorf("%s says that it has no such service (RFC 2782); give a port to ask all the same", host)
			}
			host, port = records[0].Target, records[0].Port
		}
	}
	a, err := resolve(ctx, dns, host, local)
	return netip.AddrPortFrom(a, port), err
}

// resolve finds an address of the host: of the family of local if that is given,
// else rather IPv4.
func resolve(ctx context.Context, dns resolver, host string, local netip.Addr) (netip.Addr, error) {
	all, err := dns.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	var best netip.Addr
	for _, a := range all {
		a = a.Unmap()
		switch {
		case local.IsValid() && a.Is4() != local.Is4():
		case !best.IsValid(), a.Is4() && !best.Is4():
			best = a
		}
	}
	if !best.IsValid() {
		return best, fmt.Errorf("%s has no address of the family of %v", host, local)
	}
	return best, nil
}

// localFor is the address from which this host sends to the server. Connecting a
// UDP socket sends nothing.
func localFor(server netip.AddrPort) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}
