package phones_test

import (
	"testing"

	"github.com/natproof/natproof/emulator/certify"
	"github.com/natproof/natproof/emulator/phones"
	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
)

// Certificates of programs: what is learned of them, and that each cell that is played by it is as
// predicted.
func TestCertificates(t *testing.T) {
	if !*all {
		t.Skip("minutes on the real clock: make phones-all")
	}
	classic := cell.Choice{}
	rport := theory.SignallingTraits{Rport: true}
	for _, x := range []struct {
		program string
		set     map[string]string
		choice  cell.Choice
		want    theory.Traits
	}{
		{"baresip", nil, classic, theory.Traits{SignallingTraits: rport, MediaTraits: theory.MediaTraits{HearsEarly: true}}},
		{"baresip", map[string]string{"account": ";medianat=stun;stunserver=stun:203.0.113.20:3478"}, classic,
			theory.Traits{SignallingTraits: rport, MediaTraits: theory.MediaTraits{HearsEarly: true, Media: theory.MediaAsked, NamesRTCP: true}}},
		{"sipp", map[string]string{"rport": "false"}, cell.Choice{"a": {"none", "symmetric"}}, theory.Traits{MediaTraits: theory.MediaTraits{NoRTCP: true}}},
		{"linphone-daemon", nil, cell.Choice{"a": {"none", "symmetric"}, "registrar": {"contact"}}, theory.Traits{SignallingTraits: theory.SignallingTraits{Rport: true, Learns: true}}},
	} {
		t.Run(x.program, func(t *testing.T) {
			needs(t, x.program)
			phone, err := phones.For(x.program).New(phones.Config{Set: x.set})
			if err != nil {
				t.Fatal(err)
			}
			c, err := certify.Certify(t.Context(), phone, certify.Options{Choice: x.choice})
			if err != nil {
				t.Fatal(err)
			}
			if err := report.Certificate(t.Output(), c, report.Options{}); err != nil || !c.Agrees() || c.Count(certify.Works) == 0 {
				t.Error("not as predicted", err)
			}
			if c.Learned.Traits != x.want {
				t.Errorf("%+v, want %+v", c.Learned.Traits, x.want)
			}
		})
	}
}
