package certify_test

import (
	"slices"
	"testing"

	"github.com/natproof/natproof/emulator/certify"
	"github.com/natproof/natproof/examples/plain"
	"github.com/natproof/natproof/scenarios/cell"
)

// All that is played of the plain phone, which is not asked for its traits, is as predicted.
func TestCertifyPlain(t *testing.T) {
	c, err := certify.Certify(t.Context(), plain.Phone, certify.Options{All: true, Choice: cell.Choice{"registrar": {"contact", "received"}}})
	if err != nil {
		t.Fatal(err)
	}
	played := 0
	for _, v := range c.Verdicts {
		if v.Played() {
			played++
		}
		if v.Status == certify.NotAsPredicted || v.Status == certify.Broken {
			t.Errorf("%s: %s %v %v", v.Cell, v.Status, v.Result.Surprises(), v.Why)
		}
		if v.Status == certify.Fails && len(v.Because) == 0 {
			t.Errorf("%s: no reason", v.Cell)
		}
		if v.Status == certify.Fails && len(v.WouldWork) == 0 {
			t.Errorf("%s: nothing helps", v.Cell)
		}
	}
	for _, s := range []certify.Status{certify.Works, certify.Fails, certify.NotCovered, certify.Cannot} {
		t.Log(s, c.Count(s))
	}
	if played < 100 || c.Shown == nil || !slices.ContainsFunc(c.Verdicts, func(v certify.Verdict) bool { return v.Status == certify.Works && v.Cell.A != cell.NoNAT }) {
		t.Errorf("%d played", played)
	}
}

// What a phone cannot be told to do is not asked of it.
func TestFlowsThatAreNotForIt(t *testing.T) {
	c, err := certify.Certify(t.Context(), plain.Phone, certify.Options{Choice: cell.Choice{"flow": {"message", "hold-resume", "subscribe-notify", "blind-transfer", "register-refresh", "latch-attack", "early-media"}, "a": {"none"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range c.Verdicts {
		want := certify.Cannot
		switch v.Cell.Flow.Name() {
		case "message", "hold-resume":
			want = certify.Works
		case "early-media": // it begins its media with the 200
			want = certify.Fails
		}
		if v.Cell.A == cell.NoNAT && v.Status != want {
			t.Errorf("%s: %s %s", v.Cell, v.Status, v.Why)
		}
		if want == certify.Cannot && v.Why == "" {
			t.Errorf("%s: no reason", v.Cell)
		}
	}
}
