package suites_test

import (
	"errors"
	"slices"

	"github.com/onsi/ginkgo/v2"

	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
	natspecs "github.com/natproof/natproof/specs"
)

// seed of every spec: the same cell gives the same verdict and the same trace.
const seed = 1

// plan is the product of a choice. What it does not say is a base on which signalling works
// through every NAT: responses and requests go to where those of the user agent came from.
func plan(choice cell.Choice) []cell.Cell {
	for key, value := range map[string]string{"registrar": "received", "rport": "true"} {
		if choice[key] == nil {
			choice[key] = []string{value}
		}
	}
	cells, err := scenarios.Plan(choice)
	if err != nil {
		panic(err)
	}
	return cells
}

var _ = ginkgo.Describe("Signalling", func() {
	ginkgo.Describe("of every NAT behaviour, with every way to learn one's address, either routing policy, with and without rport", func() {
		specs(plan(cell.Choice{
			"flow":         {"register"},
			"a":            append(cell.Classic(), cell.RFC4787()[1:]...),
			"port-manager": all(cell.KeyPortManager),
			"registrar":    all(cell.KeyRegistrar),
			"rport":        {"false", "true"},
		}))
	})
	ginkgo.Describe("with filters that remember per internal endpoint", func() {
		specs(plan(cell.Choice{
			"flow":         {"register"},
			"a":            cell.RFC4787(),
			"registrar":    {"contact"},
			"rport":        {"false"},
			"filter-scope": {"endpoint"},
		}))
	})
	ginkgo.Describe("of calls by plain RFC 3261", func() {
		specs(plan(cell.Choice{
			"flow":         {"call", "pc-to-phone"},
			"port-manager": all(cell.KeyPortManager),
			"registrar":    {"contact"},
			"rport":        {"false"},
		}))
	})
})

var _ = ginkgo.Describe("Media", func() {
	ginkgo.Describe("between the classic NATs, whoever latches, checks or is silent", func() {
		specs(plan(cell.Choice{
			"flow":   {"call"},
			"latch":  all(cell.KeyLatch),
			"strict": {"none", "both"},
			"silent": all(cell.KeySilent),
		}))
	})
	ginkgo.Describe("between all behaviours of RFC 4787, in either filter scope", func() {
		specs(plan(cell.Choice{
			"flow":         {"call"},
			"a":            cell.RFC4787(),
			"b":            cell.RFC4787(),
			"latch":        {"none", "both"},
			"filter-scope": all(cell.KeyFilterScope),
		}))
	})
	ginkgo.Describe("with addresses learned otherwise", func() {
		specs(plan(cell.Choice{
			"flow":         {"call"},
			"port-manager": {"local", "static"},
			"latch":        {"none", "both"},
		}))
	})
	ginkgo.Describe("with the PSTN gateway", func() {
		specs(plan(cell.Choice{
			"flow":         {"pc-to-phone"},
			"a":            append(cell.Classic(), cell.RFC4787()[1:]...),
			"port-manager": all(cell.KeyPortManager),
			"latch":        {"none", "b"},
			"strict":       {"none", "b"},
		}))
	})
})

// Devices and services of the catalogue, by name.
var _ = ginkgo.Describe("Devices of the catalogue", func() {
	ginkgo.Describe("and registration, by plain RFC 3261 and with its remedies", func() {
		specs(plan(cell.Choice{
			"flow":         {"register"},
			"a":            {"devices"},
			"port-manager": {"local", "stun"},
			"registrar":    all(cell.KeyRegistrar),
			"rport":        {"false", "true"},
		}))
	})
	ginkgo.Describe("and media, for those whose mappings outlive a remedied call", func() {
		specs(covered(plan(cell.Choice{
			"flow":  {"call"},
			"a":     catalogue.DeviceNames(),
			"b":     {cell.NoNAT, "linux-masquerade", "aws-nat-gateway"},
			"latch": {"none", "both"},
		})))
	})
})

// The variants of package sipalg in every NAT: what they repair for a client that knows
// nothing of NATs, and what they break for one that does (RFC 4787 REQ-10).
var _ = ginkgo.Describe("SIP application level gateways", func() {
	variants := all(cell.KeyALG)[1:]
	ginkgo.Describe("and registration, by plain RFC 3261 and with its remedies", func() {
		specs(covered(plan(cell.Choice{
			"flow":         {"register"},
			"port-manager": all(cell.KeyPortManager),
			"registrar":    all(cell.KeyRegistrar),
			"rport":        {"false", "true"},
			"alg":          variants,
		})))
	})
	ginkgo.Describe("and media between the classic NATs", func() {
		specs(covered(plan(cell.Choice{
			"flow":         {"call"},
			"port-manager": {"local", "stun"},
			"alg":          variants,
		})))
	})
	ginkgo.Describe("and media of all behaviours of RFC 4787 with the PSTN gateway", func() {
		specs(covered(plan(cell.Choice{
			"flow":         {"pc-to-phone"},
			"a":            cell.RFC4787(),
			"port-manager": all(cell.KeyPortManager),
			"latch":        {"none", "b"},
			"alg":          variants,
		})))
	})
})

// A sample of the whole product of flows, behaviours, ways to learn one's address, routing,
// rport, filter scopes and ALGs, which 'make matrix-wide' plays whole.
var _ = ginkgo.Describe("A sample of the wide product", func() {
	const every = 61 // prime, so that it falls upon every value of every axis
	var sample []cell.Cell
	for i, c := range plan(cell.Choice{
		"flow": {"register", "call", "called", "pc-to-phone"}, "a": cell.RFC4787(), "b": cell.RFC4787(), "port-manager": all(cell.KeyPortManager), "registrar": all(cell.KeyRegistrar),
		"rport": all(cell.KeyRport), "filter-scope": all(cell.KeyFilterScope), "alg": all(cell.KeyALG),
	}) {
		if i%every == 0 {
			sample = append(sample, c)
		}
	}
	specs(covered(sample))
})

// covered leaves out the cells of which there is no theory: what a message cut short in
// the middle of a line means is for each reader to decide.
func covered(cells []cell.Cell) []cell.Cell {
	return slices.DeleteFunc(cells, func(c cell.Cell) bool {
		_, err := scenarios.Predict(c, nil)
		return errors.Is(err, theory.ErrNotCovered)
	})
}

// all are the values of an axis.
func all(key string) []string { return cell.Lookup(key).Values }

// specs makes one spec of each cell.
func specs(cells []cell.Cell) { natspecs.Describe(cells, scenarios.RunOptions{Seed: seed}) }
