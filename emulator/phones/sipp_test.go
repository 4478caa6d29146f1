package phones_test

import (
	"testing"

	"github.com/natproof/natproof/emulator/phones"
)

// SIPp in cells, on the real clock: both ways, through a NAT that its answers do not get through
// without rport.
func TestSIPpInCells(t *testing.T) {
	needs(t, "sipp")
	for _, x := range []struct {
		id, rport string
	}{
		{"call/local[a=symmetric,b=none,registrar=received,rport=true,latch=b]", "true"},
		{"called/local[a=port-restricted,b=none,registrar=received,rport=true,latch=b]", "true"},
		{"register/local[a=symmetric,registrar=received]", "false"},
	} {
		t.Run(x.id, func(t *testing.T) {
			t.Parallel()
			phone, err := phones.SIPp(phones.Config{Set: map[string]string{"rport": x.rport}})
			if err != nil {
				t.Fatal(err)
			}
			inACell(t, x.id, withTraits(phone, x.rport == "true", true))
		})
	}
}
