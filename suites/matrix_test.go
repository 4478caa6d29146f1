package suites_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios"
)

// seed of every spec: the same cell gives the same verdict and the same trace.
const seed = 1

var base = scenarios.Axes{Registrars: []scenarios.Registrar{scenarios.RegistrarReceived}, Rports: []bool{true}}

// flows returns the base plan for one flow.
func plan(change func(*scenarios.Axes)) []scenarios.Cell {
	axes := base
	change(&axes)
	cells, err := scenarios.Plan(axes)
	if err != nil {
		panic(err)
	}
	return cells
}

var _ = ginkgo.Describe("Signalling", func() {
	ginkgo.Describe("of every NAT behaviour, with every way to learn one's address, either routing policy, with and without rport", func() {
		specs(plan(func(x *scenarios.Axes) {
			x.Flows = []scenarios.Flow{scenarios.FlowRegister}
			x.A = append(scenarios.Classic(), scenarios.RFC4787()[1:]...)
			x.PortManagers = scenarios.PortManagers()
			x.Registrars = scenarios.Registrars()
			x.Rports = []bool{false, true}
		}))
	})
	ginkgo.Describe("with filters that remember per internal endpoint", func() {
		specs(plan(func(x *scenarios.Axes) {
			x.Flows = []scenarios.Flow{scenarios.FlowRegister}
			x.A = scenarios.RFC4787()
			x.Registrars = []scenarios.Registrar{scenarios.RegistrarContact}
			x.Rports = []bool{false}
			x.FilterScopes = []scenarios.FilterScope{scenarios.ScopeEndpoint}
		}))
	})
	ginkgo.Describe("of calls by plain RFC 3261", func() {
		specs(plan(func(x *scenarios.Axes) {
			x.Flows = []scenarios.Flow{scenarios.FlowCall, scenarios.FlowPCToPhone}
			x.PortManagers = scenarios.PortManagers()
			x.Registrars = []scenarios.Registrar{scenarios.RegistrarContact}
			x.Rports = []bool{false}
		}))
	})
})

var _ = ginkgo.Describe("Media", func() {
	ginkgo.Describe("between the classic NATs, whoever latches, checks or is silent", func() {
		specs(plan(func(x *scenarios.Axes) {
			x.Flows = []scenarios.Flow{scenarios.FlowCall}
			x.Latches = scenarios.SideSets()
			x.Stricts = []scenarios.Sides{scenarios.NoSide, scenarios.BothSides}
			x.Silents = scenarios.SilentSets()
		}))
	})
	ginkgo.Describe("between all behaviours of RFC 4787, in either filter scope", func() {
		specs(plan(func(x *scenarios.Axes) {
			x.Flows = []scenarios.Flow{scenarios.FlowCall}
			x.A, x.B = scenarios.RFC4787(), scenarios.RFC4787()
			x.Latches = []scenarios.Sides{scenarios.NoSide, scenarios.BothSides}
			x.FilterScopes = scenarios.FilterScopes()
		}))
	})
	ginkgo.Describe("with addresses learned otherwise", func() {
		specs(plan(func(x *scenarios.Axes) {
			x.Flows = []scenarios.Flow{scenarios.FlowCall}
			x.PortManagers = []scenarios.PortManager{scenarios.ManagerLocal, scenarios.ManagerStatic}
			x.Latches = []scenarios.Sides{scenarios.NoSide, scenarios.BothSides}
		}))
	})
	ginkgo.Describe("with the PSTN gateway", func() {
		specs(plan(func(x *scenarios.Axes) {
			x.Flows = []scenarios.Flow{scenarios.FlowPCToPhone}
			x.A = append(scenarios.Classic(), scenarios.RFC4787()[1:]...)
			x.PortManagers = scenarios.PortManagers()
			x.Latches = []scenarios.Sides{scenarios.NoSide, scenarios.SideB}
			x.Stricts = []scenarios.Sides{scenarios.NoSide, scenarios.SideB}
		}))
	})
})

