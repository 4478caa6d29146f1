package sipp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// What Do returns; match with errors.Is.
var (
	ErrMissing = errors.New("sipp: not installed (internal/setup/sipp.sh installs it)")
	ErrFailed  = errors.New("sipp: calls failed")
)

// Run is one run of SIPp.
type Run struct {
	Scenario string         // the file
	Server   netip.AddrPort // who is called; the zero value waits for calls
	Local    netip.AddrPort // of SIPp's socket; with port 0 SIPp chooses one
	Calls    int            // after so many it ends
	Rate     int            // calls a second, of who calls
	Rows     []string       // what [field0], [field1]... are, separated by semicolons, call by call
	Args     []string       // further arguments
	Dir      string         // where its files go
}

// Do runs SIPp until its calls are over or ctx is. The statistics are those it wrote last, also
// where there is an error.
func (r Run) Do(ctx context.Context) (Statistics, error) {
	program, err := exec.LookPath("sipp")
	if err != nil {
		return Statistics{}, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	args, err := r.arguments()
	if err != nil {
		return Statistics{}, err
	}
	said, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	stats, unread := r.statistics()
	switch exit := (*exec.ExitError)(nil); {
	case err == nil:
		return stats, unread
	case errors.As(err, &exit) && exit.ExitCode() == 1: // of SIPp's exit codes: at least one call failed
		return stats, errors.Join(fmt.Errorf("%w: %+v\n%s", ErrFailed, stats, r.complaints()), unread)
	default:
		return stats, fmt.Errorf("sipp: run: %w: %w\n%s%s", err, context.Cause(ctx), r.complaints(), tail(said))
	}
}

func (r Run) file(name string) string { return filepath.Join(r.Dir, name) }

func (r Run) arguments() ([]string, error) {
	args := []string{
		"-sf", r.Scenario, "-m", strconv.Itoa(r.Calls), "-i", r.Local.Addr().String(),
		"-nostdin", "-trace_stat", "-stf", r.file("statistics.csv"), "-trace_err", "-error_file", r.file("errors.log"),
	}
	if r.Local.Port() != 0 {
		args = append(args, "-p", strconv.Itoa(int(r.Local.Port())))
	}
	if r.Rate > 0 {
		args = append(args, "-r", strconv.Itoa(r.Rate))
	}
	if len(r.Rows) > 0 {
		if err := os.WriteFile(r.file("rows.csv"), []byte("SEQUENTIAL\n"+strings.Join(r.Rows, "\n")+"\n"), 0o644); err != nil {
			return nil, fmt.Errorf("sipp: rows: %w", err)
		}
		args = append(args, "-inf", r.file("rows.csv"))
	}
	args = append(args, r.Args...)
	if r.Server.IsValid() {
		args = append(args, r.Server.String())
	}
	return args, nil
}

// complaints are the last that SIPp wrote about calls that failed.
func (r Run) complaints() []byte {
	b, _ := os.ReadFile(r.file("errors.log")) // there is none if there were none
	return tail(b)
}

func tail(b []byte) []byte { return b[max(0, len(b)-4000):] }

func (r Run) statistics() (Statistics, error) {
	b, err := os.ReadFile(r.file("statistics.csv"))
	if err != nil {
		return Statistics{}, fmt.Errorf("sipp: statistics: %w", err)
	}
	return ParseStatistics(b)
}
