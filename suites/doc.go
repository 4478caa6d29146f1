// Package suites is the regression matrix as Ginkgo specs, for CI: one spec a
// cell, generated from the plans of package scenarios.
//
//	go tool ginkgo --fail-on-empty ./suites
//	go tool ginkgo --fail-on-empty --label-filter='nat:symmetric && expect:fails' ./suites
//	go tool ginkgo --fail-on-empty --junit-report=junit.xml ./suites
//
// Labels are flow:, nat:, port-manager: and expect:works or expect:fails, which
// is the prediction. Every spec plays its cell under virtual time and asserts
// on the result outside, so a suite takes seconds. A filter that selects no spec
// fails the suite, with or without that flag.
//
// Beside the matrix are what the documents of the RTC Client API say, a Describe for a page
// and an It for a sentence (label documents), and calls over loopback.
//
// It is the only package that knows Ginkgo, and nothing imports it.
package suites
