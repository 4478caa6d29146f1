package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/servers/registrar/sqlite"
)

// serveFlags are those of natproof serve.
type serveFlags struct {
	listen, advertise, domain string
	users, policy, store      string
	agents                    []string
	events                    bool
}

// agentNames are the event packages that the server can be the agent of.
var agentNames = []string{"presence", "message-summary"}

func newServe(s streams) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the lab's registrar and proxy on a socket of this host",
		Long: `serve runs the registrar and proxy that the matrix uses on a UDP socket of this
host, until it is stopped. Its first line on stdout says for whom and where.

Bindings live in memory. With --store they are kept in a file (SQLite) as well, and
are there after a restart: each before its 200 leaves. So are subscriptions and what was
published, with --agents. A file belongs to one server at a time.

The file of --users has a name and a password a line; empty lines and those that
begin with # count for nothing. Without it anybody may register as anybody.

Exit codes: 0 stopped by a signal, 2 usage, 3 could not run (no socket, a file that
cannot be used).`,
		Example: `  natproof serve --listen 192.0.2.1:5060 --domain example.com --policy received
  natproof serve --listen 127.0.0.1:5060 --users users.txt --store registrar.db`,
		Args: noArgs,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:5060", "the `address` and port to serve on; port 0 takes a free one")
	cmd.Flags().StringVar(&f.advertise, "advertise", "", "the `address` and port to write into Via and Record-Route; without it that of the socket")
	cmd.Flags().StringVar(&f.domain, "domain", "", "the `domain` of the addresses of record; without it the advertised address")
	cmd.Flags().StringVar(&f.users, "users", "", "the `file` with names and passwords")
	cmd.Flags().StringVar(&f.policy, "policy", registrar.PolicyReceived.String(), "where requests to users go: contact or received")
	cmd.Flags().StringSliceVar(&f.agents, "agents", nil, "answer SUBSCRIBE and PUBLISH for these event `packages`: "+strings.Join(agentNames, ","))
	cmd.Flags().StringVar(&f.store, "store", "", "keep bindings and event state in this `file`")
	cmd.Flags().BoolVar(&f.events, "events", false, "tell each decision of the server on stderr")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		listen, cfg, err := f.config(s)
		if err != nil {
			return err
		}
		return serve(cmd.Context(), listen, cfg, f.store, s)
	}
	return cmd
}

func (f serveFlags) config(s streams) (listen netip.AddrPort, cfg registrar.Config, err error) {
	if listen, err = netip.ParseAddrPort(f.listen); err != nil {
		return listen, cfg, fmt.Errorf("--listen %q: want ADDRESS:PORT", f.listen)
	}
	if f.advertise != "" {
		if cfg.Advertise, err = netip.ParseAddrPort(f.advertise); err != nil || cfg.Advertise.Port() == 0 {
			return listen, cfg, fmt.Errorf("--advertise %q: want ADDRESS:PORT", f.advertise)
		}
	}
	if listen.Addr().IsUnspecified() && f.advertise == "" {
		return listen, cfg, fmt.Errorf("--listen %v is every address: say with --advertise by which one the server is reached", listen)
	}
	if cfg.Policy, err = registrar.ParsePolicy(f.policy); err != nil {
		return listen, cfg, fmt.Errorf("--policy: %w", err)
	}
	cfg.Domain = f.domain
	if f.events {
		cfg.OnEvent = func(e registrar.Event) { fmt.Fprintln(s.err, e) }
	}
	for _, name := range f.agents {
		switch name {
		case agentNames[0]:
			cfg.Agents.Presence = true
		case agentNames[1]:
			cfg.Agents.Messages = true
		default:
			return listen, cfg, fmt.Errorf("--agents: %w", &cell.ValueError{Axis: "event package", Value: name, Valid: agentNames})
		}
	}
	if f.users != "" {
		if cfg.Users, err = readUsers(f.users); err != nil {
			return listen, cfg, &exitError{exitCannotRun, fmt.Errorf("--users: %w", err)}
		}
	}
	return listen, cfg, nil
}

// readUsers reads a name and a password a line.
func readUsers(file string) (map[string]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	users := map[string]string{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, password, ok := strings.Cut(line, " ")
		if password = strings.TrimSpace(password); !ok || password == "" {
			return nil, fmt.Errorf("%s:%d: want a name and a password", file, n)
		}
		if _, twice := users[name]; twice {
			return nil, fmt.Errorf("%s:%d: %s is there twice", file, n, name)
		}
		users[name] = password
	}
	return users, lines.Err()
}

func serve(ctx context.Context, listen netip.AddrPort, cfg registrar.Config, file string, s streams) (err error) {
	cannot := func(err error) error { return &exitError{exitCannotRun, err} }
	if file != "" {
		store, err := sqlite.Open(file)
		if err != nil {
			return cannot(err)
		}
		defer store.Close() // what it promised is on the disk
		cfg.Store = store
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(listen))
	if err != nil {
		return cannot(err)
	}
	srv, err := registrar.New(conn, cfg)
	if err != nil {
		conn.Close()
		if errors.Is(err, registrar.ErrConfig) {
			return err
		}
		return cannot(err)
	}
	domain := cfg.Domain
	if domain == "" {
		domain = srv.Addr().Addr().String()
	}
	if _, err := fmt.Fprintf(s.out, "sip:%s on %v\n", domain, conn.LocalAddr()); err != nil {
		return cannot(errors.Join(err, srv.Close()))
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	select {
	case err = <-served: // the socket is broken
	case <-ctx.Done():
	}
	if err = errors.Join(err, srv.Close()); err != nil {
		return cannot(err)
	}
	return nil
}
