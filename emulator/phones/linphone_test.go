package phones_test

import (
	"testing"

	"github.com/natproof/natproof/emulator/certify"
	"github.com/natproof/natproof/emulator/phones"
	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios/cell"
)

func TestLinphone(t *testing.T) {
	needs(t, "linphone-daemon")
	phone, err := phones.Linphone(phones.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := certify.Certify(t.Context(), phone, certify.Options{Jobs: 6, Choice: cell.Choice{"a": {"none", "symmetric"}}})
	_ = report.Certificate(t.Output(), c, report.Options{})
	if err != nil || !c.Agrees() {
		t.Error(err)
	}
}
