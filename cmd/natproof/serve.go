package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/servers/serve"
)

func newServe(s streams) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the lab's servers on sockets of this host",
		Long: `serve runs the registrar and proxy that the matrix uses on a UDP socket of this
host, until it is stopped; with --stun a STUN server too, and with --gateway a PSTN
gateway that answers calls. Its first line on stdout says for whom and where.

Bindings live in memory. With --store they are kept in a file (SQLite) as well, and
are there after a restart: each before its 200 leaves. So are subscriptions and what was
published, with --agents. A file belongs to one server at a time.

The file of --users has a name and a password a line; empty lines and those that
begin with # count for nothing. Without it anybody may register as anybody.

The file of --config is YAML with the names of these flags, without dashes before
them. A flag goes before what the file says.

A signal ends calls of the gateway by BYE and subscriptions that are not kept, and then
the servers; a second one ends all at once.

Exit codes: 0 stopped by a signal, 2 usage, 3 could not run (no socket, a file that
cannot be used), 130 stopped by a second signal.`,
		Example: `  natproof serve --listen 192.0.2.1:5060 --domain example.com --policy received
  natproof serve --listen 127.0.0.1:5060 --users users.txt --store registrar.db
  natproof serve --listen 192.0.2.1:5060 --stun 192.0.2.1:3478 --stun-alternate 192.0.2.2:3479 --gateway 192.0.2.1:5080
  natproof serve --config natproof.yaml --metrics 127.0.0.1:9090`,
		Args: noArgs,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&file, "config", "", "read what is not given as a flag from this `file`")
	for _, x := range serve.Settings() {
		switch x.Kind {
		case serve.Bool:
			cmd.Flags().Bool(x.Name, x.Default == "true", x.Usage)
		case serve.List:
			var words []string
			if x.Default != "" {
				words = strings.Split(x.Default, ",")
			}
			cmd.Flags().StringSlice(x.Name, words, x.Usage)
		default:
			cmd.Flags().String(x.Name, x.Default, x.Usage)
		}
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		values, err := serveValues(cmd.Flags(), file)
		if err != nil {
			return err
		}
		cfg, err := serve.Build(values)
		if err != nil {
			return didYouMean(err)
		}
		if cfg.Events {
			cfg.Registrar.OnEvent = func(e registrar.Event) { fmt.Fprintln(s.err, e) }
		}
		return runServe(cmd.Context(), cfg, s)
	}
	return cmd
}

// serveValues are those of the file, and before them those of the flags.
func serveValues(flags *pflag.FlagSet, file string) (serve.Values, error) {
	values := serve.Values{}
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, &exitError{exitCannotRun, fmt.Errorf("--config: %w", err)}
		}
		if values, err = serve.ReadFile(file, b); err != nil {
			return nil, didYouMean(err)
		}
	}
	for _, x := range serve.Settings() {
		f := flags.Lookup(x.Name)
		if !f.Changed {
			continue
		}
		words := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			words = list.GetSlice()
		} else if x.Kind == serve.Bool {
			on, _ := flags.GetBool(x.Name)
			words = []string{strconv.FormatBool(on)}
		}
		values[x.Name] = serve.Value{Words: words}
	}
	return values, nil
}

// didYouMean says an unknown word as the other commands do.
func didYouMean(err error) error {
	var unknown *serve.UnknownError
	if !errors.As(err, &unknown) {
		return err
	}
	better := (&cell.ValueError{Axis: unknown.What, Value: unknown.Name, Valid: unknown.Valid}).Error()
	return errors.New(strings.Replace(err.Error(), unknown.Error(), better, 1))
}

func runServe(ctx context.Context, cfg serve.Config, s streams) error {
	cannot := func(err error) error { return &exitError{exitCannotRun, err} }
	srv, err := serve.New(cfg, serve.NewLogger(s.err, cfg))
	switch {
	case errors.Is(err, serve.ErrConfig):
		return err
	case err != nil:
		return cannot(err)
	}
	if err := sayWhere(srv, s); err != nil {
		return cannot(errors.Join(err, srv.Close()))
	}
	now, stop := context.WithCancel(context.Background())
	defer stop()
	defer secondSignal(stop)()
	if err := serve.Notify("READY=1"); err != nil {
		return cannot(errors.Join(err, srv.Close()))
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, now) }()
	select {
	case err = <-served:
	case <-now.Done():
		select {
		case err = <-served:
		case <-time.After(patience):
		}
	}
	switch {
	case err != nil:
		return cannot(err)
	case now.Err() != nil:
		return &exitError{exitInterrupted, errors.New("stopped at once: calls and subscriptions were not ended")}
	}
	return nil
}

// patience is how long after a second signal the servers may take to close their sockets: what a
// panic has spoiled may never.
const patience = 2 * time.Second

// sayWhere says on which addresses is served: first for whom, then a line for each other server.
func sayWhere(srv *serve.Server, s streams) error {
	all := srv.Endpoints()
	if _, err := fmt.Fprintf(s.out, "sip:%s on %v\n", srv.Domain(), all[0].Addr); err != nil {
		return err
	}
	for _, e := range all[1:] {
		if _, err := fmt.Fprintf(s.out, "%s on %v\n", e.Server, e.Addr); err != nil {
			return err
		}
	}
	return nil
}

// secondSignal has a second signal heard, until the function that it returns is called.
func secondSignal(act func()) (end func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for n := 0; n < 2; n++ {
			select {
			case <-signals:
			case <-done:
				return
			}
		}
		act()
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}
