package phones_test

import (
	"os/exec"
	"testing"

	"github.com/natproof/natproof/emulator/certify"
	"github.com/natproof/natproof/emulator/phones"
)

func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skip(err)
	}
}

func TestBaresip(t *testing.T) {
	needs(t, "baresip")
	phone, err := phones.Baresip(phones.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := certify.Learn(t.Context(), phone, certify.Options{Jobs: 10})
	for _, f := range l.Findings {
		t.Logf("%-40s %-12s %v %s assumed %q beyond %q", f.Trait, f.Value, f.Seen, f.Why, f.Assumed, f.Beyond)
	}
	t.Logf("%+v %v %v", l.Traits, l.Axes, l.Cannot)
	if err != nil {
		t.Fatal(err)
	}
}

// One call through a NAT, on the real clock.
func TestBaresipInACell(t *testing.T) {
	needs(t, "baresip")
	phone, err := phones.Baresip(phones.Config{})
	if err != nil {
		t.Fatal(err)
	}
	inACell(t, "call/local[a=symmetric,b=none,registrar=received,rport=true,latch=b]", withTraits(phone, true, false))
}
