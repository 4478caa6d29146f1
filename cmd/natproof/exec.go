package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/emulator/world"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/natmodels/sipalg"
	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/vnet"
)

// Exit statuses of exec beside the program's own: those of env(1) and of every shell.
const (
	exitNotRun   = 125 // natproof could not run it
	exitRefused  = 126 // it is there and cannot be run
	exitNotFound = 127 // it is not there
)

// execFlags are those of natproof exec.
type execFlags struct {
	nat, behind, alg, link string
	policy, user, password string
	ladder, driver         string
	mtu                    int
	hostNetwork            []string
	seed                   uint64
	quiet                  bool
}

// drivers are the names of the drivers, in the order of their values.
var drivers = []string{emulator.Auto.String(), emulator.TUN.String(), emulator.Ring.String()}

func newExec(s streams) *cobra.Command {
	var f execFlags
	cmd := &cobra.Command{
		Use:   "exec [flags] -- PROGRAM [ARGUMENTS]",
		Short: "Run a real program behind a NAT",
		Long: `exec runs a program, unmodified, in a network namespace behind a NAT, on a virtual
internet with a registrar and proxy, a STUN server with two addresses (RFC 5780), a
PSTN gateway that answers every number, a phone that answers every call and sends
back what it hears, and a DNS server. Of the host's network there is what --host-network names.
Linux; without root where the system has user namespaces ('natproof doctor').

The program finds what is where in its environment, and by name in /etc/hosts and DNS:

  NATPROOF_REGISTRAR  203.0.113.10:5060  registrar.example.com, and SRV of example.com
  NATPROOF_STUN       203.0.113.20:3478  stun.example.com; NATPROOF_STUN_ALT is its other address
  NATPROOF_GATEWAY    203.0.113.30:5060  gateway.example.com; NATPROOF_NUMBER is one to call
  NATPROOF_ECHO       sip:echo@example.com
  NATPROOF_DNS        203.0.113.53:53
  NATPROOF_DOMAIN, NATPROOF_URI, NATPROOF_USER, NATPROOF_PASSWORD  an account
  NATPROOF_ADDRESS    its own address

When it has ended, stderr says what was dropped, where and why, and which mappings
the NAT has.

Exit code: the program's, 128+n if signal n ended it; 2 usage, 125 natproof could
not run it, 126 it cannot be run, 127 it was not found.`,
		Example: `  natproof exec --nat symmetric -- turnutils_natdiscovery -m -p 3478 stun.example.com
  natproof exec --nat linux-masquerade --alg full --ladder calls.txt -- baresip -f ./conf
  natproof exec --nat port-restricted --behind eim-apdf --link lte -- sh -c 'ping -c 3 registrar'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("which program? Give it and its arguments after --")
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.SetInterspersed(false) // what follows the program is the program's
	flags.StringVar(&f.nat, "nat", "port-restricted", "the `NAT` in front of the program: a name that 'natproof nat list' prints, or a file of settings; none is a public address")
	flags.StringVar(&f.behind, "behind", cell.NoNAT, "the `NAT` that this one is behind, as that of a carrier")
	flags.StringVar(&f.alg, "alg", string(cell.ALGOff), "the SIP ALG in the NATs: off, "+strings.Join(sipalg.Names(), ", "))
	flags.StringVar(&f.link, "link", "", "the access link: "+strings.Join(vnet.LinkPresetNames(), ", ")+", or settings such as 'latency=20ms loss=0.01'; without it nothing is lost or delayed")
	flags.StringVar(&f.policy, "registrar", registrar.PolicyReceived.String(), "where the registrar sends requests for the program: contact, received, received-no-alias or ip-only")
	flags.StringVar(&f.user, "user", world.DefaultUser, "the `name` of the account")
	flags.StringVar(&f.password, "password", "", "the `password` that the registrar asks for; without it nobody is asked")
	flags.StringVar(&f.ladder, "ladder", "", "write every packet as a ladder to this `file`; - is stderr")
	flags.StringVar(&f.driver, "driver", emulator.Auto.String(), "what reads the program's packets: auto, tun or ring")
	flags.StringArrayVar(&f.hostNetwork, "host-network", nil, "a way to the host's network: `PROTOCOL:PORT[=ADDRESS:PORT]`, such as tcp:8080, leads from that port of 127.0.0.1 in the lab to the address, or to the same of the host; may be repeated. Without it there is none")
	flags.IntVar(&f.mtu, "mtu", 0, "the MTU of the program's interface in bytes; 0 is 1500")
	flags.Uint64Var(&f.seed, "seed", 1, "the seed of what NATs and links choose at random")
	flags.BoolVar(&f.quiet, "quiet", false, "say nothing when the program has ended")
	for flag, words := range map[string][]string{
		"nat": catalogue.Names(), "behind": catalogue.Names(), "link": vnet.LinkPresetNames(), "alg": append(sipalg.Names(), string(cell.ALGOff)),
		"driver": drivers, "registrar": {"contact", "received", "received-no-alias", "ip-only"},
	} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveDefault)) // they are flags
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		cfg, err := f.config()
		if err != nil {
			return err
		}
		ways, err := hostWays(f.hostNetwork)
		if err != nil {
			return err
		}
		here, code, err := emulator.Enter()
		switch {
		case err != nil:
			return &exitError{exitNotRun, doctorHint(err)}
		case !here:
			return exitWith(code)
		}
		return f.run(cfg, ways, args, s)
	}
	return cmd
}

// exitWith ends with the status of somebody who has said everything.
func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return &exitError{code: code}
}

// doctorHint adds who knows what is missing.
func doctorHint(err error) error {
	return fmt.Errorf("%w; natproof doctor says what is missing", err)
}

// config reads the flags.
func (f execFlags) config() (cfg world.Config, err error) {
	cfg = world.Config{User: f.user, Password: f.password, Seed: f.seed, MTU: f.mtu}
	nat, err := findNAT(f.nat)
	if err != nil {
		return cfg, fmt.Errorf("--nat: %w", err)
	}
	if f.nat != cell.NoNAT {
		cfg.NAT = nat.Model
	}
	behind, err := findNAT(f.behind)
	if err != nil {
		return cfg, fmt.Errorf("--behind: %w", err)
	}
	if f.behind != cell.NoNAT {
		cfg.Behind = behind.Model
	}
	if f.alg != string(cell.ALGOff) {
		alg, err := sipalg.Named(f.alg)
		if err != nil {
			return cfg, fmt.Errorf("--alg: %w", &cell.ValueError{Axis: "SIP ALG", Value: f.alg, Valid: append([]string{string(cell.ALGOff)}, sipalg.Names()...)})
		}
		cfg.ALG = &alg
		for _, m := range []*natmodels.Model{&cfg.NAT, &cfg.Behind} { // of Linux it is the helper, which has to be on
			if *m != nil && f.alg == string(cell.ALGLinux) && (*m).Behavior().Kind == natmodels.Conntrack {
				if *m, err = catalogue.Vary(*m, "sip-helper yes"); err != nil {
					return cfg, fmt.Errorf("--alg: %w", err)
				}
			}
		}
	}
	if cfg.Out, cfg.In, err = accessLink(f.link); err != nil {
		return cfg, fmt.Errorf("--link: %w", err)
	}
	if cfg.Policy, err = registrar.ParsePolicy(f.policy); err != nil {
		return cfg, fmt.Errorf("--registrar: %w", err)
	}
	if cfg.Policy == registrar.PolicyAnotherSource {
		return cfg, fmt.Errorf("--registrar %v: needs another address of the server, which is in the matrix only", cfg.Policy)
	}
	driver := slices.Index(drivers, f.driver)
	if driver < 0 {
		return cfg, fmt.Errorf("--driver: %w", &cell.ValueError{Axis: "driver", Value: f.driver, Valid: drivers})
	}
	cfg.Driver = emulator.Driver(driver)
	if f.mtu != 0 && (f.mtu < 68 || f.mtu > 65535) {
		return cfg, fmt.Errorf("--mtu %d: want 68 to 65535 bytes, or 0 for 1500", f.mtu)
	}
	return cfg, nil
}

// accessLink is a preset by name, or settings.
func accessLink(text string) (out, in vnet.LinkConfig, err error) {
	if text == "" {
		return out, in, nil
	}
	if strings.ContainsRune(text, '=') {
		out, err = vnet.ParseLinkConfig(text)
		return out, out, err
	}
	if !slices.Contains(vnet.LinkPresetNames(), text) {
		return out, in, &cell.ValueError{Axis: "link", Value: text, Valid: vnet.LinkPresetNames()}
	}
	return vnet.LinkPreset(text)
}

// hostWay is a way from the lab to the host's network.
type hostWay struct {
	network string
	at      netip.AddrPort
	to      string
}

// hostWays reads --host-network.
func hostWays(all []string) (ways []hostWay, err error) {
	for _, text := range all {
		bad := func() error {
			return fmt.Errorf("--host-network %q: want PROTOCOL:PORT or PROTOCOL:PORT=ADDRESS:PORT, such as tcp:8080=192.0.2.5:80", text)
		}
		where, to, away := strings.Cut(text, "=")
		network, number, ok := strings.Cut(where, ":")
		port, err := strconv.ParseUint(number, 10, 16)
		if !ok || err != nil || port == 0 || network != "tcp" && network != "udp" {
			return nil, bad()
		}
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
		if !away {
			to = at.String()
		} else if a, err := netip.ParseAddrPort(to); err != nil || a.Port() == 0 {
			return nil, bad()
		}
		ways = append(ways, hostWay{network, at, to})
	}
	return ways, nil
}

// eventLog keeps what a ladder is made of.
type eventLog struct {
	mu  sync.Mutex
	all []vnet.Event
}

// ladderMost bounds what is kept: after that, the ladder ends.
const ladderMost = 1 << 20

func (l *eventLog) add(e vnet.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) < ladderMost {
		l.all = append(l.all, e)
	}
}

func (l *eventLog) copy() []vnet.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// run runs the program, and says what happened.
func (f execFlags) run(cfg world.Config, ways []hostWay, args []string, s streams) error {
	stderr := s.err
	if err := writable(stderr, f.ladder); err != nil {
		return err
	}
	var drops report.Drops
	var log eventLog
	cfg.OnEvent = drops.Add
	if f.ladder != "" {
		cfg.OnEvent = func(e vnet.Event) {
			drops.Add(e)
			log.add(e)
		}
	}
	w, err := world.New(cfg)
	if err != nil {
		if errors.Is(err, world.ErrFamily) {
			return err
		}
		return &exitError{exitNotRun, doctorHint(err)}
	}
	defer w.Close()
	for _, x := range ways {
		if err := w.Program.Forward(x.network, x.at, x.to); err != nil {
			return &exitError{exitNotRun, err}
		}
	}
	begun := time.Now()
	code, err := runProgram(w, args, s)
	if err != nil {
		return err
	}
	if !f.quiet {
		if err := f.say(stderr, w, args[0], code, time.Since(begun), &drops); err != nil {
			return &exitError{exitNotRun, err}
		}
	}
	if err := f.draw(stderr, w, log.copy()); err != nil {
		return &exitError{exitNotRun, err}
	}
	return exitWith(code)
}

// writable says early that a file cannot be written, and leaves none: we may be killed.
func writable(stderr *os.File, name string) error {
	files, err := outputs(stderr, name)
	if err != nil {
		return &exitError{exitNotRun, err}
	}
	discard(files)
	return nil
}

// draw writes the ladder, where one is wanted.
func (f execFlags) draw(stderr *os.File, w *world.World, events []vnet.Event) error {
	files, err := outputs(stderr, f.ladder)
	if err != nil || files[0].File == nil {
		return err
	}
	defer discard(files)
	return errors.Join(report.Packets(files[0], events, w.Boxes(), looks(files[0].File)), files[0].keep())
}

// runProgram runs the program with our standard files, and hands it the signals that we get.
func runProgram(w *world.World, args []string, s streams) (code int, err error) {
	c := w.Program.Command(args[0], args[1:]...)
	c.Env = append(os.Environ(), w.Env()...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, s.out, s.err
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	defer signal.Stop(signals)
	if err := c.Start(); err != nil {
		switch {
		case errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist):
			return 0, &exitError{exitNotFound, err}
		default:
			return 0, &exitError{exitRefused, err}
		}
	}
	for {
		select {
		case sig := <-signals:
			if !emulator.FromTerminal(sig) {
				_ = c.Signal(sig) // it may have ended just now
			}
		case <-c.Ended():
			_ = c.Wait() // the status says it all
			return c.ExitCode(), nil
		}
	}
}

// say says how the program ended, what was dropped, and what the NATs remember.
func (f execFlags) say(to *os.File, w *world.World, name string, code int, took time.Duration, drops *report.Drops) error {
	o := looks(to)
	st := w.Lab.Stats()
	text := fmt.Sprintf("\nnatproof: %s ended with %s after %.3f s, %d packets sent and %d dropped\n", name, status(code), took.Seconds(), st.Sent, drops.Len())
	_, err := io.WriteString(to, text)
	err = errors.Join(err, drops.Write(to, o))
	for _, g := range w.NATs() {
		err = errors.Join(err, report.Mappings(to, g.Name(), g.Mappings(), o))
	}
	if broken := w.Program.Err(); broken != nil {
		_, e := fmt.Fprintf(to, "natproof: %s\n", said(broken))
		err = errors.Join(err, e)
	}
	if lost := w.Program.Stats(); lost.Overrun > 0 || lost.Failed > 0 {
		_, e := fmt.Fprintf(to, "natproof was too slow for %d packets of the program, and the kernel refused %d for it\n", lost.Overrun, lost.Failed)
		err = errors.Join(err, e)
	}
	return err
}

// status is an exit status in words.
func status(code int) string {
	if code > 128 && code <= 128+64 {
		if name := syscall.Signal(code - 128).String(); !strings.HasPrefix(name, "signal ") {
			return fmt.Sprintf("status %d (%s)", code, name)
		}
	}
	return fmt.Sprintf("status %d", code)
}
