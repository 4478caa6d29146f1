package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"unicode"

	"github.com/spf13/pflag"

	"github.com/natproof/natproof/discover"
)

// sipPort is the registered one (RFC 3261 section 19.1.2).
const sipPort = 5060

// onlySIP refuses flags that say nothing to a search for SIP ALGs.
func onlySIP(flags *pflag.FlagSet) error {
	for _, name := range []string{"test", "lifetime", "precision", "padding"} {
		if flags.Changed(name) {
			return fmt.Errorf("--%s is about STUN: not with --sip", name)
		}
	}
	return nil
}

func runDiscoverSIP(ctx context.Context, host string, port uint16, cfg discover.SIPConfig, file string, s streams) (err error) {
	if cfg.Server, err = findSIP(ctx, net.DefaultResolver, host, port, cfg.Local); err != nil {
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
	report, runErr := discover.SIP(ctx, cfg)
	if runErr != nil && len(report.Probes) == 0 && ctx.Err() == nil { // nothing was asked: there is nothing to report
		return &exitError{exitCannotRun, bindHint(cfg.Local, runErr)}
	}
	err = errors.Join(printSIP(text, report), doc.json(sipDocument{Schema: sipSchema, SIPReport: report}))
	switch {
	case err != nil:
		return &exitError{exitCannotRun, err}
	case runErr != nil:
		return stopped(ctx, runErr)
	}
	return nil
}

// findSIP finds the address of a host that serves SIP; without a port it is the usual one.
func findSIP(ctx context.Context, dns resolver, host string, port uint16, local netip.Addr) (netip.AddrPort, error) {
	return findServer(ctx, dns, host, cmp.Or(port, sipPort), local)
}

// printSIP prints what became of SIP on the way.
func printSIP(w io.Writer, r discover.SIPReport) error {
	table := newRows(w)
	other := ""
	if r.Other.IsValid() {
		other = "also " + r.Other.String()
	}
	table.add("server", r.Server.String(), other)
	if r.Local.IsValid() {
		table.add("local", r.Local.String())
	}
	switch {
	case r.Mapped.IsValid():
		table.add("mapped", r.Mapped.String())
		table.add("NAT", r.NAT.String())
	case r.Reachable == discover.No:
		table.add("answer", "no", "UDP is blocked, SIP is thrown away on the way, or nobody serves there")
	}
	table.add("SIP ALG", r.ALG.String(), sipVerdict(r))
	if err := table.tw.Flush(); err != nil {
		return err
	}
	for _, p := range r.Probes {
		printSIPChanges(w, p, "there", p.Out)
		printSIPChanges(w, p, "back", p.Back)
	}
	for i, n := range r.Notes {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, n)
	}
	return nil
}

func sipVerdict(r discover.SIPReport) string {
	compared := 0
	for _, p := range r.Probes {
		if p.Failure == "" {
			compared++
		}
	}
	switch {
	case r.ALG == discover.No:
		return fmt.Sprintf("no ALG: every byte of %d requests and their answers arrived as it was sent", compared)
	case r.Kind != "":
		return "as the variant " + r.Kind + " of this program's ALGs"
	case r.ALG == discover.Yes:
		return "as none of this program's variants"
	}
	return ""
}

func printSIPChanges(w io.Writer, p discover.SIPProbe, way string, changes []discover.SIPChange) {
	if len(changes) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s to %v with %v in it, changed on the way %s:\n", p.Method, p.To, p.Written, way)
	for _, c := range changes {
		fmt.Fprintf(w, "  - %s\n  + %s\n", short(c.Sent), short(c.Arrived))
	}
	if way == "there" && p.WrongLength {
		fmt.Fprintln(w, "  Content-Length is not that of the body")
	}
}

// short is a line that fits one, and says so if it was longer.
func short(line string) string {
	const most = 120
	line = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, line)
	if r := []rune(line); len(r) > most {
		line = string(r[:most-3]) + "..."
	}
	return line
}
