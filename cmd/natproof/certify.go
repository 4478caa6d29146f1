package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/emulator/certify"
	"github.com/natproof/natproof/emulator/phones"
	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
)

// certifyFlags are those of natproof certify beside the axes.
type certifyFlags struct {
	ua             []string
	seed           uint64
	all            bool
	wait           time.Duration
	driver         string
	set            []string
	jobs           int
	drivers        bool
	json, markdown string
}

func newCertify(s streams) *cobra.Command {
	var f certifyFlags
	cmd := &cobra.Command{
		Use:   "certify [-- PROGRAM ARGS]",
		Short: "Learn what a phone does, and say behind which NATs it works, why not, and what would help",
		Long: `certify looks at a phone from outside, by its packets, in labs with and without a
NAT: what it writes into Via, Contact and session descriptions, whether it asks for
rport, latches, holds its mappings, and more. From what it has learned it predicts
what becomes of the phone behind each NAT of the catalogue, plays the chosen ones,
and compares. For each failure it names the box, the rule and the section of the
RFC, and the smallest change of the phone, the other end, the proxy or the NAT with
which theory says that everything arrives.

PROGRAM is a phone of yours, which is put into a network namespace behind each NAT and
driven on the real clock: the programs that have a driver are ` + driverNames() + `;
any other must register when it is started and answer by itself. --set gives the driver
what it can be told; 'natproof certify --drivers' has the words.

--ua is this project's user agent with settings of its own: key=value, by the axes
that 'natproof help matrix' lists. A phone of yours in Go is certified by a call of
package emulator/certify.`,
		Example: `  natproof certify --ua rport=true
  natproof certify -- baresip
  natproof certify --set 'account=;medianat=stun;stunserver=stun:203.0.113.20' -- baresip
  natproof certify --ua port-manager=stun,rport=true --flow call --a classic,linux-masquerade --markdown certificate.md`,
	}
	x := addSomeAxes(cmd, certify.Choosable())
	x.usual(cell.KeyFlow, certify.Flows()...)
	x.usual(cell.KeyB, cell.NoNAT)
	x.usual(cell.KeyRegistrar, string(cell.RegistrarReceived))
	x.flags.Lookup(cell.KeyA).Usage = "NATs in front of the phone that are played; the others are predicted: " + strings.TrimPrefix(x.flags.Lookup(cell.KeyA).Usage, "NATs in front of a: ")
	cmd.Flags().StringSliceVar(&f.ua, "ua", nil, "certify this project's user agent with these settings, such as port-manager=stun,rport=true")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "the seed of everything random; the same seed gives the same bytes")
	cmd.Flags().BoolVar(&f.all, "all", false, "play every NAT of the catalogue")
	cmd.Flags().DurationVar(&f.wait, "wait", certify.DefaultWait, "how long to wait for what the phone does by itself; for a program "+certify.RealWait.String()+" if nothing else is said")
	cmd.Flags().StringVar(&f.json, "json", "", "write the certificate as JSON to this `file`; - is stdout, and the text then goes to stderr")
	cmd.Flags().StringVar(&f.markdown, "markdown", "", "write it as Markdown to this `file`; - is stdout")
	cmd.Flags().StringVar(&f.driver, "driver", "", "who drives PROGRAM, if not the driver of its name")
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "a setting of PROGRAM, such as 'account=;medianat=stun'; may be repeated")
	cmd.Flags().IntVar(&f.jobs, "jobs", certify.DefaultJobs, "how many labs with a program there are at a time")
	cmd.Flags().BoolVar(&f.drivers, "drivers", false, "print the drivers and their settings, and do nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.drivers {
			return printDrivers(s)
		}
		choice, err := x.choice()
		if err != nil {
			return err
		}
		if !x.flags.Changed("wait") {
			f.wait = 0
		} else if f.wait <= 0 {
			return fmt.Errorf("--wait %v is no time", f.wait)
		}
		phone, err := f.phone(args)
		if err != nil {
			return err
		}
		return certificate(cmd.Context(), phone, choice, f, s)
	}
	return cmd
}

