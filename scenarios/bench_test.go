package scenarios_test

import (
	"context"
	"runtime/debug"
	"testing"
	"time"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// BenchmarkCells plays whole cells on all processors, each cell in a world of its
// own with servers and user agents made anew.
func BenchmarkCells(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // as the command does
	register := cell.Default(flows.Register, "port-restricted", cell.NoNAT)
	call := cell.Default(flows.Call, "port-restricted", "full-cone")
	call.Registrar, call.Rport = cell.RegistrarReceived, true
	native := func(c cell.Cell) cell.Cell { c.Hosts = cell.HostsNative; return c }
	for _, bench := range []struct {
		name string
		cell cell.Cell
		opts scenarios.RunOptions
	}{
		{"flow=register", register, scenarios.RunOptions{}},
		{"flow=call,media=1s", call, scenarios.RunOptions{MediaTime: time.Second}},
		{"flow=call,media=12s", call, scenarios.RunOptions{}},
		{"native/flow=register", native(register), scenarios.RunOptions{}},
		{"native/flow=call,media=1s", native(call), scenarios.RunOptions{MediaTime: time.Second}},
		{"native/flow=call,media=12s", native(call), scenarios.RunOptions{}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if r := scenarios.Run(context.Background(), bench.cell, bench.opts); r.Err != nil || !r.Expected {
						b.Errorf("%v %s", r.Err, r.Cause)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cells/s")
		})
	}
}
