// Command natproof says which SIP registrations and calls work through which
// NATs, predicted and observed, and why the others fail. See natproof help.
package main

import (
	"context"
	"math"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

func main() {
	limitGarbage()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// limitGarbage has garbage collected seldom, since worlds are many, small and short-lived, but
// before there is much of it: where processors have other work to do a cycle takes its time, what
// comes up meanwhile counts as alive, and the next cycle is late by nine times that. What
// GOMEMLIMIT says goes first.
func limitGarbage() {
	debug.SetGCPercent(800)
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(64<<20 + int64(runtime.GOMAXPROCS(0))*32<<20)
	}
}

// collectAsUsual is for a command with one world that grows, such as a lab: what it keeps is alive, and to
// collect ever more often for a limit would be in vain.
func collectAsUsual() {
	debug.SetGCPercent(100)
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(math.MaxInt64)
	}
}
