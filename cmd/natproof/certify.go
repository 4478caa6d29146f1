package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/natproof/natproof/emulator/certify"
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
	json, markdown string
}

func newCertify(s streams) *cobra.Command {
	var f certifyFlags
	cmd := &cobra.Command{
		Use:   "certify",
		Short: "Learn what a phone does, and say behind which NATs it works, why not, and what would help",
		Long: `certify looks at a phone from outside, by its packets, in labs with and without a
NAT: what it writes into Via, Contact and session descriptions, whether it asks for
rport, latches, holds its mappings, and more. From what it has learned it predicts
what becomes of the phone behind each NAT of the catalogue, plays the chosen ones,
and compares. For each failure it names the box, the rule and the section of the
RFC, and the smallest change of the phone, the other end, the proxy or the NAT with
which theory says that everything arrives.

--ua is this project's user agent with settings of its own: key=value, by the axes
that 'natproof help matrix' lists. A phone of yours in Go is certified by a call of
package emulator/certify.`,
		Example: `  natproof certify --ua rport=true
  natproof certify --ua port-manager=stun,rport=true --flow call --a classic,linux-masquerade --markdown certificate.md`,
		Args: noArgs,
	}
	x := addSomeAxes(cmd, certify.Choosable())
	x.usual(cell.KeyFlow, certify.Flows()...)
	x.usual(cell.KeyB, cell.NoNAT)
	x.usual(cell.KeyRegistrar, string(cell.RegistrarReceived))
	x.flags.Lookup(cell.KeyA).Usage = "NATs in front of the phone that are played; the others are predicted: " + strings.TrimPrefix(x.flags.Lookup(cell.KeyA).Usage, "NATs in front of a: ")
	cmd.Flags().StringSliceVar(&f.ua, "ua", nil, "certify this project's user agent with these settings, such as port-manager=stun,rport=true")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "the seed of everything random; the same seed gives the same bytes")
	cmd.Flags().BoolVar(&f.all, "all", false, "play every NAT of the catalogue")
	cmd.Flags().DurationVar(&f.wait, "wait", certify.DefaultWait, "how long to wait for what the phone does by itself")
	cmd.Flags().StringVar(&f.json, "json", "", "write the certificate as JSON to this `file`; - is stdout, and the text then goes to stderr")
	cmd.Flags().StringVar(&f.markdown, "markdown", "", "write it as Markdown to this `file`; - is stdout")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		choice, err := x.choice()
		if err != nil {
			return err
		}
		phone, err := f.phone()
		if err != nil {
			return err
		}
		return certificate(cmd.Context(), phone, choice, f, s)
	}
	return cmd
}

// phone is who is certified.
func (f certifyFlags) phone() (stage.Phone, error) {
	if len(f.ua) == 0 {
		return stage.Phone{}, errors.New("which phone? Give --ua with its settings, such as --ua rport=true")
	}
	if f.wait <= 0 {
		return stage.Phone{}, fmt.Errorf("--wait %v is no time", f.wait)
	}
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
	c, err := certify.Certify(ctx, phone, certify.Options{Seed: f.seed, Wait: f.wait, Choice: choice, All: f.all})
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
