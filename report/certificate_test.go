package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/natproof/natproof/emulator/certify"
	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// One seed, one certificate, in both forms; and each says of a failure where, why, and what helps.
func TestCertificate(t *testing.T) {
	settings := cell.Default(flows.Call, cell.NoNAT, cell.NoNAT)
	settings.PortManager = cell.ManagerLocal
	var before [2]string
	for range 2 {
		c, err := certify.Certify(t.Context(), certify.UA(settings), certify.Options{Choice: cell.Choice{"flow": {"register"}, "a": {"none", "symmetric"}}})
		if err != nil {
			t.Fatal(err)
		}
		var text, md bytes.Buffer
		if err := report.Certificate(&text, c, report.Options{}); err != nil {
			t.Fatal(err)
		}
		if err := report.CertificateMarkdown(&md, c); err != nil {
			t.Fatal(err)
		}
		now := [2]string{text.String(), md.String()}
		for i, want := range []string{"would work if  the phone were set to ask for responses", "| symmetric | fails = |"} {
			if !strings.Contains(now[i], want) {
				t.Errorf("%s: no %q", now[i], want)
			}
			if before[i] != "" && before[i] != now[i] {
				t.Errorf("another text for the same seed:\n%s\n%s", before[i], now[i])
			}
		}
		for l := range strings.SplitSeq(now[0], "\n") {
			if len([]rune(l)) > 120 {
				t.Errorf("too long: %s", l)
			}
		}
		before = now
	}
}
