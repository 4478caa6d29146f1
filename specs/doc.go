// Package specs plays plans of cells as tests, for whoever wants a NAT regression matrix of
// their own phone in CI: with package testing,
//
//	func TestMyPhone(t *testing.T) {
//		cells, err := scenarios.Plan(cell.Choice{"flow": {"register", "call"}, "port-manager": {"local"}})
//		if err != nil {
//			t.Fatal(err)
//		}
//		specs.Matrix(t, cells, scenarios.RunOptions{Seed: 1, Phones: stage.Phones{cell.A: myphone.Phone}})
//	}
//
// or with Ginkgo,
//
//	var _ = ginkgo.Describe("My phone", func() {
//		specs.Describe(cells, scenarios.RunOptions{Seed: 1, Phones: ...})
//	})
//
// Each cell is a test of its own, named by its id. It passes if what happened is what theory
// predicts of the phone's traits, causes included; a predicted failure that fails for the
// predicted reason is a pass. One that does not pass shows the cause, the ladder of all its
// messages, and the command that repeats it. A cell of which there is no theory is skipped,
// and says why.
package specs