// phone is who is certified.
func (f certifyFlags) phone(args []string) (stage.Phone, error) {
	switch {
	case len(args) > 0 && len(f.ua) > 0:
		return stage.Phone{}, errors.New("--ua and a program: one phone at a time")
	case len(args) > 0:
		return f.program(args)
	case len(f.ua) == 0:
		return stage.Phone{}, errors.New("which phone? Give -- and the program, or --ua with the settings of this project's user agent, such as --ua rport=true")
	case len(f.set) > 0 || f.driver != "":
		return stage.Phone{}, errors.New("--set and --driver are for a program")
	}
	return f.userAgent()
}

// program is a phone that is a program.
func (f certifyFlags) program(args []string) (stage.Phone, error) {
	if f.jobs < 1 {
		return stage.Phone{}, fmt.Errorf("--jobs %d: with less than one nothing is played", f.jobs)
	}
	cfg := phones.Config{Path: args[0], Args: args[1:], Set: map[string]string{}}
	for _, pair := range f.set {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return stage.Phone{}, fmt.Errorf("--set: %q is not key=value", pair)
		}
		cfg.Set[key] = value
	}
	driver := phones.For(args[0])
	if f.driver != "" {
		if driver = phones.For(f.driver); driver.Name != f.driver {
			return stage.Phone{}, fmt.Errorf("--driver: %w", &cell.ValueError{Axis: "driver", Value: f.driver, Valid: strings.Split(driverNames(), ", ")})
		}
	}
	return driver.New(cfg)
}

// driverNames are the programs that there is a driver for, and the word for all others.
func driverNames() string {
	var names []string
	for _, d := range phones.Known() {
		names = append(names, d.Name)
	}
	return strings.Join(names, ", ")
}

func printDrivers(s streams) error {
	for _, d := range phones.Known() {
		if _, err := fmt.Fprintf(s.out, "%s: %s\n", d.Name, d.Help); err != nil {
			return &exitError{exitCannotRun, err}
		}
	}
	return nil
}

// userAgent is this project's user agent with the settings of --ua.
func (f certifyFlags) userAgent() (stage.Phone, error) {
	c := cell.Default(flows.Call, cell.NoNAT, cell.NoNAT)
	c.PortManager = cell.ManagerLocal
	for _, pair := range f.ua {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return stage.Phone{}, fmt.Errorf("--ua: %q is not key=value", pair)
		}
		axis := cell.Lookup(key)
		if axis == nil || !certify.Setting(key) {
			return stage.Phone{}, fmt.Errorf("--ua: %w", &cell.ValueError{Axis: "setting", Value: key, Valid: certify.Settings()})
		}
		var err error
		if c, err = axis.With(c, value); err != nil {
			return stage.Phone{}, fmt.Errorf("--ua: %s: %w", key, err)
		}
	}
	return certify.UA(c), nil
}

func certificate(ctx context.Context, phone stage.Phone, choice cell.Choice, f certifyFlags, s streams) error {
	files, err := outputs(s.out, f.json, f.markdown)
	if err != nil {
		return err
	}
	defer discard(files)
	jsonFile, mdFile, text := files[0], files[1], s.out
	if jsonFile.File == s.out || mdFile.File == s.out {
		text = s.err
	}
	if phone.Brings {
		here, code, err := emulator.Enter()
		switch {
		case err != nil:
			return &exitError{exitCannotRun, err}
		case !here:
			return &exitError{code: code}
		}
	}
	c, err := certify.Certify(ctx, phone, certify.Options{Seed: f.seed, Wait: f.wait, Jobs: f.jobs, Choice: choice, All: f.all})
	switch {
	case ctx.Err() != nil:
		return &exitError{exitInterrupted, ctx.Err()}
	case errors.Is(err, cell.ErrInvalid), errors.Is(err, certify.ErrOptions):
		return natHint(err)
	case err != nil:
		return &exitError{exitCannotRun, err}
	case len(c.Verdicts) == 0:
		return &exitError{exitNothing, errors.New("no cell matches")}
	}
	if mdFile.File != nil {
		err = errors.Join(report.CertificateMarkdown(mdFile, c), mdFile.keep())
	}
	err = errors.Join(err, jsonFile.json(c.Document()), report.Certificate(text, c, looks(text)))
	if err != nil {
		return &exitError{exitCannotRun, err}
	}
	switch {
	case c.Count(certify.Broken) > 0:
		return &exitError{code: exitCannotRun}
	case !c.Agrees():
		return &exitError{code: exitUnexpected}
	}
	return nil
}