// Devices and services of the catalogue, by name.
var _ = ginkgo.Describe("Devices of the catalogue", func() {
	ginkgo.Describe("and registration, by plain RFC 3261 and with its remedies", func() {
		specs(plan(func(x *scenarios.Axes) {
			x.Flows = []scenarios.Flow{scenarios.FlowRegister}
			x.A = scenarios.Devices()
			x.PortManagers = []scenarios.PortManager{scenarios.ManagerLocal, scenarios.ManagerSTUN}
			x.Registrars = scenarios.Registrars()
			x.Rports = []bool{false, true}
		}))
	})
	ginkgo.Describe("and media, for those whose mappings outlive a remedied call", func() {
		specs(covered(plan(func(x *scenarios.Axes) {
			x.Flows = []scenarios.Flow{scenarios.FlowCall}
			x.A = catalogue.DeviceNames()
			x.B = []string{scenarios.NoNAT, "linux-masquerade", "aws-nat-gateway"}
			x.Latches = []scenarios.Sides{scenarios.NoSide, scenarios.BothSides}
		})))
	})
})

// The variants of package sipalg in every NAT: what they repair for a client that knows
// nothing of NATs, and what they break for one that does (RFC 4787 REQ-10).
var _ = ginkgo.Describe("SIP application level gateways", func() {
	variants := scenarios.ALGs()[1:]
	ginkgo.Describe("and registration, by plain RFC 3261 and with its remedies", func() {
		specs(covered(plan(func(x *scenarios.Axes) {
			x.Flows = []scenarios.Flow{scenarios.FlowRegister}
			x.PortManagers = scenarios.PortManagers()
			x.Registrars = scenarios.Registrars()
			x.Rports = []bool{false, true}
			x.ALGs = variants
		})))
	})
	ginkgo.Describe("and media between the classic NATs", func() {
		specs(covered(plan(func(x *scenarios.Axes) {
			x.Flows = []scenarios.Flow{scenarios.FlowCall}
			x.PortManagers = []scenarios.PortManager{scenarios.ManagerLocal, scenarios.ManagerSTUN}
			x.ALGs = variants
		})))
	})
	ginkgo.Describe("and media of all behaviours of RFC 4787 with the PSTN gateway", func() {
		specs(covered(plan(func(x *scenarios.Axes) {
			x.Flows = []scenarios.Flow{scenarios.FlowPCToPhone}
			x.A = scenarios.RFC4787()
			x.PortManagers = scenarios.PortManagers()
			x.Latches = []scenarios.Sides{scenarios.NoSide, scenarios.SideB}
			x.ALGs = variants
		})))
	})
})

// covered leaves out the cells of which there is no theory: what a message cut short in
// the middle of a line means is for each reader to decide.
func covered(cells []scenarios.Cell) []scenarios.Cell {
	return slices.DeleteFunc(cells, func(c scenarios.Cell) bool {
		_, err := scenarios.Predict(c)
		return errors.Is(err, scenarios.ErrNotCovered)
	})
}

// specs makes one spec of each cell.
func specs(cells []scenarios.Cell) {
	for _, cell := range cells {
		predicted, err := scenarios.Predict(cell)
		if err != nil {
			panic(fmt.Sprintf("%s: %v", cell.ID(), err))
		}
		ginkgo.It(cell.ID(), labels(cell, predicted), func(ctx context.Context) {
			r := scenarios.Run(ctx, cell, scenarios.RunOptions{Seed: seed})
			gomega.Expect(r.Err).NotTo(gomega.HaveOccurred())
			for _, s := range r.Surprises() {
				ginkgo.AddReportEntry("surprise", s)
			}
			gomega.Expect(r.Surprises()).To(gomega.BeEmpty(), "%s\nrepeat it with: natproof run '%s' --seed %d", r.Cause, cell.ID(), seed)
			gomega.Expect(r.Expected).To(gomega.BeTrue())
		})
	}
}

// labels of a cell: what it plays, and what theory expects of it.
func labels(c scenarios.Cell, predicted scenarios.Outcome) ginkgo.Labels {
	l := ginkgo.Labels{"flow:" + string(c.Flow), "nat:" + c.A, "port-manager:" + string(c.PortManager)}
	if c.B != c.A {
		l = append(l, "nat:"+c.B)
	}
	expect := "expect:works"
	if predicted.Register != scenarios.OK || predicted.Signalling != scenarios.OK || c.HasMedia() && predicted.Media != scenarios.TwoWay {
		expect = "expect:fails"
	}
	return append(l, expect)
}
