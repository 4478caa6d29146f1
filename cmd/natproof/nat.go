package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/natproof/natproof/calibrate"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
)

func newNAT(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "nat",
		Short: "The NAT models: list, show, probe them",
		Args:  knownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newNATList(s), newNATShow(s), newNATProbe(s), newNATCalibrate(s))
	return cmd
}

func newNATList(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Print the names of the NATs and what they do, one a line",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			return orCannotRun(listNATs(s.out))
		},
	}
}

func newNATShow(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Print every setting of a NAT, as a file of your own may have it",
		Long: `show prints what a NAT is in the settings notation: each setting there is, what it
is about, and where a device's are from. What it prints can be kept in a file, changed,
and named in the place of a NAT: a name with a slash in it, or with .txt or .nat at
its end, is a file.`,
		Example: "  natproof nat show port-restricted\n  natproof nat show cisco-asa > my-nat.txt\n  natproof nat probe ./my-nat.txt",
		Args:    one("NAT", "a name that 'natproof nat list' prints, or a file of settings"),
		RunE: func(_ *cobra.Command, args []string) error {
			e, err := findNAT(args[0])
			if err != nil {
				return err
			}
			_, err = io.WriteString(s.out, catalogue.Describe(e))
			return orCannotRun(err)
		},
	}
}

func newNATProbe(s streams) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "probe NAME",
		Short: "Measure a NAT with the discovery client and compare with its settings",
		Long: `probe puts the NAT between a host and a STUN server in a virtual internet,
measures it from inside with the client of 'natproof discover', and compares each
property with what is configured. Where a client in that place cannot see what is
configured, the reason is given.

Exit codes: 0 measured as configured, or otherwise for a reason; 1 something
differs without one; 2 usage; 3 could not run.`,
		Example: "  natproof nat probe symmetric\n  natproof nat probe port-restricted --json -",
		Args:    one("NAT", "a name that 'natproof nat list' prints, or a file of settings"),
	}
	cmd.Flags().StringVar(&file, "json", "", "write the comparison and the client's report as JSON to this `file`; - is stdout, and the text then goes to stderr")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		e, err := findNAT(args[0])
		if err != nil {
			return err
		}
		return probe(e, file, s)
	}
	return cmd
}

func probe(e catalogue.Entry, file string, s streams) (err error) {
	doc, text, err := openDocument(s, file)
	if err != nil {
		return err
	}
	defer doc.discard()
	r, err := calibrate.Measure(e.Name, e.Model, natmodels.Place{})
	if err != nil {
		return &exitError{exitCannotRun, err}
	}
	if err := errors.Join(printProbe(text, r), doc.json(probeDocument(r))); err != nil {
		return &exitError{exitCannotRun, err}
	}
	if !r.Agrees() {
		return &exitError{code: exitUnexpected}
	}
	return nil
}

func newNATCalibrate(s streams) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "calibrate",
		Short: "Probe every NAT and every setting, and write the table",
		Long: `calibrate measures every named NAT and every value of every setting that a
client can see, and writes the comparison as Markdown. In a file that is there it
replaces only what is between the lines that begin with '<!-- calibrate:'.

Exit codes: 0 nothing differs without a reason, 1 something does (the file is
written all the same), 2 usage, 3 could not run, 130 interrupted (nothing is
written).`,
		Example: "  natproof nat calibrate --out docs/calibration.md",
		Args:    noArgs,
	}
	cmd.Flags().StringVar(&out, "out", "-", "the `file` to write; - is stdout")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if out == "" {
			return errors.New("--out is empty: want a file, or - for stdout")
		}
		return calibration(cmd.Context(), out, s)
	}
	return cmd
}

func calibration(ctx context.Context, name string, s streams) error {
	// What cannot be written is found before the work, so that it is not done in vain.
	files, err := outputs(s.out, name)
	if err != nil {
		return err
	}
	defer discard(files)
	before, err := document(files[0])
	if err != nil {
		return &exitError{exitCannotRun, err}
	}

	sections, err := calibrate.Run(ctx)
	switch {
	case ctx.Err() != nil:
		return &exitError{exitInterrupted, errors.New("interrupted: nothing was written")}
	case err != nil:
		return &exitError{exitCannotRun, err}
	}
	if err := writeCalibration(files[0], before, sections); err != nil {
		return &exitError{exitCannotRun, err}
	}
	return sayCalibration(s.err, sections)
}

// document is what is in the file that is to be written, or nil if it is none.
func document(o output) ([]byte, error) {
	if o.final == "" {
		return nil, nil
	}
	before, err := os.ReadFile(o.final)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := calibrate.Splice(before, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", o.final, err)
	}
	return before, nil
}

func writeCalibration(o output, before []byte, sections []calibrate.Section) error {
	var b bytes.Buffer
	if err := calibrate.Markdown(&b, sections); err != nil {
		return err
	}
	text := b.Bytes()
	if o.final != "" {
		var err error
		if text, err = calibrate.Splice(before, text); err != nil {
			return err
		}
	}
	if _, err := o.Write(text); err != nil {
		return err
	}
	return o.keep()
}

// sayCalibration sums up, and names what differs.
func sayCalibration(w io.Writer, sections []calibrate.Section) error {
	var all []calibrate.Result
	for _, section := range sections {
		all = append(all, section.Results...)
	}
	fmt.Fprintln(w, calibrate.Summary(all))
	var err error
	for _, r := range all {
		for _, p := range r.Properties {
			if p.Verdict() == calibrate.Differs {
				fmt.Fprintf(w, "%s: %s: configured %s, measured %s\n", r.Name, p.Name, p.Configured, p.Measured)
				err = &exitError{code: exitUnexpected}
			}
		}
	}
	return err
}

// findNAT finds a NAT by its name or file.
func findNAT(name string) (catalogue.Entry, error) {
	e, err := catalogue.Find(name)
	if catalogue.IsFile(name) {
		return e, err
	}
	return e, natHint(err)
}

// orCannotRun marks an error as none of the command line's.
func orCannotRun(err error) error {
	if err != nil {
		return &exitError{exitCannotRun, err}
	}
	return nil
}
